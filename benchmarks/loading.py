"""How fast a site loads its images for training, beside the plain loop of Pillow and torch that one would write.

The plain loop opens, converts, resizes, makes a float tensor of each image, normalises it and stacks the batch. Ours is the
loading of the default training: first epoch (which writes the cache), any later one, and the first in a new process (which checks
what an earlier process has written). All take turns; a ratio is that of the medians, of time and in brackets of processor time:
higher is better. Then three rounds of the default training with a tiny model, loaded either way. Torch has one thread, as at a
site that shares its machine with others.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image

from reson_jupyter.worker import adapter, shard
from reson_jupyter.worker.decode import _rt_decode

_SIZE, _BATCH, _REPEATS, _DISTINCT = 224, 32, 5, 8
_KINDS = (("500x375", 500, 375, 192, 12.0, 1.2), ("1024x768", 1024, 768, 96, 30.0, 1.6))
_MEAN, _STD = torch.from_numpy(shard._rt_MEAN), torch.from_numpy(shard._rt_STD)


class Tiny(torch.nn.Module):
    """So small that loading is most of the work."""

    def __init__(self) -> None:
        super().__init__()
        self.features = torch.nn.Conv2d(3, 8, 8, stride=8)
        self.head = torch.nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.features(x).relu().mean((2, 3)))
        return out


class Silent:
    """A logger that keeps what is said of the cache."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        """Keeps a line."""
        self.lines.append(text)

    def log_metric(self, metrics: dict[str, float], step: int) -> None:
        """Says nothing."""

    def check_task_abort(self) -> None:
        """Goes on."""


def photo(width: int, height: int, random: np.random.Generator) -> Image.Image:
    """Noise of four scales, so that it is as large as a photograph when it is a JPEG."""
    pixels = np.full((height, width, 3), 120.0)
    for across, strength in ((6, 60), (24, 30), (90, 12), (width, 2)):
        small = random.normal(0, strength, (max(2, height * across // width), across, 3)).astype("float32")
        bands = [Image.fromarray(small[..., band]).resize((width, height), Image.Resampling.BICUBIC) for band in range(3)]
        pixels += np.stack([np.asarray(band) for band in bands], -1)
    return Image.fromarray(pixels.clip(0, 255).astype("uint8"))


def write_shard(folder: Path, width: int, height: int, count: int) -> dict[str, Any]:
    """Writes a site's folder and its digest; returns the env of a run on it."""
    random = np.random.default_rng(width)
    (folder / "images").mkdir(parents=True)
    for number in range(_DISTINCT):
        photo(width, height, random).save(folder / "images" / f"{number}.jpg", quality=85)
    with (folder / "manifest.ndjson").open("w") as manifest:
        for number in range(count):
            path = folder / "images" / f"{number}.jpg"
            if number >= _DISTINCT:
                path.write_bytes((folder / "images" / f"{number % _DISTINCT}.jpg").read_bytes())
            manifest.write(json.dumps({"id": str(number), "uri": f"images/{path.name}", "y": number % 10}) + "\n")
    Path(f"{folder}.sha256").write_text(f"{width:064x}")
    return {
        "DATA_ROOT": str(folder), "manifest_file": "manifest.ndjson", "img_size": _SIZE, "SITE_NAME": "site-1", "DEVICE": "cpu",
        "num_classes": 10, "local_epochs": 2, "batch_size": _BATCH, "learning_rate": 0.001, "CURRENT_ROUND": 0,
    }  # fmt: skip


def plain_batches(self: Any, batches: list[list[int]], *_: Any) -> Iterator[torch.Tensor]:
    """What one would write; stands in for the shard's own `batches`."""
    for rows in batches:
        images = []
        for row in rows:
            image = Image.open(Path(self._root, self.samples[row][1])).convert("RGB")
            pixels = np.array(image.resize((self._size, self._size), Image.Resampling.BILINEAR))
            tensor = torch.from_numpy(pixels).permute(2, 0, 1).contiguous().float().div(255)
            images.append(tensor.sub(_MEAN).div(_STD))
        yield torch.stack(images)


def epoch(env: dict[str, Any], loader: Callable[..., Iterator[torch.Tensor]]) -> tuple[float, float]:
    """Milliseconds per image, of time and of processor time, of one epoch in random order, as the default training goes."""
    begun, used = time.perf_counter(), time.process_time()
    data = shard._rt_load_shard(env)
    rows = torch.randperm(len(data.samples)).tolist()
    batches = adapter._rt_batches(rows, _BATCH)
    buffer = torch.empty(max(map(len, batches)), 3, _SIZE, _SIZE)
    with closing(loader(data, batches, buffer, lambda: None)) as loaded:  # type: ignore[type-var]
        for _ in loaded:
            pass
    return (time.perf_counter() - begun) * 1000 / len(rows), (time.process_time() - used) * 1000 / len(rows)


def ratio(plain: list[tuple[float, float]], ours: list[tuple[float, float]]) -> str:
    """How much sooner ours is done."""
    medians = [[statistics.median(column) for column in zip(*times, strict=True)] for times in (plain, ours)]
    return f"{medians[1][0]:.3f} ms, {medians[0][0] / medians[1][0]:.1f}x ({medians[0][1] / medians[1][1]:.1f}x)"


def forget(cache: Path) -> None:
    """As if this were another machine."""
    shard._rt_shards.clear()
    for path in cache.iterdir():
        path.unlink()


def difference(folder: Path) -> float:
    """Mean absolute difference of the default reading and the plain one, of 255."""
    found = []
    for number in range(_DISTINCT):
        path = folder / "images" / f"{number}.jpg"
        plain = np.asarray(Image.open(path).convert("RGB").resize((_SIZE, _SIZE), Image.Resampling.BILINEAR))
        found.append(np.abs(_rt_decode(path, _SIZE).astype(int) - plain.transpose(2, 0, 1)).mean())
    return float(np.mean(found))


def compare_epochs(folder: Path, cache: Path) -> None:
    """Prints the ratios of the epochs for each size of images."""
    for title, width, height, count, later_goal, first_goal in _KINDS:
        env = write_shard(folder / title, width, height, count)
        kilobytes = statistics.mean(path.stat().st_size for path in (folder / title / "images").iterdir()) / 1000
        times: dict[str, list[tuple[float, float]]] = {"plain": [], "first": [], "later": [], "process": []}
        for _ in range(_REPEATS):
            times["plain"].append(epoch(env, plain_batches))
            forget(cache)
            times["first"].append(epoch(env, shard._rt_Shard.batches))
            times["later"].append(epoch(env, shard._rt_Shard.batches))
            shard._rt_shards.clear()
            times["process"].append(epoch(env, shard._rt_Shard.batches))
        plain, first, later, process = times.values()
        middle = statistics.median(time for time, _ in plain)
        print(f"{title}, {count} JPEGs of {kilobytes:.0f} kB: plain loop {middle:.2f} ms an image")
        print(f"  first epoch, with writing the cache: {ratio(plain, first)}, goal {first_goal}x")
        print(f"  epoch 2 and later: {ratio(plain, later)}, goal {later_goal:g}x")
        print(f"  first epoch of another process, from the cache: {ratio(plain, process)}")
        print(f"  pixels differ from the plain loop's by {difference(folder / title):.2f} of 255 in the mean, goal 0.5 at most")


def train(env: dict[str, Any], logger: Silent) -> float:
    """Seconds of three rounds on one site, called as the executor calls them."""
    begun = time.perf_counter()
    torch.manual_seed(0)
    model = Tiny()
    for number in range(3):
        adapter.rt_validate_model(model, env | {"CURRENT_ROUND": number}, "", logger)
        model.load_state_dict(adapter.rt_train_model(model, env | {"CURRENT_ROUND": number}, "", logger)["weights"])
    return time.perf_counter() - begun


def compare_training(folder: Path, cache: Path) -> None:
    """Prints the ratio of a whole default training for each size of images."""
    for title, width, height, count, _, _ in _KINDS:
        env = write_shard(folder / f"train-{title}", width, height, count)
        plain, ours, logger = [], [], Silent()
        for _ in range(3):
            with mock.patch.object(shard._rt_Shard, "batches", plain_batches):
                plain.append(train(env, Silent()))
            forget(cache)
            ours.append(train(env, logger))
        before, after = statistics.median(plain), statistics.median(ours)
        print(f"3 rounds of 2 epochs, {count} images of {title}: {before:.1f} s plain, {after:.1f} s ours, {before / after:.1f}x")
        print(f"  {logger.lines[-1]}")


def main() -> None:
    """Prints all ratios."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="reson-bench-") as folder:
        cache = Path(folder, "cache")
        cache.mkdir()
        os.environ["RESON_CACHE"] = str(cache)
        compare_epochs(Path(folder), cache)
        compare_training(Path(folder), cache)


if __name__ == "__main__":
    main()
