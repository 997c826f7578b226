"""The adapter reads manifests and images; what could be harmful or wrong is refused with a reason."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import ImageFile

from reson_jupyter.worker import adapter
from reson_jupyter.worker import shard as shard_module

from .images import Net, Quiet, Strange, coloured, entries_of, failure, save

# Manifests


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "manifest.ndjson has no samples"),
        ("\n\n", "manifest.ndjson has no samples"),
        ("{not json}\n", "manifest.ndjson, line 1: "),
        ('\n{"id": "a"\n', "manifest.ndjson, line 2: "),
        ("[1]\n", "line 1: not an object with an `id`"),
        ('{"id": 5, "uri": "a.png", "y": 0}\n', "line 1: not an object with an `id`"),
        ('{"id": "", "uri": "a.png", "y": 0}\n', "line 1: not an object with an `id`"),
        ('{"id": "a", "y": 0}\n', "line 1: `uri` is missing"),
        ('{"id": "a", "uri": "a.png"}\n', "line 1: sample 'a': y must be a label"),
        ('{"id": "a", "uri": "a.png", "y": -1}\n', "it is -1"),
        ('{"id": "a", "uri": "a.png", "y": true}\n', "it is True"),
        ('{"id": "a", "uri": "a.png", "y": [0, "1"]}\n', "it is [0, '1']"),
        ('{"id": "a", "uri": "a.png", "y": 1.5}\n', "it is 1.5"),
        ('{"id": "a", "uri": "a.png", "y": 0}\n' * 2, "line 2: the id 'a' is there twice"),
        ("[" * 100_000 + "\n", "manifest.ndjson, line 1: "),
    ],
)
def test_a_manifest_that_cannot_be_used_names_the_line(shard: Any, text: str, message: str) -> None:
    assert message in failure(shard(text), Net())


def test_a_missing_manifest_is_named_with_its_place(shard: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no other.ndjson at the root of the shard"):
        adapter.rt_train_model(Net(), shard([], manifest_file="other.ndjson"), "", Quiet())


# Paths


@pytest.mark.parametrize(
    "uri",
    [
        "/etc/passwd",
        "file:///etc/passwd",
        "../secret.png",
        "images/../../secret.png",
        "file://../secret.png",
        "images/%2e%2e/secret.png",
        "%252e%252e/secret.png",
        "..\\secret.png",
        "images\\..\\..\\secret.png",
        "C:/secret.png",
        "file:secret.png",
        "FILE:///etc/passwd",
        "s3://bucket/a.png",
        "ftp://host/a.png",
        "data:image/png;base64,AAAA",
        "images/a\0.png",
        "images/a\n.png",
        "images/a\u202e.png",
        "file://",
        "//host/share/a.png",
    ],
)
def test_a_uri_that_could_mean_a_place_outside_the_shard_is_refused(shard: Any, tmp_path: Path, uri: str) -> None:
    coloured((1, 2, 3)).save(tmp_path.parent / "secret.png")
    message = failure(shard([{"id": "a", "uri": uri, "y": 0}]), Net())
    assert "line 1: " in message
    assert "is no path inside the shard" in message


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("https://example.org/a.png?key=secret", "line 1: 'https://example.org/a.png': sites fetch no images from example.org"),
        ("http://127.0.0.1/a.png?key=secret", "line 1: 'http://127.0.0.1/a.png' is no plain https address"),
        ("HTTPS://example.org/a.png", "is no plain https address"),
    ],
)
@pytest.mark.parametrize("hosts", [[], ["images.example.org"]])
def test_images_are_not_downloaded_unless_their_host_is_allowed(shard: Any, uri: str, message: str, hosts: list[str]) -> None:
    said = failure(shard([{"id": "a", "uri": uri, "y": 0}], image_hosts=hosts), Net())
    assert message in said and "secret" not in said


def test_an_image_of_an_allowed_host_is_fetched_once_and_its_failure_names_the_sample(
    shard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched, file = [], io.BytesIO()
    coloured((1, 2, 3)).save(file, "PNG")

    def fetch(url: str, hosts: list[str]) -> bytes:
        fetched.append((url, hosts))
        if "gone" in url:
            raise ValueError("'https://a.example.org/gone.png' cannot be fetched: it is gone")
        return file.getvalue() if "good" in url else b"text"

    monkeypatch.setattr(shard_module, "_rt_fetch", fetch)
    url = "https://a.example.org/{}.png?key=secret"
    env = shard([{"id": "a", "uri": url.format("good"), "y": 0}], image_hosts=["a.example.org"], local_epochs=2)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 2))
    adapter.rt_train_model(model, env, "", Quiet())
    assert fetched == [(url.format("good"), ["a.example.org"])]
    for name, message in (
        ("gone", "sample 'a': 'https://a.example.org/gone.png' cannot be fetched: it is gone"),
        ("text", "sample 'a': 'https://a.example.org/text.png' is no usable image: cannot identify image file"),
    ):
        said = failure(shard([{"id": "a", "uri": url.format(name), "y": 0}], image_hosts=["a.example.org"]), model)
        assert said.startswith(message) and "secret" not in said


@pytest.mark.parametrize("link", ["file", "folder"])
def test_a_link_to_a_place_outside_the_shard_is_refused(shard: Any, tmp_path: Path, link: str) -> None:
    outside = tmp_path.parent / f"outside-{link}"
    save(outside, "a.png", coloured((1, 2, 3)))
    os.symlink(outside / "a.png" if link == "file" else outside, tmp_path / "link")
    uri = "link" if link == "file" else "link/a.png"
    assert "is a link to a place outside the shard" in failure(shard([{"id": "a", "uri": uri, "y": 0}]), Net())


def test_a_link_inside_the_shard_and_a_shard_behind_a_link_are_fine(shard: Any, tmp_path: Path) -> None:
    entries = entries_of(tmp_path, 6)
    os.symlink(tmp_path / "images", tmp_path / "also")
    os.symlink(tmp_path, tmp_path.parent / "behind-a-link")
    for entry in entries:
        entry["uri"] = "file://./also/" + entry["uri"].split("/")[1]
    env = shard(entries, DATA_ROOT=str(tmp_path.parent / "behind-a-link"))
    assert adapter.rt_train_model(Net(), env, "", Quiet())["samples"] == 5


# Images


def test_a_missing_image_names_its_sample(shard: Any) -> None:
    message = failure(shard([{"id": "a", "uri": "images/none.png", "y": 0}]), Net())
    assert "sample 'a': images/none.png is no usable image: " in message


def gif(path: Path) -> None:
    coloured((1, 2, 3)).save(path, format="GIF")


def truncated(path: Path) -> None:
    coloured((1, 2, 3), (200, 200)).save(path, format="JPEG")
    path.write_bytes(path.read_bytes()[:-400])


def bomb(path: Path, side: int = 20_000) -> None:
    """A PNG of that many pixels a side, in a few hundred kB."""
    row = zlib.compress(bytes(side // 8 + 1) * side, 9)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", row) + chunk(b"IEND", b""))


def smaller_bomb(path: Path) -> None:
    bomb(path, 9_600)


def just_too_large(path: Path) -> None:
    bomb(path, 4_104)


@pytest.mark.parametrize("make", [gif, truncated, bomb, smaller_bomb, just_too_large, lambda path: path.write_text("text")])
def test_what_is_no_honest_jpeg_or_png_is_refused_and_no_pixel_of_a_bomb_is_decoded(
    shard: Any, tmp_path: Path, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "a.png")
    decoded = []
    load = ImageFile.ImageFile.load
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: (decoded.append(image.size), load(image))[1])
    message = failure(shard([{"id": "a", "uri": "a.png", "y": 0}]), Net())
    assert "sample 'a': a.png is no usable image: " in message
    assert bool(decoded) == (make is truncated), "only its pixels tell that a file is not whole"


def test_pixels_are_normalised_with_imagenets_mean_and_deviation(shard: Any, tmp_path: Path) -> None:
    seen = []
    save(tmp_path, "a.png", coloured((255, 0, 51)))
    env = shard([{"id": "a", "uri": "a.png", "y": 0}])

    def keep(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.clone())
        return torch.zeros(len(x), 2, requires_grad=True)

    adapter.rt_train_model(Strange(keep), env, "", Quiet())
    expected = [(1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (0.2 - 0.406) / 0.225]
    assert seen[0].shape == (1, 3, 8, 8)
    assert seen[0][0, :, 3, 3].tolist() == pytest.approx(expected, abs=1e-5)
