"""What a make into a folder with zips takes away, what it leaves alone, and what it says of both."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import reson_jupyter.data.making.make as make
from reson_jupyter.data.folder import TEST
from reson_jupyter.data.making import make_shards, replacing
from reson_jupyter.errors import ShardError

from .making import class_folders, digests, made


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "photos", cat=20)


@pytest.fixture
def out(tmp_path: Path, photos: Path) -> Path:
    """Three shards."""
    made(photos, tmp_path / "shards", 3)
    return tmp_path / "shards"


def refused(source: Any, out: Path, **options: Any) -> str:
    """What is said; nothing in the folder changes."""
    before = digests(out)
    with pytest.raises(ShardError) as caught:
        make_shards(source, out, progress=False, **options)
    assert digests(out) == before
    return str(caught.value)


# What is replaced is said


def test_what_was_replaced_is_said(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(source: Any, **options: Any) -> list[str]:
        make_shards(source, tmp_path / "shards", **options)
        return [line for line in capsys.readouterr().out.splitlines() if "replaced" in line]

    assert said(photos, sites=3, test=0.2) == []
    assert said(photos, sites=1, test=0.2) == ["replaced 3 shards and test/test.zip"]
    (tmp_path / "shards" / TEST).unlink()
    assert said({"a": {"x": b"1"}, "b": {"x": b"2"}}) == ["replaced 1 shard"]
    assert said(photos) == ["replaced 2 shards"]
    for path in (tmp_path / "shards").glob("*.zip"):
        path.unlink()
    (tmp_path / "shards" / TEST).parent.mkdir(exist_ok=True)
    made(photos, tmp_path / "other", 1, test=0.5)
    shutil.copy(tmp_path / "other" / TEST, tmp_path / "shards" / TEST)
    assert said(photos, test=0.2) == ["replaced test/test.zip"]


def test_without_progress_nothing_is_said(photos: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_shards(photos, out, progress=False)
    make_shards({"a": {"x": b"1"}}, out, progress=False)
    assert capsys.readouterr() == ("", "")


def test_shards_that_have_the_names_of_their_sites_are_replaced_too(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    made({"north": {"x": b"1"}, "a\nb": {"x": b"2"}, "ö": {"x": b"3"}}, out)
    made(photos, out, 2)
    assert sorted(digests(out)) == ["shard_0.zip", "shard_1.zip"]


# What is not replaced


@pytest.mark.parametrize(
    "name", ["my_own.zip", "shard.zip", "shard_a.zip", "shard_0.ZIP", "xshard_0.zip", "shard_1 (copy).zip", "shard_²_x.zip"]
)
def test_a_copy_of_a_shard_by_another_name_is_refused_and_left_alone(photos: Path, out: Path, name: str) -> None:
    shutil.copy(out / "shard_1.zip", out / name)
    text = refused(photos, out)
    assert f"that make_shards did not make: {name}. Each would be the shard of a site." in text
    assert "or move them away. What was changed, renamed or copied is not replaced either." in text
    (out / name).unlink()
    made(photos, out, 2)


def test_a_renamed_shard_is_refused_and_left_alone(photos: Path, out: Path) -> None:
    (out / "shard_2.zip").rename(out / "best.zip")
    assert "did not make: best.zip." in refused(photos, out)


@pytest.mark.parametrize("name", ["shard_1_backup.zip", "shard_01.zip"])
def test_of_two_with_the_same_number_one_is_a_copy(photos: Path, out: Path, name: str) -> None:
    shutil.copy(out / "shard_1.zip", out / name)
    assert f"did not make: {name}." in refused(photos, out)


def test_a_shard_that_was_deleted_since_keeps_nobody_out(photos: Path, out: Path) -> None:
    (out / "shard_1.zip").unlink()
    made(photos, out, 2)


@pytest.mark.parametrize("source", ["photos", "files"])
def test_a_test_set_is_neither_deleted_nor_left_to_be_trained_on(photos: Path, tmp_path: Path, source: str) -> None:
    out = tmp_path / "shards"
    made(photos, out, 3, test=0.2)
    given: Any = photos if source == "photos" else {"a": {"x": b"1"}}
    text = refused(given, out)
    assert f"{out / TEST} is the test set of an earlier call, and this call makes none: sites might train on" in text
    assert "Move it away or delete it, choose another folder, or have a new one made: test=0.2 (in a magic --test 0.2)." in text
    (out / TEST).rename(tmp_path / "kept.zip")
    made(given, out)
    assert not (out / TEST).exists()


# After a kill


def _kill_before_rename(number: int, *arguments: Any, **options: Any) -> None:
    """Makes shards, and leaves all as it is before a file or folder is renamed for the so-many-th time."""
    rename, renames = Path.rename, iter(range(1000))

    def killed(path: Path, target: Path) -> Path:
        if next(renames) == number:
            raise SystemExit
        return rename(path, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replacing, "_roll_back", lambda folder: None)
        patch.setattr(Path, "rename", killed)
        with pytest.raises(SystemExit):
            make_shards(*arguments, progress=False, **options)


def test_a_copy_put_beside_half_of_the_new_shards_is_left_alone(photos: Path, out: Path) -> None:
    before = digests(out)
    _kill_before_rename(3 + 1 + 1, photos, out, sites=2, seed=1)  # three out, the change of state, one in
    shutil.copy(out / "shard_0.zip", out / "mine.zip")
    mine = (out / "mine.zip").read_bytes()
    with pytest.raises(ShardError, match=r"did not make: mine\.zip"):
        make_shards(photos, out, progress=False)
    assert (out / "mine.zip").read_bytes() == mine
    (out / "mine.zip").unlink()
    assert digests(out) == before, "the old ones are back"


def test_a_new_test_set_that_a_killed_make_left_is_not_taken_for_an_old_one(photos: Path, out: Path) -> None:
    _kill_before_rename(3 + 1 + 3, photos, out, sites=2, test=0.2)
    assert (out / TEST).exists() and (out / ".making").exists()
    made(photos, out, 2)
    assert sorted(digests(out)) == ["shard_0.zip", "shard_1.zip"]


# Where nothing can be written


@pytest.mark.parametrize("source", ["photos", "files"])
def test_that_a_folder_cannot_be_written_is_said_before_any_image_is_looked_at(
    photos: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    for name in ("items_of", "check_images", "check_room", "locked"):
        monkeypatch.setattr(make, name, lambda *_: pytest.fail("it was looked at"))
    given: Any = photos if source == "photos" else {"a": {"x": b"1"}}
    with pytest.raises(ShardError, match=r"The shards cannot be written: /proc/self/shards: .+\.\n  Check the disk and its"):
        make_shards(given, "/proc/self/shards", progress=False)
