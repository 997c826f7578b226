"""Shards of images that are in memory: data sets of torch, arrays, PIL images."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reson_jupyter.data.making import make_shards

from .making import ids, images, records, refusal, shard_of


def pixels(shard: Path) -> list[np.ndarray[Any, Any]]:
    """Returns the shard's images."""
    return [np.asarray(Image.open(io.BytesIO(data))) for _, data in sorted(images(shard).items())]


class Squares(torch.utils.data.Dataset[Any]):
    """Squares of a shade for each number; it does not end an iteration, and holds no image."""

    def __init__(self, count: int) -> None:
        self.read: list[int] = []
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        self.read.append(number)
        return torch.full((3, 4, 4), number / 255), number % 2


def test_a_data_set_is_read_once_item_by_item(tmp_path: Path) -> None:
    squares = Squares(12)
    report = make_shards(squares, tmp_path / "out", 2, test=0.25, progress=False)
    assert squares.read == list(range(12))
    shards = [*(shard.path for shard in report.shards), tmp_path / "out" / "test" / "test.zip"]
    assert ids(*shards) == [f"{number:02}" for number in range(12)]
    for shard in shards:
        for record, image in zip(records(shard), pixels(shard), strict=True):
            assert (image == int(record["id"])).all() and image.shape == (4, 4, 3)
            assert record["y"] == [int(record["id"]) % 2]


def test_what_only_can_be_iterated_is_read_as_well(tmp_path: Path) -> None:
    class Stream(torch.utils.data.IterableDataset[Any]):
        def __iter__(self) -> Any:
            return ((Image.new("L", (3, 3), shade), 0) for shade in (5, 6))

    assert [image.tolist() for image in pixels(shard_of(Stream(), tmp_path / "a"))] == [[[5] * 3] * 3, [[6] * 3] * 3]


def test_what_a_data_set_raises_is_its_own_and_leaves_nothing(tmp_path: Path) -> None:
    class Broken(Squares):
        def __getitem__(self, number: int) -> Any:
            if number == 1:
                raise RuntimeError("my own bug")
            return super().__getitem__(number)

    with pytest.raises(RuntimeError, match="my own bug") as caught:
        make_shards(Broken(2), tmp_path / "out", progress=False)
    assert caught.value.__notes__ == ["This was item 1 of the Broken."]
    assert caught.traceback[-1].name == "__getitem__"
    assert list(tmp_path.iterdir()) == []


def test_a_data_loader_is_not_what_holds_the_samples(tmp_path: Path) -> None:
    loader = torch.utils.data.DataLoader(Squares(2))
    assert "loader.dataset" in refusal(loader, tmp_path / "out")
    assert ids(shard_of(loader.dataset, tmp_path / "out")) == ["0", "1"]


COLOURS = np.arange(2 * 5 * 3, dtype="uint8").reshape(2, 5, 3)


@pytest.mark.parametrize(
    "image",
    [
        COLOURS,
        COLOURS.transpose(2, 0, 1),
        torch.from_numpy(COLOURS.transpose(2, 0, 1).copy()),
        torch.from_numpy(COLOURS.transpose(2, 0, 1).copy()) / 255,
        (torch.from_numpy(COLOURS.transpose(2, 0, 1).copy()) / 255).requires_grad_(),
        (COLOURS / 255).astype("float16"),
        COLOURS / 255,
        Image.fromarray(COLOURS),
    ],
    ids=["HWC", "CHW", "tensor", "floats", "with gradients", "halves", "doubles", "PIL"],
)
def test_an_image_keeps_its_very_pixels_whatever_it_is_held_in(tmp_path: Path, image: Any) -> None:
    (found,) = pixels(shard_of([(image, 0)], tmp_path / "out"))
    assert np.array_equal(found, COLOURS)


@pytest.mark.parametrize(
    ("image", "mode"),
    [
        (np.zeros((4, 5), "uint8"), "L"),
        (np.zeros((4, 5, 1)), "L"),
        (torch.zeros(1, 4, 5), "L"),
        (np.zeros((4, 5), "bool"), "L"),
        (np.zeros((4, 5, 4), "uint8"), "RGBA"),
        (torch.zeros(3, 3, 3), "RGB"),
        (Image.new("1", (5, 4)), "1"),
        (Image.new("P", (5, 4)), "P"),
        (Image.new("I;16", (5, 4), 40000), "I;16"),
        (Image.new("CMYK", (5, 4)), "RGB"),
        (Image.new("YCbCr", (5, 4)), "RGB"),
    ],
)
def test_images_of_other_modes_become_pngs_of_their_mode(tmp_path: Path, image: Any, mode: str) -> None:
    (data,) = images(shard_of([(image, 0)], tmp_path / "out")).values()
    assert Image.open(io.BytesIO(data)).mode == mode


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (torch.randn(3, 50, 50), "must have values from 0 to 1; it has -"),
        (np.full((4, 4), np.nan), "it has nan to nan"),
        (np.full((4, 4), 16.0), "it has 16 to 16. Leave Normalize out"),
        (np.zeros((4, 4), "int64"), "an image of int64 may mean anything"),
        (np.zeros((4, 4), "complex64"), "may mean anything"),
        (np.zeros((2, 5, 5), "uint8"), "the shape (2, 5, 5) is none of (H, W)"),
        (np.zeros((1, 3, 4, 4), "uint8"), "the shape (1, 3, 4, 4) is none of"),
        (np.zeros(4, "uint8"), "the shape (4,) is none of"),
        (np.zeros((0, 4), "uint8"), "the shape (0, 4) is empty"),
        (torch.zeros(()), "the shape () is none of"),
        (17, "a int is no image"),
        (b"\x89PNG", "a bytes is no image"),
        (np.zeros((5000, 4000), "uint8"), "item 0: it has 4000 x 5000 pixels"),
    ],
)
def test_what_is_no_image_in_memory_is_said_with_what_is_one(tmp_path: Path, image: Any, problem: str) -> None:
    assert problem in refusal([(image, 0)], tmp_path / "out")
