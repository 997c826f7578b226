"""The adapter reads manifests and images; what could be harmful or wrong is refused with a reason."""

from __future__ import annotations

import os
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reson_jupyter.worker import adapter

from .images import Net, Quiet, Strange, coloured, entries_of, failure, save


def read(tmp_path: Path, name: str, size: int = 4) -> np.ndarray:
    return adapter._rt_decode(str(tmp_path / name), size)


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


@pytest.mark.parametrize("uri", ["https://example.org/a.png", "http://127.0.0.1/a.png", "HTTPS://example.org/a.png"])
def test_images_are_not_downloaded(shard: Any, uri: str) -> None:
    assert "downloading images is switched off" in failure(shard([{"id": "a", "uri": uri, "y": 0}]), Net())


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
def test_what_is_no_honest_jpeg_or_png_is_refused_at_once(shard: Any, tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "a.png")
    began = time.perf_counter()
    message = failure(shard([{"id": "a", "uri": "a.png", "y": 0}]), Net())
    assert "sample 'a': a.png is no usable image: " in message
    assert time.perf_counter() - began < 0.5


def left_red_right_blue(size: int = 64) -> Image.Image:
    image = coloured((255, 0, 0), (size, size))
    image.paste((0, 0, 255), (size // 2, 0, size, size))
    return image


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_pillow_does(tmp_path: Path, orientation: int) -> None:
    from PIL import ImageOps

    image = left_red_right_blue()
    image.paste((0, 255, 0), (0, 0, 32, 32))
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in ("a.jpg", "a.png"):
        save(tmp_path, name, image, exif=exif, **({"quality": 95} if name == "a.jpg" else {}))
        upright = ImageOps.exif_transpose(Image.open(tmp_path / name)).resize((4, 4), Image.Resampling.BILINEAR)
        assert np.abs(read(tmp_path, name).astype(int) - np.asarray(upright).transpose(2, 0, 1)).max() <= 12


@pytest.mark.parametrize(
    ("name", "image", "expected"),
    [
        ("a.png", Image.new("RGB", (9, 5), (10, 200, 30)), (10, 200, 30)),
        ("a.png", Image.new("L", (9, 5), 77), (77, 77, 77)),
        ("a.png", Image.new("1", (9, 5), 1), (255, 255, 255)),
        ("a.png", Image.new("RGBA", (9, 5), (10, 200, 30, 0)), (10, 200, 30)),
        ("a.png", Image.new("LA", (9, 5), (77, 0)), (77, 77, 77)),
        ("a.png", Image.new("RGB", (9, 5), (10, 200, 30)).quantize(4), (10, 200, 30)),
        ("a.png", Image.fromarray(np.full((5, 9), 0x4D12, "uint16")), (0x4D, 0x4D, 0x4D)),
        ("a.jpg", Image.new("RGB", (9, 5), (128, 128, 128)), (128, 128, 128)),
        ("a.jpg", Image.new("L", (9, 5), 77), (77, 77, 77)),
        ("a.jpg", Image.new("CMYK", (9, 5), (0, 0, 0, 127)), (128, 128, 128)),
    ],
)
def test_every_kind_of_jpeg_and_png_becomes_rgb(tmp_path: Path, name: str, image: Image.Image, expected: tuple[int, ...]) -> None:
    save(tmp_path, name, image)
    pixels = read(tmp_path, name)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.reshape(3, -1).T.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(("size", "shape"), [(64, (160, 120)), (224, (500, 375)), (224, (1024, 768)), (32, (16, 20))])
def test_the_fast_decoding_is_close_to_the_plain_one(tmp_path: Path, size: int, shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    blobs = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    photo = blobs.resize(shape, Image.Resampling.BICUBIC)
    for name in ("a.jpg", "a.png"):
        save(tmp_path, name, photo)
        plain = np.asarray(Image.open(tmp_path / name).convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
        assert np.abs(read(tmp_path, name, size).astype(int) - plain.transpose(2, 0, 1)).mean() <= 0.5


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
