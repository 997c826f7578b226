"""A kernel that dies while it submits: its run never began, is told so by everyone, and nothing of it is left unknown."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import reson_jupyter as reson
from reson_jupyter.backend.carrying.lost import CARRIER_LOG, CUT_OFF, SILENT
from reson_jupyter.backend.event_log import EventLogReader, EventLogWriter, peek
from reson_jupyter.backend.history import history
from reson_jupyter.backend.history.runs import known_runs
from reson_jupyter.backend.job import build_job
from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.backend.record import RunLock, RunRecord
from reson_jupyter.backend.run import follow
from reson_jupyter.backend.store import Store, open_store
from reson_jupyter.backend.submission import Submission
from reson_jupyter.backend.targets import LocalTarget
from reson_jupyter.backend.targets.base import Target
from reson_jupyter.backend.targets.flare import FlareTarget
from reson_jupyter.backend.targets.platform import PlatformTarget
from reson_jupyter.errors import RunFailed, RunNotFound
from reson_jupyter.events import Event, EventType, RunState
from reson_jupyter.notebook.sidebar.runs import RunsPart
from reson_jupyter.session import Session
from tests.backend.stored_runs import Nowhere, job_parts
from tests.backend.test_verdict import good_run

# A kernel that ends by itself, as if it were killed, at its first write of a key that ends in what it is told.
_KERNEL = """
import os, signal, sys
from pathlib import Path
from reson_jupyter.backend.job import build_job
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.backend.store import DirectoryStore
from reson_jupyter.backend.submission import Submission
from reson_jupyter.config import ResonTechConfig
from tests.backend.stored_runs import Nowhere, job_parts

class Deadly(DirectoryStore):
    def put(self, key, data, **more):
        if key.endswith(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        super().put(key, data, **more)

store, parts = Deadly(Path(sys.argv[1])), job_parts()
record = RunRecord.new("digits", "local", store.url)
Submission(build_job(parts), {}, parts.federation, record, store, Nowhere(store), ResonTechConfig()).start()
"""


def killed_at(key: str, folder: Path) -> RunRecord:
    """The run of a kernel that was killed when it was to write an object."""
    ended = subprocess.run([sys.executable, "-c", _KERNEL, str(folder), key], capture_output=True, timeout=100, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    (stored,) = (folder / "jobs").iterdir()
    return RunRecord.load(stored.name)


def cut_off(store: Store, state: str, *, carrier: bool = False) -> RunRecord:
    """A run whose kernel ended an hour ago, in a state."""
    record = RunRecord.new("digits", "local", store.url)
    record.save()
    RunLock(record.folder).release()
    if carrier:
        (record.folder / CARRIER_LOG).touch()
    said = [*good_run()[:1], Event(time=time.time(), type=EventType.STATE, data={"state": state, "reason": ""})]
    EventLogWriter(store, record.prefix).append(said)
    return record


def progress_of(record: RunRecord, store: Store) -> RunProgress:
    progress = RunProgress()
    progress.apply(EventLogReader(store, record.prefix).read())
    return progress


def test_a_run_of_which_only_the_first_object_came_to_be_is_listed_explained_and_deleted(tmp_path: Path) -> None:
    assert history.load() == []  # one that is begun later knows every run that has a folder
    record = killed_at("latest.json", tmp_path / "store")
    assert len([path for path in (tmp_path / "store" / "jobs").rglob("*") if path.is_file()]) == 1
    assert history.load() == []
    (listed,) = known_runs(open_store)
    assert (listed.id, listed.state, listed.reason) == (record.id, RunState.LOST, CUT_OFF)
    assert [run.id for run in history.load()] == [record.id], "it is remembered from now on"
    with pytest.raises(RunNotFound, match="submit it again") as told:
        reson.attach(record.id)
    assert f"reson.delete({record.id!r})" in str(told.value)
    assert reson.delete(record.id).objects == 1
    assert list(open_store(record.store).list("")) == [] and known_runs(open_store) == [] and not record.folder.exists()


def test_a_kernel_that_dies_before_it_stores_anything_leaves_a_run_that_is_told_too(tmp_path: Path) -> None:
    record = killed_at("meta.json", tmp_path / "store")
    (listed,) = known_runs(open_store)
    assert (listed.id, listed.state, listed.reason) == (record.id, RunState.LOST, CUT_OFF)
    assert len(history.load()) == 1


@pytest.mark.parametrize("state", ["pending", "uploading"])
def test_the_list_and_whoever_attaches_say_the_same_of_it(store: Store, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_LAST_WORDS", 0.3)
    record = cut_off(store, state)
    said = peek(store, record.prefix)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)  # somebody looks an hour later
    (listed,) = known_runs(open_store)
    assert (listed.state, listed.reason) == (RunState.LOST, CUT_OFF)
    run = reson.attach(record.id)
    with pytest.raises(RunFailed, match="ended before its upload was done, so it never began; submit it again"):
        run.wait(30)
    assert said is not None and run.progress.ended == listed.ended == said.time
    (again,) = known_runs(open_store)
    assert (again.state, again.reason, again.ended) == (RunState.LOST, CUT_OFF, said.time)
    assert run._repr_html_().count("never began") == 1 and "process that carried" not in run._repr_html_()


@pytest.mark.parametrize("target", [LocalTarget(), FlareTarget(), PlatformTarget()], ids=lambda target: type(target).__name__)
@pytest.mark.parametrize(("state", "reason"), [("uploading", CUT_OFF), ("running", SILENT)])
def test_on_every_target_it_ended_when_it_was_heard_last(store: Store, target: Target, state: str, reason: str) -> None:
    record = cut_off(store, state)
    said = peek(store, record.prefix)
    assert target.settle(record, store) and said is not None
    progress = progress_of(record, store)
    assert (progress.state, progress.reason, progress.ended) == (RunState.LOST, reason, said.time)


def test_a_run_whose_carrier_died_is_no_cut_off_upload(store: Store) -> None:
    record = cut_off(store, "running", carrier=True)
    (listed,) = known_runs(open_store)
    LocalTarget().settle(record, store)
    assert listed.reason == progress_of(record, store).reason == SILENT


def test_a_run_that_was_carried_and_whose_store_is_gone_is_not_said_to_have_never_begun(store: Store) -> None:
    record = cut_off(store, "running", carrier=True)
    history.add(record, progress_of(record, store))
    for info in list(store.list("")):
        store.delete(info.key)
    (listed,) = known_runs(open_store)
    assert listed.state is RunState.RUNNING and "no log of it" in listed.reason


def test_the_sidebar_shows_such_a_run_too(store: Store) -> None:
    assert history.load() == []
    record = cut_off(store, "pending")
    part = RunsPart(Session(), lambda: True, lambda: None)
    part.look()
    assert [(row["id"], row["state"], row["reason"]) for row in part.part()["rows"]] == [(record.id, "lost", CUT_OFF)]


def test_a_run_that_another_kernel_submits_just_now_is_no_stray(store: Store) -> None:
    assert history.load() == []
    record = RunRecord.new("digits", "local", store.url)
    record.save()
    lock = RunLock(record.folder)
    found = known_runs(open_store)
    lock.release()
    assert found == []
    assert [run.id for run in known_runs(open_store)] == [record.id]


def test_a_home_that_cannot_be_written_to_leaves_nothing_in_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    def refuse(_: RunRecord) -> None:
        raise reson.ResonError("read-only")

    monkeypatch.setattr(RunRecord, "save", refuse)
    parts = job_parts()
    record = RunRecord.new("digits", "local", store.url)
    begun = Submission(build_job(parts), {}, parts.federation, record, store, Nowhere(store), reson.ResonTechConfig())
    with pytest.raises(reson.ResonError, match="read-only"):
        begun.start()
    assert list(store.list("")) == []
