"""The folder that shards are made in: whatever ends a make, it holds the old shards or the new ones, or is refused."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import reson_jupyter.data.making.make as make
from reson_jupyter.data.folder import TEST
from reson_jupyter.data.making import make_shards, replacing
from reson_jupyter.data.shards import check_shards
from reson_jupyter.errors import ShardError

from .making import class_folders, digests, ids, made

_TWO = ["shard_0.zip", "shard_1.zip", "test/test.zip"]
# Of three shards and a test set by two and a test set: all out, the change of state, all in, the end.
_RENAMES = 4 + 1 + 3 + 1


class _Killed(BaseException):
    """What nothing is done about any more."""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "photos", cat=20)


@pytest.fixture
def out(tmp_path: Path, photos: Path) -> Path:
    """Three shards and a test set."""
    made(photos, tmp_path / "shards", 3, test=0.2)
    return tmp_path / "shards"


def _fail_at(patch: pytest.MonkeyPatch, number: int, error: BaseException) -> None:
    rename, renames = Path.rename, iter(range(1000))

    def fail_once(path: Path, target: Path) -> Path:
        if next(renames) == number:
            raise error
        return rename(path, target)

    patch.setattr(Path, "rename", fail_once)


def _kill_at(number: int, photos: Path, out: Path) -> None:
    """Replaces the shards until so many files and folders are renamed, and leaves all as it is then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replacing, "_roll_back", lambda folder: None)
        _fail_at(patch, number, _Killed())
        with pytest.raises(_Killed):
            make_shards(photos, out, 2, test=0.5, seed=1, progress=False)


def _fail_to_write(photos: Path, out: Path) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make, "write_shard", fail)
        with pytest.raises(ShardError, match="No space left"):
            make_shards(photos, out, 2, test=0.2, progress=False)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(5, "Input/output error")])
@pytest.mark.parametrize("number", range(_RENAMES))
def test_an_error_while_shards_are_replaced_leaves_all_as_it_was(
    photos: Path, out: Path, number: int, error: BaseException
) -> None:
    before = digests(out)
    with pytest.MonkeyPatch.context() as patch:
        _fail_at(patch, number, error)
        with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else ShardError):
            make_shards(photos, out, 2, test=0.5, seed=1, progress=False)
    assert digests(out) == before


@pytest.mark.parametrize("number", range(_RENAMES))
def test_a_folder_in_which_shards_were_being_replaced_is_refused_until_the_next_make(
    photos: Path, out: Path, number: int
) -> None:
    before = digests(out)
    _kill_at(number, photos, out)
    for use in (check_shards, lambda folder: make_shards(folder, out / "again", progress=False)):
        with pytest.raises(ShardError, match="cut short while it replaced them"):
            use(out)
    _fail_to_write(photos, out)
    assert digests(out) == before, "the old ones are back"
    _kill_at(number, photos, out)
    assert len(ids(*made(photos, out, 2, test=0.2), out / TEST)) == 20 and sorted(digests(out)) == _TWO


@pytest.mark.parametrize("number", range(4))
def test_putting_the_old_shards_back_may_be_cut_short_too(photos: Path, out: Path, number: int) -> None:
    before = digests(out)
    _kill_at(_RENAMES - 1, photos, out)
    with pytest.MonkeyPatch.context() as patch:
        _fail_at(patch, number, _Killed())
        with pytest.raises(_Killed):
            make_shards(photos, out, 2, test=0.2, progress=False)
    with pytest.raises(ShardError, match="cut short"):
        check_shards(out)
    _fail_to_write(photos, out)
    assert digests(out) == before


def test_the_first_shards_of_a_folder_are_all_there_or_refused(photos: Path, tmp_path: Path) -> None:
    _kill_at(2, photos, tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").glob("*.zip")] == ["shard_0.zip"]
    with pytest.raises(ShardError, match="cut short"):
        check_shards(tmp_path / "new")
    made(photos, tmp_path / "new", 2)


def test_a_process_that_is_killed_as_it_replaces_shards_keeps_nobody_out(photos: Path, out: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from reson_jupyter.data.making import make_shards\n"
        "rename = Path.rename\n"
        "def kill(path, target):\n"
        "    rename(path, target)\n"
        "    if path.name == 'shard_1.zip' and 'entering' in str(path): os.kill(os.getpid(), signal.SIGKILL)\n"
        "Path.rename = kill\n"
        "make_shards(sys.argv[1], sys.argv[2], 4, test=0.2, progress=False)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(photos), str(out)], capture_output=True, timeout=60)
    assert done.returncode == -9, done.stderr
    assert sorted(path.name for path in out.glob("*.zip")) == ["shard_0.zip", "shard_1.zip"]
    with pytest.raises(ShardError, match="cut short"):
        check_shards(out)
    assert len(ids(*made(photos, out, 2, test=0.2), out / TEST)) == 20 and sorted(digests(out)) == _TWO


def test_what_is_in_the_way_is_said_before_anything_is_written(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    made(photos, out, 4)
    (out / "test").write_text("mine")
    before = digests(out)
    with pytest.raises(ShardError, match="test is in the way of the new shards"):
        make_shards(photos, out, 2, test=0.2, progress=False)
    assert digests(out) == before
    made(photos, out, 2)


def test_what_comes_in_the_way_meanwhile_is_left_alone(photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, write_shard = digests(out), make.write_shard

    def write(path: Path, *arguments: Any) -> None:
        (out / "shard_3.zip").write_bytes(b"mine")
        write_shard(path, *arguments)

    monkeypatch.setattr(make, "write_shard", write)
    with pytest.raises(ShardError, match=r"shard_3\.zip is in the way"):
        make_shards(photos, out, 4, test=0.2, progress=False)
    (out / "shard_3.zip").unlink()
    assert digests(out) == before


# Two at once


def test_a_second_make_into_a_folder_is_refused(photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shard, refused = make.write_shard, []

    def write(path: Path, *arguments: Any) -> None:
        if not refused:
            with pytest.raises(ShardError) as caught:
                make_shards(photos, out, 5, test=0.2, progress=False)
            refused.append(caught.value.message)
        write_shard(path, *arguments)

    monkeypatch.setattr(make, "write_shard", write)
    made(photos, out, 2, test=0.2)
    assert refused == [f"Another make_shards is writing to {out}."]
    assert sorted(digests(out)) == _TWO


def test_a_lock_that_nobody_holds_keeps_nobody_out(photos: Path, out: Path) -> None:
    (out / ".making.lock").touch()
    made(photos, out, 2, test=0.2)
    assert sorted(digests(out)) == _TWO


def test_a_lock_that_was_deleted_as_it_was_waited_for_is_no_lock(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, locks = fcntl.flock, []

    def delete_the_first(file: Any, operation: int) -> None:
        flock(file, operation)
        locks.append(os.fstat(file.fileno()).st_nlink)
        if len(locks) == 1:
            (out / ".making.lock").unlink()

    monkeypatch.setattr(replacing.fcntl, "flock", delete_the_first)
    made(photos, out, 2, test=0.2)
    assert locks == [1, 1]


def test_the_report_is_of_what_was_written_or_none(photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = make.check_shards

    def check_what_changed(folder: Path, **options: Any) -> Any:
        (folder / "shard_1.zip").rename(folder / "mine.zip")
        return check(folder, **options)

    monkeypatch.setattr(make, "check_shards", check_what_changed)
    with pytest.raises(ShardError, match="something else changed"):
        make_shards(photos, out, 2, test=0.2, progress=False)


# What was made here


@pytest.mark.parametrize("change", ["a member more", "another comment", "another end", "no member"])
def test_a_shard_that_was_changed_since_is_not_replaced(photos: Path, out: Path, change: str) -> None:
    shard = out / "shard_0.zip"
    if change == "another end":
        shard.write_bytes(shard.read_bytes() + b"mine")
    else:
        with zipfile.ZipFile(shard) as old:
            comment = old.comment
        with zipfile.ZipFile(shard, "w" if change == "no member" else "a") as archive:
            archive.comment = b"mine" if change == "another comment" else comment
            if change == "a member more":
                archive.writestr("my_annotations.csv", "hours of work")
    before = digests(out)
    with pytest.raises(ShardError, match=r"did not make: shard_0\.zip"):
        make_shards(photos, out, 2, test=0.2, progress=False)
    assert digests(out) == before
