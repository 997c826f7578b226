"""What shards cannot be made of is said at once, before anything is written; what does not matter is left out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reson_jupyter.data import bars
from reson_jupyter.data.making import make_shards
from reson_jupyter.errors import ConfigError, ShardError

from .making import class_folders, ids, image_bytes, made, write_images


def test_all_images_that_sites_would_refuse_are_named_before_anything_is_written(tmp_path: Path) -> None:
    photos = class_folders(tmp_path / "photos", cat=5)
    cat = photos / "cat"
    (cat / "empty.png").touch()
    (cat / "text.jpg").write_text("no image")
    Image.new("RGB", (5, 5)).save(cat / "gif.png", "GIF")
    Image.new("1", (5000, 4000)).save(cat / "large.png")
    Image.new("1", (20000, 10000)).save(cat / "bomb.png")
    (cat / "cut.png").write_bytes(image_bytes(1)[:-30])
    (cat / "cut.jpg").write_bytes(image_bytes(1, "JPEG")[:-30])
    (cat / "cut-less.jpg").write_bytes(image_bytes(1, "JPEG")[:-3])
    (cat / "behind.jpg").write_bytes(image_bytes(1, "JPEG") + b"\0" * 100)
    (cat / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(ShardError) as caught:
        make_shards(photos, tmp_path / "shards", progress=False)
    message = caught.value.message
    for text in (
        "9 problems",
        "empty.png: it is empty",
        "text.jpg: it is no image that is known here",
        "gif.png: it is a GIF, and sites read JPEG and PNG; convert it to PNG",
        "large.png: it has 5000 x 4000 pixels; sites read at most 16,777,216; make it smaller",
        "bomb.png: it has",
        "cut.png: it is damaged",
        "cut.jpg: it is damaged",
        "cut-less.jpg: it is damaged",
        "gone.png: no such file",
    ):
        assert text in message
    assert not (tmp_path / "shards").exists()


def test_a_folder_of_other_kinds_of_images_says_which_and_what_to_do(tmp_path: Path) -> None:
    photos = write_images(tmp_path / "photos", ["cat/1.png", "cat/2.tif", "cat/3.DCM", "4.png"])
    with pytest.raises(ShardError) as caught:
        make_shards(photos, tmp_path / "shards", progress=False)
    for text in ("3 problems", "cat/2.tif is neither JPEG nor PNG", "cat/3.DCM is", "4.png lies in no class folder"):
        assert text in caught.value.message


def test_all_kinds_of_problems_come_in_one_list(tmp_path: Path) -> None:
    photos = write_images(tmp_path / "photos", ["cat/1.png", "cat/2.bmp", "3.png"])
    (photos / "cat" / "empty.png").touch()
    with pytest.raises(ShardError) as caught:
        make_shards(photos, tmp_path / "shards", progress=False)
    for text in ("3 problems", "cat/2.bmp is neither", "/3.png lies in no class folder", "cat/empty.png: it is empty"):
        assert text in caught.value.message


def test_a_folder_of_nothing_but_other_kinds_of_images_says_which(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"1\.webp is neither JPEG nor PNG; convert it"):
        make_shards(write_images(tmp_path / "photos", ["cat/1.webp"]), tmp_path / "shards", progress=False)


def test_a_folder_without_class_folders_says_so_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"lie in no class folders\.\n  Pass a folder with one folder"):
        make_shards(write_images(tmp_path / "photos", ["1.png", "2.png"]), tmp_path / "shards", progress=False)


def test_what_is_no_image_is_left_out_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = class_folders(tmp_path / "photos", cat=2, dog=2)
    for name in (
        "cat/._0.png",
        ".hidden/1.png",
        "__MACOSX/cat/1.png",
        "cat/.ipynb_checkpoints/0-checkpoint.png",
        "cat/Thumbs.db",
    ):
        (photos / name).parent.mkdir(exist_ok=True, parents=True)
        (photos / name).write_bytes(b"")
    (photos / "cat" / "around").symlink_to(photos)
    (photos / "empty").mkdir()
    report = make_shards(photos, tmp_path / "shards", 2)
    assert report.samples == 4
    said = capsys.readouterr()
    assert said.out == "left out: 1 file of other kinds, such as cat/Thumbs.db\nclass: 0 cat, 1 dog\n", "no bar of what is quick"
    assert said.err == "", "which notebooks show in red"


def test_a_bar_of_slow_work_is_wiped_out_when_it_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bars, "_QUICK", 0)
    make_shards(class_folders(tmp_path / "photos", cat=3), tmp_path / "shards")
    said = capsys.readouterr()
    assert "checking: " in said.out and "writing: " in said.out
    assert said.out.rpartition("\r")[2] == "class: 0 cat\n" and said.err == ""


def test_without_progress_nothing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_shards(class_folders(tmp_path / "photos", cat=3), tmp_path / "shards", progress=False)
    assert capsys.readouterr() == ("", "")


def test_splits_are_not_taken_for_classes(tmp_path: Path) -> None:
    photos = write_images(tmp_path / "photos", ["train/cat/1.png", "val/cat/1.png"])
    with pytest.raises(ShardError, match=r"are called train and val, which are no classes\.\n  Pass one of them"):
        make_shards(photos, tmp_path / "shards", progress=False)


@pytest.mark.parametrize(
    "name", ["50% off: cat?.png", "a\nb.png", "ü😀.png", "u\u0308.png", "-.png", "x" * 240 + ".png", "a\\b.png", "\udce4.png"]
)
def test_odd_file_names_are_no_trouble(tmp_path: Path, name: str) -> None:
    (shard,) = made(write_images(tmp_path / "photos", [f"cat/{name}", f"dog/{name}"]), tmp_path / "shards", 1)
    assert len(set(ids(shard))) == 2


@pytest.mark.parametrize("source", ["nowhere", "photos.csv", 3, None, [], {}])
def test_what_is_no_source_says_what_is_one(tmp_path: Path, source: Any) -> None:
    (tmp_path / "photos.csv").touch()
    source = tmp_path / source if isinstance(source, str) else source
    with pytest.raises(ShardError) as caught:
        make_shards(source, tmp_path / "shards", progress=False)
    assert caught.value.hint and not (tmp_path / "shards").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="nobody can write to /proc of Linux")
def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    photos = class_folders(tmp_path / "photos", cat=3)
    for source in (photos, {"Ulm": photos}):
        with pytest.raises(ShardError, match="/proc"):
            make_shards(source, "/proc/nope", progress=False)


def test_arguments_are_looked_at_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sites is 0"):
        make_shards(tmp_path / "nowhere", tmp_path / "shards", 0)
