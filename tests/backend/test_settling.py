"""After a runner that died: its run's last words, its model and its logs reach the store, and its work folder goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from reson_jupyter.backend.event_log import EventLogReader, EventLogWriter
from reson_jupyter.backend.record import RunLock, RunRecord
from reson_jupyter.backend.runner.carry import settle_others
from reson_jupyter.backend.runner.processes import MARK
from reson_jupyter.backend.runner.remains import WorkFolder
from reson_jupyter.backend.store import DirectoryStore
from reson_jupyter.backend.targets import LocalTarget
from reson_jupyter.backend.targets.local import WORK_FILE
from reson_jupyter.events import Event, RunState
from tests.backend.test_verdict import event, good_run


class LostRun:
    """A run of which the log has the beginning, and the work folder all."""

    def __init__(self, folder: Path) -> None:
        self.store = DirectoryStore(folder / "store")
        self.record = RunRecord.new("digits", "local", self.store.url)
        self.record.save()
        RunLock(self.record.folder).release()
        self.work = WorkFolder(folder / "work" / self.record.id)
        reported = good_run()[2:7]
        EventLogWriter(self.store, self.record.prefix).append([*good_run()[:2], *reported[:2]])
        self.work.server.mkdir(parents=True)
        self.work.out.mkdir()
        (self.work.out / "GLOBAL_MODEL.pt").write_bytes(b"weights")
        self.work.log_of("server").write_text("said")
        lines = [json.dumps(entry.model_dump(exclude={"seq"})) for entry in reported]
        (self.work.server / "events.ndjson").write_text("\n".join(lines) + '\n{"time": 1, "ty')
        (self.record.folder / WORK_FILE).write_text(str(self.work.path))

    def events(self) -> list[Event]:
        return EventLogReader(self.store, self.record.prefix).read()


@pytest.fixture
def lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LostRun:
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    return LostRun(tmp_path)


def test_its_log_is_completed_its_model_kept_and_its_folder_removed(lost: LostRun) -> None:
    assert LocalTarget().settle(lost.record, lost.store)
    kinds = [entry.type.value for entry in lost.events()]
    assert kinds == [*(entry.type.value for entry in good_run()[:7]), "result", "state"]
    assert lost.events()[-1].data["state"] == RunState.LOST.value
    assert lost.store.get(f"{lost.record.prefix}/model_out/GLOBAL_MODEL.pt") == b"weights"
    assert lost.store.get(f"{lost.record.prefix}/files_out/logs/server.txt") == b"said"
    assert not lost.work.path.exists() and not (lost.record.folder / WORK_FILE).exists()
    before = lost.events()
    assert LocalTarget().settle(lost.record, lost.store) and lost.events() == before, "a second time changes nothing"


def test_what_still_runs_for_it_is_ended(lost: LostRun) -> None:
    lost.work.data.mkdir()
    env = {**os.environ, MARK: str(lost.work.data)}
    with subprocess.Popen(
        [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(600)"], env=env, stdout=-1
    ) as left:
        assert left.stdout is not None and left.stdout.readline()
        assert LocalTarget().settle(lost.record, lost.store)
        assert not psutil.pid_exists(left.pid)


def test_a_run_that_is_carried_or_was_never_here_is_left_alone(lost: LostRun) -> None:
    lock = RunLock(lost.record.folder)
    assert not LocalTarget().settle(lost.record, lost.store) and lost.work.path.exists()
    lock.release()
    assert not LocalTarget().settle(RunRecord.new("other", "local", lost.store.url), lost.store)
    assert len(lost.events()) == 4


def test_without_its_store_all_stays_until_somebody_tries_again(lost: LostRun, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    (tmp_path / "store").rename(gone)
    (tmp_path / "store").write_text("in the way")
    assert not LocalTarget().settle(lost.record, lost.store)
    assert (lost.work.out / "GLOBAL_MODEL.pt").exists()
    (tmp_path / "store").unlink()
    gone.rename(tmp_path / "store")
    assert LocalTarget().settle(lost.record, lost.store) and lost.events()[-1].data["state"] == "lost"


def test_a_run_that_had_ended_already_keeps_its_state(lost: LostRun) -> None:
    EventLogWriter(lost.store, lost.record.prefix).append([event("state", state="finished", reason="")])
    assert LocalTarget().settle(lost.record, lost.store)
    assert lost.events()[-1].data["state"] == "finished" and not lost.work.path.exists()


def test_the_next_run_clears_up_after_those_that_nobody_looked_at_again(lost: LostRun) -> None:
    settle_others(RunRecord.new("other", "local", lost.store.url))
    assert lost.events()[-1].data["state"] == "lost" and not lost.work.path.exists()


def test_a_live_log_is_read_from_where_one_was(lost: LostRun) -> None:
    target = LocalTarget()
    assert target.read_log(lost.record, "server", 0) == b"said"
    assert target.read_log(lost.record, "server", 2) == b"id"
    assert target.read_log(lost.record, "server", 4) == b""
    for name in ("site-9", "../server", "."):
        assert target.read_log(lost.record, name, 0) is None
    target.settle(lost.record, lost.store)
    assert target.read_log(lost.record, "server", 0) is None
