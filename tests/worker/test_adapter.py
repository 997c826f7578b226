"""The adapter: shards of images, read safely, trained on and validated."""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reson_jupyter.worker import adapter, source

Entry = dict[str, Any]


class Quiet:
    """A logger that keeps metrics, and stops the run after so many checks."""

    def __init__(self, checks: int = 10**9) -> None:
        self.metrics: list[tuple[dict[str, float], int]] = []
        self.checks = checks

    def log_metric(self, metrics: dict[str, float], step: int) -> None:
        self.metrics.append((metrics, step))

    def check_task_abort(self) -> None:
        self.checks -= 1
        if self.checks < 0:
            raise KeyboardInterrupt


class Net(torch.nn.Module):
    """A small classifier with BatchNorm and dropout."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3),
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Flatten(),
            torch.nn.BatchNorm1d(4),
            torch.nn.Dropout(0.1),
        )
        self.head = torch.nn.Linear(4, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x))


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    adapter._rt_shards.clear()
    yield
    adapter._rt_shards.clear()


@pytest.fixture
def shard(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Writes a shard and returns the env of a run on it."""

    def write(entries: list[Entry] | str, **env: Any) -> dict[str, Any]:
        lines = entries if isinstance(entries, str) else "".join(json.dumps(entry) + "\n" for entry in entries)
        (tmp_path / "manifest.ndjson").write_text(lines)
        base = {"DATA_ROOT": str(tmp_path), "SITE_NAME": "site-1", "CURRENT_ROUND": 0, "DEVICE": "cpu"}
        training = {"num_classes": 0, "local_epochs": 1, "batch_size": 4, "learning_rate": 0.01, "img_size": 8}
        return base | training | {"manifest_file": "manifest.ndjson"} | env

    return write


def save(folder: Path, name: str, image: Image.Image, **options: Any) -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    image.save(folder / name, **options)
    return name


def coloured(colour: tuple[int, int, int], size: tuple[int, int] = (12, 12)) -> Image.Image:
    return Image.new("RGB", size, colour)


def entries_of(folder: Path, count: int, labels: Callable[[int], Any] = lambda number: [number % 3]) -> list[Entry]:
    """Images whose colour tells their label."""
    colours = [(220, 20, 20), (20, 220, 20), (20, 20, 220)]
    return [
        {"id": f"s{number}", "uri": save(folder, f"images/{number}.png", coloured(colours[number % 3])), "y": labels(number)}
        for number in range(count)
    ]


def read(tmp_path: Path, name: str, size: int = 4) -> np.ndarray:
    return adapter._rt_decode(str(tmp_path / name), size)


# Training and validating


def test_it_learns_colours_and_validates_on_what_it_never_trained_on(shard: Any, tmp_path: Path) -> None:
    env, model, logger = shard(entries_of(tmp_path, 60), local_epochs=12, learning_rate=0.1, batch_size=16), Net(), Quiet()
    before = adapter.rt_validate_model(model, env, "", logger)
    result = adapter.rt_train_model(model, env, "", logger)
    after = adapter.rt_validate_model(model, env, "", logger)
    assert after["val_accuracy"] == 1.0
    assert after["val_loss"] < before["val_loss"]
    assert set(result) == {"weights", "samples", "train_loss", "train_accuracy"}
    parts = next(iter(adapter._rt_shards.values()))
    assert result["samples"] == len(parts.train) == 60 - len(parts.held_out)
    assert 0 < len(parts.held_out) < 20
    assert [step for _, step in logger.metrics] == list(range(12))
    assert logger.metrics[-1][0] == {"train_loss": result["train_loss"], "train_accuracy": result["train_accuracy"]}


def test_the_same_site_and_round_train_alike_and_others_differ(shard: Any, tmp_path: Path) -> None:
    entries = entries_of(tmp_path, 20)

    def train(**env: Any) -> torch.Tensor:
        torch.rand(3)  # whatever random state there is
        return adapter.rt_train_model(Net(), shard(entries, **env), "", Quiet())["weights"]["head.weight"]

    assert torch.equal(train(), train())
    assert not torch.equal(train(), train(CURRENT_ROUND=1))
    assert not torch.equal(train(), train(SITE_NAME="site-2"))


def test_steps_go_on_over_the_rounds(shard: Any, tmp_path: Path) -> None:
    logger = Quiet()
    adapter.rt_train_model(Net(), shard(entries_of(tmp_path, 6), local_epochs=3, CURRENT_ROUND=2), "", logger)
    assert [step for _, step in logger.metrics] == [6, 7, 8]


def test_validation_leaves_the_batchnorm_statistics_alone(shard: Any, tmp_path: Path) -> None:
    model = Net()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    adapter.rt_validate_model(model, shard(entries_of(tmp_path, 30)), "", Quiet())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_a_last_batch_of_one_does_not_stop_batchnorm(shard: Any, tmp_path: Path) -> None:
    entries = entries_of(tmp_path, 9)
    while len(adapter._rt_split([entry["id"] for entry in entries])[0]) % 4 != 1:
        entries.pop()
    assert len(entries) > 4
    assert adapter.rt_train_model(Net(), shard(entries), "", Quiet())["samples"] == 5


def test_batches_have_the_size_asked_for_but_never_one_left_over() -> None:
    assert [len(batch) for batch in adapter._rt_batches(list(range(9)), 4)] == [4, 5]
    assert [len(batch) for batch in adapter._rt_batches(list(range(10)), 4)] == [4, 4, 2]
    assert [len(batch) for batch in adapter._rt_batches(list(range(3)), 1)] == [1, 1, 1]
    assert [len(batch) for batch in adapter._rt_batches([7], 4)] == [1]


def test_several_labels_train_with_binary_cross_entropy(shard: Any, tmp_path: Path) -> None:
    many: dict[int, list[int]] = {0: [0], 1: [1, 2], 2: []}
    env = shard(entries_of(tmp_path, 60, lambda number: many[number % 3]), local_epochs=20, learning_rate=0.1, batch_size=16)
    model = Net()
    adapter.rt_train_model(model, env, "", Quiet())
    assert adapter.rt_validate_model(model, env, "", Quiet())["val_accuracy"] == 1.0


def test_a_site_with_single_labels_can_be_told_that_others_have_several(shard: Any, tmp_path: Path) -> None:
    entries = entries_of(tmp_path, 9)
    single = adapter.rt_validate_model(Net(), shard(entries), "", Quiet())
    several = adapter.rt_validate_model(Net(), shard(entries, multi_label=True), "", Quiet())
    assert single["val_loss"] != several["val_loss"]


def test_a_label_may_be_a_plain_number(shard: Any, tmp_path: Path) -> None:
    env = shard(entries_of(tmp_path, 6, lambda number: number % 3))
    assert adapter.rt_train_model(Net(), env, "", Quiet())["samples"] > 0


def test_a_site_with_one_sample_trains_on_it_and_validates_nothing(shard: Any, tmp_path: Path) -> None:
    env = shard(entries_of(tmp_path, 1))
    assert adapter.rt_validate_model(Net(), env, "", Quiet()) == {}
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 2))
    assert adapter.rt_train_model(model, env, "", Quiet())["samples"] == 1


def test_the_split_is_stable_and_about_a_tenth() -> None:
    names = [f"sample-{number}" for number in range(2000)]
    train, held_out = adapter._rt_split(names)
    assert sorted(train + held_out) == list(range(2000))
    assert 150 < len(held_out) < 250
    kept = {names[row] for row in held_out}
    shuffled = [*names[::-1], "one more"]
    assert kept <= {shuffled[row] for row in adapter._rt_split(shuffled)[1]}


@pytest.mark.parametrize("count", [2, 3, 10])
def test_both_parts_have_a_sample_as_soon_as_there_are_two(count: int) -> None:
    for start in range(30):
        train, held_out = adapter._rt_split([f"{start}-{number}" for number in range(count)])
        assert train
        assert held_out


def test_training_stops_between_batches(shard: Any, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        adapter.rt_train_model(Net(), shard(entries_of(tmp_path, 30), local_epochs=100), "", Quiet(checks=3))


def test_every_image_is_decoded_once_for_all_rounds(shard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    genuine = adapter._rt_decode
    monkeypatch.setattr(adapter, "_rt_decode", lambda path, size: decoded.append(path) or genuine(path, size))
    env = shard(entries_of(tmp_path, 12))
    for round_ in range(3):
        adapter.rt_validate_model(Net(), env | {"CURRENT_ROUND": round_}, "", Quiet())
        adapter.rt_train_model(Net(), env | {"CURRENT_ROUND": round_}, "", Quiet())
    assert len(decoded) == len(set(decoded)) == 12


def test_a_shard_too_large_for_the_memory_trains_just_the_same(
    shard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = shard(entries_of(tmp_path, 12))
    in_memory = adapter.rt_train_model(Net(), env, "", Quiet())["weights"]
    adapter._rt_shards.clear()
    monkeypatch.setattr(adapter, "_rt_MAX_CACHE", 100)
    from_files = adapter.rt_train_model(Net(), env, "", Quiet())["weights"]
    assert all(torch.equal(in_memory[key], from_files[key]) for key in in_memory)


def test_a_changed_manifest_is_read_again(shard: Any, tmp_path: Path) -> None:
    entries = entries_of(tmp_path, 30)
    assert adapter.rt_train_model(Net(), shard(entries[:12]), "", Quiet())["samples"] < 12
    assert adapter.rt_train_model(Net(), shard(entries), "", Quiet())["samples"] > 12


# Models that do not fit


def failure(shard_env: dict[str, Any], model: torch.nn.Module) -> str:
    with pytest.raises((ValueError, RuntimeError)) as caught:
        adapter.rt_train_model(model, shard_env, "", Quiet())
    return str(caught.value)


def test_a_label_beyond_the_models_outputs_names_sample_and_label(shard: Any, tmp_path: Path) -> None:
    entries = entries_of(tmp_path, 6, lambda number: [7 if number == 3 else 0])
    assert "sample 's3' has the label 7, but the model returns 3 logits (0 to 2)" in failure(shard(entries), Net())


def test_a_model_with_fewer_outputs_than_classes_is_named(shard: Any, tmp_path: Path) -> None:
    env = shard(entries_of(tmp_path, 6, lambda number: [0]), num_classes=10)
    assert failure(env, Net()) == "the model returns 3 logits, but num_classes is 10"


def test_a_model_for_other_images_is_told_what_it_got(shard: Any, tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 3))
    message = failure(shard(entries_of(tmp_path, 8)), model)
    assert "images of the shape (4, 3, 8, 8), which is (B, 3, img_size, img_size)" in message


class Strange(torch.nn.Module):
    """Returns what it is told to."""

    def __init__(self, make: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.make = make

    def forward(self, x: torch.Tensor) -> Any:
        return self.make(x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: {"logits": x}, "it returned type dict"),
        (lambda x: x, "it returned shape (4, 3, 8, 8)"),
        (lambda x: x.mean((1, 2, 3)), "it returned shape (4,)"),
        (lambda x: x[:1].flatten(1), "it returned shape (1, 192)"),
    ],
)
def test_a_model_that_returns_no_logits_is_told_what_to_return(shard: Any, tmp_path: Path, make: Any, message: str) -> None:
    text = failure(shard(entries_of(tmp_path, 8)), Strange(make))
    assert "the model must return logits of the shape (B, classes)" in text
    assert message in text


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


# Below a user's module


def test_it_works_below_a_module_that_replaces_builtins_and_disturbs_nothing_there(shard: Any, tmp_path: Path) -> None:
    above = "from numpy import *\nfrom torch import *\nimport torch as np\njson = os = Image = warnings = 'mine'\n"
    module = ModuleType("model_def")
    exec(above, module.__dict__)
    before = dict(module.__dict__)
    exec(above + "\n\n" + source("adapter"), module.__dict__)
    changed = {name for name, value in module.__dict__.items() if before.get(name) is not value and not name.startswith("_rt_")}
    assert changed <= {"rt_train_model", "rt_validate_model", "__doc__", "__annotations__"}
    env = shard(entries_of(tmp_path, 9, lambda number: [number % 3, 0]))
    assert module.rt_train_model(Net(), env, "", Quiet())["samples"] > 0
    assert set(module.rt_validate_model(Net(), env, "", Quiet())) == {"val_loss", "val_accuracy"}
