"""What a check tells beside what is wrong: the test set, stray files, names of classes, sites without labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.data.shards import check_shards
from reson_jupyter.errors import ShardError

from .test_shards import problems, shards_of, warnings
from .zips import manifest, write_shard, write_zip


def test_the_test_set_is_told_and_what_it_shares_with_the_sites(tmp_path: Path) -> None:
    shards_of(tmp_path, [0, 1], [1, 0])
    assert check_shards(tmp_path, images="none").test is None
    (tmp_path / "test").mkdir()
    images = {"images/0.png": b"image 1 of 0", "images/1.png": b"new"}
    write_zip(tmp_path / "test/test.zip", {"manifest.ndjson": manifest(1, 0), **images})
    report = check_shards(tmp_path, images="none")
    assert report.test is not None and report.test.label_counts == {0: 1, 1: 1} and report.samples == 4
    example = "images/0.png (images/1.png of shard_00.zip)"
    better = "the result on it will look better than it is"
    assert report.warnings == (f"1 sample of the test set is at a site, too, such as {example}; {better}",)
    (tmp_path / "test/test.zip").write_bytes((tmp_path / "shard_01.zip").read_bytes())
    assert warnings(tmp_path) == (f"the test set is the same as shard_01.zip; {better}",)


def test_a_test_set_that_cannot_be_used_hinders_no_training(tmp_path: Path) -> None:
    shards_of(tmp_path, [0, 1], [1, 0])
    (tmp_path / "test").mkdir()
    (tmp_path / "test/test.zip").write_bytes(b"no zip")
    (warning,) = warnings(tmp_path)
    assert warning.startswith("the test set cannot be used: ") and "test.zip is not a zip file" in warning
    assert problems(tmp_path) == []


def test_what_looks_like_a_shard_and_is_none_is_told(tmp_path: Path) -> None:
    shards_of(tmp_path, [0, 1], [1, 0])
    for name in ("a.tar.gz", "b.tgz", "c.ZIP.bak", ".d.tar", "notes.txt", "frame.csv"):
        (tmp_path / name).touch()
    for name in ("unpacked", "e.zip", "test", "images"):
        (tmp_path / name).mkdir()
    (tmp_path / "unpacked/manifest.ndjson").touch()
    assert warnings(tmp_path) == (
        "not read, because shards are *.zip only: a.tar.gz, b.tgz, c.ZIP.bak",
        "not read, because shards are zips and no folders (zip their content): e.zip/, unpacked/",
    )


def test_class_folders_are_no_shards_yet(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.JPG").touch()
    with pytest.raises(ShardError, match="but folders of images: cat, dog") as caught:
        check_shards(tmp_path)
    assert "%reson shards make" in str(caught.value.hint)


def test_archives_of_another_kind_are_named_where_there_is_no_shard(tmp_path: Path) -> None:
    (tmp_path / "site.tar.gz").touch()
    with pytest.raises(ShardError, match=r"There is no shard in .*\n  - not read, because shards are \*.zip only: site.tar.gz"):
        check_shards(tmp_path)


def test_one_shard_is_no_folder_of_shards(tmp_path: Path) -> None:
    write_shard(tmp_path / "s.zip", 0)
    with pytest.raises(ShardError, match=r"s\.zip is one shard, not a folder of shards") as caught:
        check_shards(tmp_path / "s.zip")
    assert str(tmp_path) in str(caught.value.hint)


def test_a_site_without_any_label_is_a_warning(tmp_path: Path) -> None:
    shards_of(tmp_path, [[0, 1], [1]], [[], []])
    assert "site-2 has no labels: all its samples have an empty y" in warnings(tmp_path)


def called(*classes: Any) -> bytes:
    """A manifest whose samples have the labels and names of these classes."""
    lines = [
        {"id": f"s{n}", "uri": f"images/{n}.png", "y": label, "meta": {"class": name}} for n, (label, name) in enumerate(classes)
    ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def test_classes_have_the_names_that_the_manifests_give_them(tmp_path: Path) -> None:
    images = {"images/0.png": b"a", "images/1.png": b"b"}
    write_zip(tmp_path / "a.zip", {"manifest.ndjson": called((0, "cat"), ([1, 2], ["dog", "2"])), **images})
    write_zip(tmp_path / "b.zip", {"manifest.ndjson": called((0, "cat"), (3, 7)), "images/0.png": b"c", "images/1.png": b"d"})
    report = check_shards(tmp_path, images="none")
    assert report.class_names == {0: "cat", 1: "dog"}
    assert "0 cat: 1 · 1 dog: 1 · 2: 1" in repr(report)
    assert report.warnings == ("only site-1 has labels 1 dog and 2", "only site-2 has label 3")


def test_names_that_contradict_each_other_are_a_warning_and_not_shown(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", {"manifest.ndjson": called((0, "cat"), (1, "dog")), "images/0.png": b"a", "images/1.png": b"b"})
    write_zip(tmp_path / "b.zip", {"manifest.ndjson": called((0, "dog"), (1, "cat")), "images/0.png": b"c", "images/1.png": b"d"})
    report = check_shards(tmp_path, images="none")
    why = "shards of one run must be made together, or with the same labels"
    assert report.warnings == (f"label 0 is the class 'cat' in a.zip, but 'dog' in b.zip; {why}",)
    assert report.class_names == {} and "cat" not in repr(report).splitlines()[2]
