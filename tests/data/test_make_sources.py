"""What shards can be made of: lists of files and tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from reson_jupyter.data.making import make_shards
from reson_jupyter.errors import ShardError

from .making import digests, ids, images, records, refusal, shard_of, write_images

# Lists


def test_a_list_of_paths_and_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path, ["a/1.png", "b/1.png", "b/2.jpg"])
    monkeypatch.chdir(tmp_path)
    source = [("b/1.png", 5), (tmp_path / "a" / "1.png", [0, 2]), (Path("b/2.jpg"), ())]
    shard = shard_of(source, tmp_path / "out")
    assert {record["id"]: record["y"] for record in records(shard)} == {"a/1.png": [0, 2], "b/1.png": [5], "b/2.jpg": []}
    assert all(data == (tmp_path / name).read_bytes() for name, data in images(shard).items())


def test_ids_do_not_depend_on_where_the_files_lie(tmp_path: Path) -> None:
    names = ["a/1.png", "b/1.png"]
    for place in ("here", "there/too"):
        write_images(tmp_path / place, names)
        shard_of([(tmp_path / place / name, 0) for name in names], tmp_path / "out" / place)
    assert digests(tmp_path / "out" / "here") == digests(tmp_path / "out" / "there" / "too")


def test_labels_may_be_names_of_classes(tmp_path: Path) -> None:
    write_images(tmp_path, ["1.png", "2.png", "3.png"])
    shard = shard_of(
        zip([tmp_path / f"{n}.png" for n in (1, 2, 3)], ["dog", "cat", ["cat", "dog"]], strict=True), tmp_path / "out"
    )
    found = {record["id"]: (record["y"], record["meta"]["class"]) for record in records(shard)}
    assert found == {"1.png": ([1], "dog"), "2.png": ([0], "cat"), "3.png": ([0, 1], ["cat", "dog"])}


@pytest.mark.parametrize(
    "label", [np.int64(3), torch.tensor(3), np.array([3]), torch.tensor([3]), [torch.tensor(3)], {3}, "3", 3.0, np.float32(3)]
)
def test_labels_may_be_what_numpy_and_torch_make_of_numbers(tmp_path: Path, label: Any) -> None:
    shard = shard_of([(np.zeros((2, 2), "uint8"), label)], tmp_path / "out")
    assert records(shard) == [{"id": "0", "uri": "file://images/0.png", "y": [3]}]


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        (None, "it has no label"),
        (float("nan"), "it has no label"),
        (1.5, "1.5 is neither a whole number nor the name of a class"),
        (float("inf"), "inf is neither"),
        (True, "True is neither"),
        ("", "'' is neither"),
        ([0, "cat"], "are both numbers and names"),
        (-1, "from 0 to 999999, not -1"),
        ([2, 2], "names a label twice"),
        (torch.tensor([0.0, 1.0, 1.0]), "looks like one place for each class; list the classes: y.nonzero()"),
        (np.array([0, 1]), "looks like one place for each class"),
        ({"a": 1}, "{'a': 1} is neither"),
    ],
)
def test_labels_that_are_none_are_named_with_their_item(tmp_path: Path, label: Any, problem: str) -> None:
    write_images(tmp_path, ["1.png"])
    message = refusal([(tmp_path / "1.png", 0), (tmp_path / "1.png", label)], tmp_path / "out")
    assert "item 1 (" in message and problem in message


def test_numbers_for_some_and_names_for_others_are_refused(tmp_path: Path) -> None:
    image = np.zeros((2, 2), "uint8")
    assert "numbers for some samples and names for others, such as 'cat'" in refusal(
        [(image, 1), (image, "cat")], tmp_path / "out"
    )


def test_a_sample_without_a_label_is_refused_where_none_has_several(tmp_path: Path) -> None:
    image = np.zeros((2, 2), "uint8")
    assert "item 1 has no label, and no sample has several" in refusal([(image, 1), (image, [])], tmp_path / "out")


def test_the_same_file_twice_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path, ["1.png", "2.png"])
    source = [(tmp_path / "1.png", 0), (tmp_path / "2.png", 0), (tmp_path / "x" / ".." / "1.png", 1)]
    assert f"{tmp_path / '1.png'} is there twice" in refusal(source, tmp_path / "out")


def test_a_file_that_is_not_there_twice_is_both(tmp_path: Path) -> None:
    message = refusal([("gone.png", 0), ("gone.png", 0)], tmp_path / "out")
    assert "2 problems" in message and "gone.png is there twice" in message and "gone.png: no such file" in message


def test_files_that_are_not_there_are_all_named(tmp_path: Path) -> None:
    message = refusal([("a.png", 0), ("b.png", 1)], tmp_path / "out")
    assert "2 problems" in message and "a.png: no such file" in message and "b.png: no such file" in message


@pytest.mark.parametrize("item", ["1.png", ("1.png",), ("1.png", 0, 1), np.zeros((2, 2)), {"image": 1, "label": 2}])
def test_items_that_are_no_pairs_are_named_with_what_a_pair_is(tmp_path: Path, item: Any) -> None:
    message = refusal([item], tmp_path / "out")
    assert "item 0 (" in message and "Each must be (image, labels)" in message


# DataFrames


def frame(tmp_path: Path) -> pd.DataFrame:
    write_images(tmp_path, [f"{n}.png" for n in range(4)])
    return pd.DataFrame(
        {
            "path": [str(tmp_path / f"{n}.png") for n in range(4)],
            "label": ["cat", "dog", "cat", "dog"],
            "hospital": ["Ulm", "Ulm", "Bonn", "Bonn"],
            "age": [50, None, 60, 70],
            "visit": pd.to_datetime(["2024-01-01", None, "2024-01-03", "2024-01-04"]),
            "rooms": np.arange(4),
        }
    )


def test_all_other_columns_of_a_frame_become_meta_and_missing_values_are_left_out(tmp_path: Path) -> None:
    shard = shard_of(frame(tmp_path), tmp_path / "out")
    first, second, *_ = records(shard)
    assert first["y"] == [0] and second["y"] == [1]
    assert first["meta"] == {"class": "cat", "hospital": "Ulm", "age": 50.0, "visit": "2024-01-01 00:00:00", "rooms": 0}
    assert second["meta"] == {"class": "dog", "hospital": "Ulm", "rooms": 1}


def test_a_column_of_a_frame_makes_the_sites(tmp_path: Path) -> None:
    report = make_shards(frame(tmp_path), tmp_path / "out", partition="column", column="hospital", progress=False)
    assert [(shard.name, ids(shard.path)) for shard in report.shards] == [
        ("shard_0_Bonn.zip", ["2.png", "3.png"]),
        ("shard_1_Ulm.zip", ["0.png", "1.png"]),
    ]
    with pytest.raises(ShardError, match=r"'1\.png' has no age"):
        make_shards(frame(tmp_path), tmp_path / "out", partition="column", column="age", progress=False)


def test_the_columns_of_paths_and_labels_can_have_other_names(tmp_path: Path) -> None:
    renamed = frame(tmp_path).rename(columns={"path": "file", "label": "rooms", "rooms": "label"}).drop(columns="rooms")
    shard = shard_of(renamed, tmp_path / "out", path_column="file")
    assert [record["y"] for record in records(shard)] == [[0], [1], [2], [3]]
    message = refusal(renamed.drop(columns="label"), tmp_path / "none")
    assert "has no column 'path' and none 'label'; it has 'file', 'hospital', 'age', 'visit'" in message
    assert "path_column=..., label_column=..." in message


def test_labels_of_a_frame_may_be_lists(tmp_path: Path) -> None:
    table = frame(tmp_path)
    table["label"] = [[0, 1], [2], [], [1]]
    assert [record["y"] for record in records(shard_of(table, tmp_path / "out"))] == [[0, 1], [2], [], [1]]


@pytest.mark.parametrize("kind", ["float64", "Int64"])
def test_a_gap_in_a_column_of_labels_is_named_and_no_other_row(tmp_path: Path, kind: str) -> None:
    table = frame(tmp_path).assign(label=pd.Series([0, 1, None, 1]).astype(kind))
    message = refusal(table, tmp_path / "none")
    assert "1 problem\n" in message and f"item 2 ({tmp_path / '2.png'}): it has no label" in message
    assert [record["y"] for record in records(shard_of(table.dropna(subset="label"), tmp_path / "out"))] == [[0], [1], [1]]


def test_a_gap_in_a_column_of_paths_is_named(tmp_path: Path) -> None:
    table = frame(tmp_path).assign(path=["0.png", None, float("nan"), "3.png"])
    message = refusal(table, tmp_path / "none")
    assert "2 problems" in message and "item 1: it has no image" in message and "item 2: it has no image" in message


# Manifests


def test_a_manifest_stands_for_its_folder(tmp_path: Path) -> None:
    write_images(tmp_path / "data", ["1.png"])
    (tmp_path / "data" / "manifest.ndjson").write_text('{"id": "1", "uri": "1.png", "y": 0}')
    assert ids(shard_of(tmp_path / "data" / "manifest.ndjson", tmp_path / "out")) == ["1"]


def test_a_file_whose_name_no_manifest_may_hold_is_to_be_renamed(tmp_path: Path) -> None:
    write_images(tmp_path / "data", ["50%.png"])
    (tmp_path / "data" / "manifest.ndjson").write_text('{"id": "1", "uri": "50%.png", "y": 0}')
    message = refusal(tmp_path / "data", tmp_path / "out")
    assert "line 1: uri '50%.png'" in message and "rename files" in message


def test_pandas_and_torch_are_not_imported_for_those_who_do_not_use_them(tmp_path: Path) -> None:
    write_images(tmp_path, ["photos/a/1.png", "photos/b/1.png"])
    code = (
        "import sys; from reson_jupyter.data.making import make_shards; make_shards('photos', 'a', 1, progress=False); "
        "make_shards([('photos/a/1.png', 1)], 'b', 1); make_shards({'x': {'a': b'1'}}, 'c'); "
        "print([name for name in ('pandas', 'torch', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
