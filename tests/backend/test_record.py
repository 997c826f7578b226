"""What this machine keeps of a run."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reson_jupyter.backend.record import RunLock, RunRecord, is_carried, slug
from reson_jupyter.errors import RunNotFound


def test_a_record_is_found_again_by_its_id() -> None:
    record = RunRecord.new("Digits, v1.0", "local", "file:///x")
    record.save()
    assert record.id.startswith("digits-v1-0-")
    assert RunRecord.load(record.id) == record


def test_two_runs_of_one_name_have_different_ids() -> None:
    assert len({RunRecord.new("digits", "local", "s").id for _ in range(50)}) == 50


@pytest.mark.parametrize("run_id", ["nobody-knows-me", "", "../../etc", "A/B"])
def test_an_unknown_id_is_refused(run_id: str) -> None:
    with pytest.raises(RunNotFound):
        RunRecord.load(run_id)


@given(st.text(max_size=80))
def test_every_name_gives_a_safe_part_of_a_key(name: str) -> None:
    text = slug(name)
    assert text and len(text) <= 40 and set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") and text[0] != "-"


def test_a_run_is_carried_while_a_process_holds_its_lock_and_not_a_moment_longer(tmp_path: Path) -> None:
    assert is_carried(tmp_path / "nowhere") is None
    lock = RunLock(tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock.file.fileno(),)
    )  # fmt: skip
    lock.release()
    assert is_carried(tmp_path) is True
    child.kill()
    child.wait()
    assert child.stdin is not None
    child.stdin.close()
    assert is_carried(tmp_path) is False


def test_a_lock_is_got_although_somebody_asks_for_a_moment_whether_it_is_held(tmp_path: Path) -> None:
    RunLock(tmp_path).release()
    with (tmp_path / "lock").open("rb") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        threading.Timer(0.05, fcntl.flock, (asking, fcntl.LOCK_UN)).start()
        held = RunLock(tmp_path)
    with pytest.raises(BlockingIOError):
        RunLock(tmp_path)
    held.release()
