"""Folders for work that is soon done: nothing of them stays, whatever ends the process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reson_jupyter.scratch import scratch_folder

WORKING = """
import sys, tempfile
from reson_jupyter.scratch import scratch_folder
tempfile.tempdir = sys.argv[1]
with scratch_folder("reson-work-") as folder:
    (folder / "half").write_text("of it")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def other(temporary: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, in the middle of its work."""
    command = [sys.executable, "-c", WORKING, str(temporary)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def folder_of(process: subprocess.Popen[str]) -> Path:
    assert process.stdout
    return Path(process.stdout.readline().strip())


def test_a_folder_is_gone_at_the_end_and_after_an_error(temporary: Path) -> None:
    with pytest.raises(ZeroDivisionError), scratch_folder("reson-work-") as folder:
        (folder / "below").mkdir()
        raise ZeroDivisionError
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_and_what_is_used_stays(
    temporary: Path, other: subprocess.Popen[str]
) -> None:
    left = folder_of(other)
    with scratch_folder("reson-work-"):
        assert (left / "half").read_text() == "of it", "its process works"
    other.kill()
    other.wait()
    assert left.is_dir()
    with scratch_folder("reson-other-"):
        assert left.is_dir(), "of another kind"
    with scratch_folder("reson-work-") as mine:
        assert [path.resolve() for path in temporary.iterdir()] == [mine]


def test_folders_of_one_process_leave_each_other_alone() -> None:
    with scratch_folder("reson-work-") as first, scratch_folder("reson-work-") as second:
        assert first.is_dir() and second.is_dir() and first != second


def test_a_folder_that_nobody_has_locked_is_not_of_this_making(temporary: Path) -> None:
    (temporary / "reson-work-mine").mkdir()
    with scratch_folder("reson-work-"):
        pass
    assert (temporary / "reson-work-mine").is_dir()


def test_a_folder_that_is_removed_in_the_middle_is_no_error(temporary: Path) -> None:
    with scratch_folder("reson-work-") as folder:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    assert list(temporary.iterdir()) == []


def test_without_locks_the_work_is_done_all_the_same(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr("fcntl.flock", none)
    with scratch_folder("reson-work-") as first, scratch_folder("reson-work-"):
        assert first.is_dir()
    assert list(temporary.iterdir()) == []
