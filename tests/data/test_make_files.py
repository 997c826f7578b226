"""Shards of files of any kind for each site, which a user's own train function reads."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from reson_jupyter.data.making import make_shards
from reson_jupyter.data.shards import unpack_shard
from reson_jupyter.errors import ConfigError, ShardError

from .making import digests, write_images


def test_each_site_gets_files_of_any_kind(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "berlin", ["deep/er/1.png", ".hidden"])
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    ward, table = torch.arange(12).reshape(3, 4), pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    content = {"train": ward[1:], "x.npy": np.eye(2), "table": table, "raw/blob.bin": b"\0\1", "n.csv": tmp_path / "notes.csv"}
    sites = {"Berlin": folder, "Ulm": tmp_path / "notes.csv", 3: [tmp_path / "notes.csv", str(folder)], "d": content}
    report = make_shards(sites, tmp_path / "out", progress=False)
    assert report.problems.shown == [] and report.samples == 0
    assert [shard.name for shard in report.shards] == ["shard_0_Berlin.zip", "shard_1_Ulm.zip", "shard_2_3.zip", "shard_3_d.zip"]
    found = []
    for number, shard in enumerate(report.shards):
        unpack_shard(shard.path, tmp_path / "site" / str(number))
        found.append(sorted(digests(tmp_path / "site" / str(number))))
    assert found == [
        ["deep/er/1.png"],
        ["notes.csv"],
        ["deep/er/1.png", "notes.csv"],
        ["n.csv", "raw/blob.bin", "table.csv", "train.pt", "x.npy"],
    ]
    last = tmp_path / "site" / "3"
    assert torch.equal(torch.load(last / "train.pt", weights_only=True), ward[1:])
    assert np.array_equal(np.load(last / "x.npy"), np.eye(2))
    assert pd.read_csv(last / "table.csv").equals(table)
    assert (last / "raw" / "blob.bin").read_bytes() == b"\0\1"


def test_a_slice_of_a_tensor_does_not_carry_the_rest_of_it(tmp_path: Path) -> None:
    everything = torch.zeros(1_000_000)
    report = make_shards({"a": {"x.pt": everything[:10]}}, tmp_path / "out", progress=False)
    assert report.shards[0].bytes < 10_000


def test_the_same_files_make_the_same_bytes(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [0.1, 2.0]})
    for out in ("one", "two"):
        content = {"x.pt": torch.arange(5.0), "y.npy": np.arange(5), "t.csv": table}
        make_shards({"a": content if out == "one" else dict(reversed(content.items()))}, tmp_path / out, progress=False)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "there is no file"),
        ([], "there is no file"),
        ("nowhere", "there is no file nowhere"),
        (torch.zeros(2), "a Tensor is neither files nor a dict of them"),
        ([torch.zeros(2)], "a Tensor is no file"),
        ({"x": [1, 2]}, "x is a list, no tensor"),
        ({"x": "text"}, "x is a str, no tensor"),
        ({"x.csv": np.eye(2)}, "x.csv is a ndarray, which is written as .npy: call it x.npy"),
        ({"x.npy": np.array([{}])}, "an array of Python objects"),
        ({"../x": b""}, "'../x' would be written outside the folder"),
        ({"/x": b""}, "outside the folder"),
        ({"": b""}, "'' is no name of a file"),
        ({"x/": b""}, "'x/' is no name of a file"),
        ({"\udce4": b""}, "is no name of a file"),
        ({"a\nb": b""}, "control character"),
        ({"A": b"", "a": b""}, "is there twice, perhaps in capitals"),
        ({"x": np.eye(2), "x.npy": np.eye(2)}, "two files are called x.npy"),
        ({"x": Path("nowhere")}, "there is no file nowhere"),
    ],
)
def test_what_cannot_be_packed_is_named_with_its_site(tmp_path: Path, given: Any, problem: str) -> None:
    with pytest.raises(ShardError) as caught:
        make_shards({"good": {"a": b"1"}, "Berlin": given}, tmp_path / "out", progress=False)
    assert "site Berlin: " in caught.value.message and problem in caught.value.message
    assert not (tmp_path / "out").exists()


def test_two_sites_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="site 1: there are two of this name"):
        make_shards({1: {"a": b""}, "1": {"b": b""}}, tmp_path / "out", progress=False)


def test_a_zip_is_a_shard_already(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x", b"")
    with pytest.raises(ShardError, match="is a zip already"):
        make_shards({"a": tmp_path / "a.zip"}, tmp_path / "out", progress=False)


@pytest.mark.parametrize(
    "option", [{"sites": 3}, {"partition": "label"}, {"alpha": 1.0}, {"sizes": [1]}, {"column": "a"}, {"test": 0.2}]
)
def test_how_samples_are_dealt_out_is_of_no_effect_where_each_site_has_its_own(tmp_path: Path, option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(option))} is of no effect"):
        make_shards({"a": {"x": b""}}, tmp_path / "out", progress=False, **option)
