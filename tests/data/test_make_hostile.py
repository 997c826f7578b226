"""Making shards of what never ends, does not fit or cannot be written: an error that says so, and nothing is left behind."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reson_jupyter.data.making import make_shards
from reson_jupyter.data.making.items import InFile, Item
from reson_jupyter.data.making.partition import by_column
from reson_jupyter.data.making.plan import Plan
from reson_jupyter.errors import ConfigError, ShardError

from .making import class_folders, made, records, refusal, write_images


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(path.parent)  # its name must be short
        try:
            one.bind(path.name)
        finally:
            os.chdir(here)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


_ENDLESS = pytest.mark.parametrize("make_one", [os.mkfifo, _socket, _device])


@_ENDLESS
def test_a_pipe_a_socket_or_a_device_is_no_image(tmp_path: Path, make_one: Callable[[Path], None]) -> None:
    photos = class_folders(tmp_path / "photos", cat=3)
    make_one(photos / "cat" / "x.png")
    for source in (photos, [(photos / "cat" / "x.png", 0)]):
        assert "x.png: it is no file but a folder, a pipe, a socket or a device" in refusal(source, tmp_path / "shards")


@_ENDLESS
def test_a_pipe_a_socket_or_a_device_is_no_file_of_a_site(tmp_path: Path, make_one: Callable[[Path], None]) -> None:
    (tmp_path / "site").mkdir()
    make_one(tmp_path / "site" / "x.csv")
    for given in (tmp_path / "site", tmp_path / "site" / "x.csv", {"x.csv": tmp_path / "site" / "x.csv"}):
        with pytest.raises(ShardError, match=r"x\.csv is no file but a pipe, a socket"):
            make_shards({"a": given}, tmp_path / "shards", progress=False)
    assert not (tmp_path / "shards").exists()


def test_a_link_to_a_file_is_a_file(tmp_path: Path) -> None:
    photos = class_folders(tmp_path / "photos", cat=3)
    (photos / "cat" / "link.png").symlink_to(write_images(tmp_path / "others", ["1.jpg"]) / "1.jpg")
    assert len(records(made(photos, tmp_path / "shards", 1)[0])) == 4


@pytest.mark.parametrize(
    "options",
    [
        *({"partition": "label", "alpha": alpha} for alpha in (1e308, 10**400, 10**5000, float("inf"), float("nan"))),
        *({"partition": "size", "sizes": sizes} for sizes in ([1e308] * 3, [10**400, 1], [1, 5e-324], [10**5000, 1])),
        *({"test": test} for test in (10**400, 10**5000)),
        *({"sites": sites} for sites in (10**400, 10**5000)),
        {"seed": 10**5000},
    ],
    ids=lambda options: next(reversed(options)),
)
def test_numbers_out_of_all_bounds_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        Plan(**options)
    assert len(caught.value.message) < 80


@pytest.mark.parametrize("alpha", [1e-300, 1e9])
def test_the_bounds_of_alpha_can_be_used(tmp_path: Path, alpha: float) -> None:
    made(class_folders(tmp_path / "photos", cat=9, dog=9), tmp_path / "shards", 2, partition="label", alpha=alpha)


@pytest.mark.parametrize(
    ("values", "sites"),
    [
        ([1, 1.0], ["1", "1.0"]),
        ([2, True, 1], ["1", "True", "2"]),
        ([0.0, -0.0, 1.0], ["-0.0", "0.0", "1.0"]),
        ([10, 9, "9"], ["10", "9"]),
        ([10, 9], ["9", "10"]),
    ],
)
def test_values_of_a_column_are_the_same_if_they_are_written_the_same(values: list[Any], sites: list[str]) -> None:
    for ordered in (values, values[::-1]):
        items = [Item(str(number), (0,), {"h": value}, InFile("", "x")) for number, value in enumerate(ordered)]
        parts, names = by_column(items, "h")
        assert names == sites
        assert [names[part] for part in parts] == list(map(str, ordered))


def _circle() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


def _nested(levels: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(levels):
        nested = [nested]
    return nested


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({("a", 1): 2}, "keys must be str"),
        ({np.int64(1): 2}, "keys must be str"),
        (_circle(), "Circular reference"),
        (_nested(3000), "nested deeper than 100 levels"),
        (_nested(100), "nested deeper than 100 levels"),
        (10**5000, "4300 digits"),
        ([float("nan")], "not JSON compliant"),
        (float("inf"), "not JSON compliant"),
    ],
    ids=["tuple key", "numpy key", "circle", "deep", "a little too deep", "digits", "nan", "inf"],
)
def test_what_json_cannot_carry_is_said_with_its_row_and_column(tmp_path: Path, value: Any, said: str) -> None:
    write_images(tmp_path, ["0.png", "1.png"])
    columns = {"path": [str(tmp_path / "0.png"), str(tmp_path / "1.png")], "label": [0, 1]}
    message = refusal(pd.DataFrame({**columns, "odd": pd.Series(["fine", value], dtype=object)}), tmp_path / "shards")
    assert "1 problem" in message and f"item 1 ({tmp_path}/1.png): its odd " in message and said in message


def test_numbers_that_only_numpy_has_are_written_as_text(tmp_path: Path) -> None:
    write_images(tmp_path, ["0.png"])
    frame = pd.DataFrame({"path": [str(tmp_path / "0.png")], "label": [0], "x": np.array([1.5], np.longdouble)})
    (shard,) = made(frame, tmp_path / "shards", 1)
    assert records(shard)[0]["meta"] == {"x": "1.5"}


def test_what_is_nested_is_carried(tmp_path: Path) -> None:
    write_images(tmp_path, ["0.png"])
    frame = pd.DataFrame({"path": [str(tmp_path / "0.png")], "label": [0], "x": pd.Series([_nested(99)], dtype=object)})
    (shard,) = made(frame, tmp_path / "shards", 1)
    assert records(shard)[0]["meta"] == {"x": _nested(99)}


def test_a_name_that_is_no_utf8_is_said_escaped(tmp_path: Path) -> None:
    (tmp_path / "photos" / "0").mkdir(parents=True)
    (tmp_path / "photos" / "0" / "\udcff.png").write_bytes(b"junk")
    message = refusal(tmp_path / "photos", tmp_path / "shards")
    assert message.encode() and "\\udcff.png: it is no image" in message


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.TemporaryFile", fail)


@pytest.mark.usefixtures("full_disk")
def test_a_disk_too_full_for_images_in_memory_is_said(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (800, 800, 3), "uint8")
    assert "No space left on device" in refusal([(Image.fromarray(noise), 0)], tmp_path / "shards")


@pytest.mark.usefixtures("full_disk")
def test_images_that_are_files_need_no_room_elsewhere(tmp_path: Path) -> None:
    made(class_folders(tmp_path / "photos", cat=3), tmp_path / "shards", 1)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in (Path("/proc/self/shards"), tmp_path / "file" / "shards", tmp_path / "a\0b"):
        for source in (class_folders(tmp_path / "photos", cat=3), [(np.zeros((4, 4), "uint8"), 0)], {"a": {"x": b"1"}}):
            with pytest.raises(ShardError):
                make_shards(source, out, None if isinstance(source, dict) else 1, progress=False)


@pytest.mark.usefixtures("full_disk")
def test_no_place_for_temporary_files_is_said(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"no place for a temporary file: No space left on device\."):
        make_shards({"a": {"x": b"1"}}, tmp_path / "shards", progress=False)


def test_an_image_that_is_no_png_is_said(tmp_path: Path) -> None:
    assert "item 0: it cannot be made a PNG: cannot write mode I" in refusal([(Image.new("I", (4, 4), -5), 0)], tmp_path / "out")
