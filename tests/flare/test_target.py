"""The target as the notebook meets it: what it refuses, what it keeps, and how often it starts a carrier anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.backend.event_log import EventLogWriter
from reson_jupyter.backend.federation.kits import set_data_root
from reson_jupyter.backend.federation.place import Place
from reson_jupyter.backend.flare.kit import read_kit
from reson_jupyter.backend.flare.logs import LogMirror, read_log
from reson_jupyter.backend.flare.session import NotAllowed
from reson_jupyter.backend.flare.state import FlareState, read_state, runs_on, write_state
from reson_jupyter.backend.job import build_job
from reson_jupyter.backend.record import RunLock, RunRecord
from reson_jupyter.backend.sending import Shard
from reson_jupyter.backend.store import open_store
from reson_jupyter.backend.targets.detached import DetachedTarget
from reson_jupyter.backend.targets.flare import FlareTarget
from reson_jupyter.config import ResonTechConfig
from reson_jupyter.errors import StoreError, TargetError
from reson_jupyter.home import home
from tests.backend.stored_runs import job_parts
from tests.backend.test_verdict import event, good_run


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunRecord:
    """A run that was handed over, and whose carrier is dead."""
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    record = RunRecord.new("digits", "flare", (tmp_path / "store").as_uri())
    record.save()
    EventLogWriter(open_store(record.store), record.prefix).append(good_run()[:2])
    RunLock(record.folder).release()
    return record


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs that carriers were started for."""
    runs: list[str] = []
    monkeypatch.setattr(DetachedTarget, "start", lambda self, record, lock, connection: runs.append(record.id))
    return runs


def test_a_target_without_a_kit_says_which_setting_is_missing() -> None:
    with pytest.raises(TargetError, match="startup_kit="):
        FlareTarget().survey(ResonTechConfig(startup_kit=""))


def test_a_folder_cannot_bring_shards_to_other_machines(record: RunRecord, tmp_path: Path) -> None:
    job, store = build_job(job_parts()), open_store(record.store)
    assert FlareTarget().adapt(job, record, store, {"site-1": None}) is job
    FlareTarget().check(job, store, {"site-1": None}, ResonTechConfig())
    with pytest.raises(StoreError, match=r"only this machine sees\n  Use a bucket .*RESON_DATA_ROOT"):
        FlareTarget().check(job, store, {"site-1": Shard("a.zip", "0" * 64, tmp_path)}, ResonTechConfig())


def test_sites_of_this_machines_federation_without_data_are_told_before_anything_is_tried(
    record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes, store = tmp_path / "nodes", open_store(record.store)
    for site in ("site-1", "site-2"):
        (nodes / site / "local").mkdir(parents=True)
    Place(str(nodes), 2, complete=True).save()
    plain, sites = build_job(job_parts()), {"site-1": None, "site-2": None}
    at_hand, elsewhere = (ResonTechConfig(startup_kit=str(folder / "researcher")) for folder in (nodes, tmp_path))
    with pytest.raises(TargetError, match=r"^site-1, site-2 of this .* have no data.*\n  Give .*federation start --data DIR"):
        FlareTarget().check(plain, store, sites, at_hand)
    FlareTarget().check(plain, store, sites, elsewhere)
    for site in sites:
        set_data_root(nodes / site, tmp_path)
    FlareTarget().check(plain, store, sites, at_hand)


def test_after_a_stop_it_is_said_that_the_federation_was_stopped(record: RunRecord) -> None:
    with pytest.raises(TargetError, match=r"^the federation of this machine was stopped\n  Start one: %reson federation start"):
        FlareTarget().survey(ResonTechConfig(startup_kit=str(home() / "federation" / "nodes" / "researcher")))


def test_the_runs_in_progress_on_a_federation_are_known_by_its_kit(record: RunRecord, kit: Path) -> None:
    write_state(record.folder, FlareState(kit=str(kit)))
    assert runs_on(kit) == [], "nobody carries it"
    lock = RunLock(record.folder)
    assert runs_on(kit) == [record] and runs_on(kit.parent) == []
    lock.release()


def test_the_kit_that_a_run_was_started_with_is_kept_for_whoever_carries_it_on(
    record: RunRecord, kit: Path, started: list[str]
) -> None:
    lock = RunLock(record.folder)
    FlareTarget().start(record, lock, ResonTechConfig(startup_kit=str(kit)))
    lock.release()
    state = FlareState(kit=str(kit), federation=read_kit(str(kit)).federation, at_hand=True)
    assert read_state(record.folder) == state and state.federation and started == [record.id]
    assert "PRIVATE" not in "".join(path.read_text() for path in record.folder.iterdir())


def test_a_carrier_is_started_anew_as_long_as_the_run_gets_ahead(record: RunRecord, kit: Path, started: list[str]) -> None:
    target, connection = FlareTarget(), ResonTechConfig()
    assert not target.resume(record, connection), "what was never handed over is nobody's"
    write_state(record.folder, FlareState(kit=str(kit), job="job-1"))
    assert [target.resume(record, connection) for _ in range(4)] == [True, True, True, False]
    EventLogWriter(open_store(record.store), record.prefix).append([event("round_started", None, 0)])
    assert target.resume(record, connection)
    state = read_state(record.folder)
    assert state is not None and (state.job, state.events, state.starts) == ("job-1", 3, 2)
    assert len(started) == 4


def test_a_run_that_is_over_or_carried_needs_no_other_carrier(record: RunRecord, kit: Path, started: list[str]) -> None:
    write_state(record.folder, FlareState(kit=str(kit)))
    lock = RunLock(record.folder)
    assert FlareTarget().resume(record, ResonTechConfig()), "it is carried"
    assert not FlareTarget().settle(record, open_store(record.store))
    lock.release()
    assert FlareTarget().settle(record, open_store(record.store))
    assert EventLogWriter(open_store(record.store), record.prefix).state == "lost"
    assert not FlareTarget().resume(record, ResonTechConfig()) and started == []


def test_logs_are_fetched_piece_by_piece_while_somebody_reads_them(tmp_path: Path) -> None:
    texts: dict[str, Any] = {"server": "one\n", "site-1": "två\n"}
    mirror = LogMirror(tmp_path, texts, lambda name, offset: texts[name].encode()[offset:].decode(), print)
    mirror.start()
    assert read_log(tmp_path, "site-1", 0) == "två\n".encode()
    assert read_log(tmp_path, "../run", 0) is None
    texts["site-1"] += "more\n"
    mirror.hurry()
    found = b""
    while not found:
        found = read_log(tmp_path, "site-1", 5) or b""
    assert found == b"more\n"
    assert sorted(mirror.end()) == ["server.txt", "site-1.txt"]
    mirror.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_this_user_may_not_read_says_so_now_and_when_the_run_is_over(tmp_path: Path) -> None:
    asked: list[str] = []

    def barred(name: str, offset: int) -> str:
        asked.append(name)
        raise NotAllowed("not you")

    mirror = LogMirror(tmp_path, ["site-1"], barred, asked.append)
    mirror.start()
    found = None
    while found is None:
        found = read_log(tmp_path, "site-1", 0)
    assert found == b"The log of site-1 cannot be brought here: not you.\n"
    mirror.hurry()
    assert [path.read_bytes() for path in mirror.end().values()] == [found] and asked == ["site-1"]
