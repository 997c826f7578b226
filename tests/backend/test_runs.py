"""The list of the runs that this machine knows, each as it is now."""

from __future__ import annotations

import threading
import time
from html.parser import HTMLParser
from typing import Any

import pytest

import reson_jupyter as reson
from reson_jupyter.backend.event_log import EventLogWriter
from reson_jupyter.backend.history import history
from reson_jupyter.backend.history.history import RunSummary
from reson_jupyter.backend.history.runs import Runs, is_unseen, known_runs
from reson_jupyter.backend.record import RunLock, RunRecord
from reson_jupyter.backend.store import DirectoryStore, Store, open_store
from reson_jupyter.errors import StoreError
from reson_jupyter.events import Event, RunState
from tests.backend.test_history import known, new_record, progress, state
from tests.backend.test_verdict import good_run


def write_log(store: Store, record: RunRecord, events: list[Event]) -> EventLogWriter:
    writer = EventLogWriter(store, record.prefix)
    writer.append(events)
    return writer


def list_now() -> Runs:
    return known_runs(open_store)


def test_a_run_that_ended_while_no_kernel_looked_is_listed_as_it_ended(store: Store) -> None:
    record = new_record(store=store.url)
    history.add(record, progress(*good_run()[:1], state("running")))
    write_log(store, record, [*good_run(), state("degraded", "site-2 never contributed")])
    (found,) = list_now()
    assert (found.state, found.reason, found.rounds_done) == (RunState.DEGRADED, "site-2 never contributed", 2)
    assert known(record.id) == found, "it is remembered, and not asked for again"


def test_how_far_a_run_is_that_goes_on_takes_one_request(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    record = new_record(store=store.url)
    record.save()
    lock = RunLock(record.folder)
    history.add(record, progress(*good_run(rounds=5)[:1]))
    write_log(store, record, [*good_run(rounds=5)[:8], state("running")])
    asked: list[str] = []
    read = DirectoryStore.get_if_changed
    monkeypatch.setattr(DirectoryStore, "get_if_changed", lambda self, key, etag: asked.append(key) or read(self, key, etag))
    (found,) = list_now()
    lock.release()
    assert (found.state, found.rounds_done, found.num_rounds) == (RunState.RUNNING, 1, 5)
    # A run of another test may still be followed.
    assert [key for key in asked if key.startswith(record.prefix)] == [f"{record.prefix}/files_out/latest.json"]


def test_a_run_whose_carrier_is_gone_is_listed_as_lost(store: Store) -> None:
    record = new_record(store=store.url)
    record.save()
    RunLock(record.folder).release()
    history.add(record, progress(*good_run()[:1], state("running")))
    write_log(store, record, [*good_run()[:3], state("running")])
    (found,) = list_now()
    assert found.state is RunState.LOST and "ended without saying how" in found.reason


def test_a_run_elsewhere_is_listed_as_its_store_has_it_and_as_lost_after_a_long_silence(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = RunRecord.new("digits", "another planet", store.url)
    history.add(record, progress(*good_run()[:1]))
    write_log(store, record, [*good_run()[:3], state("running")])
    assert [run.state for run in list_now()] == [RunState.RUNNING]
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now + 400)
        assert [run.state for run in list_now()] == [RunState.LOST]
    EventLogWriter(store, record.prefix).append([state("finished")])
    assert [run.state for run in list_now()] == [RunState.FINISHED], "it had only been out of reach"


class Elsewhere:
    """A target on other machines, of whose run nobody here knows more."""

    def is_carried(self, record: RunRecord) -> bool | None:
        return False


def test_a_run_on_other_machines_goes_on_without_whoever_carried_its_reports(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reson_jupyter.backend.history.runs.open_target", lambda name: Elsewhere())
    on, unsent = (RunRecord.new(name, "flare", store.url) for name in ("goes-on", "unsent"))
    for record, stands in ((on, "running"), (unsent, "uploading")):
        history.add(record, progress(*good_run()[:1]))
        write_log(store, record, [*good_run()[:3], state(stands)])
    found = list_now()
    assert {run.name: run.state for run in found} == {"goes-on": RunState.RUNNING, "unsent": RunState.LOST}
    told = f"{on.id} may go on, and nobody follows it: reson.attach({on.id!r})"
    assert repr(found).splitlines()[-1] == told and told in found._repr_html_()
    EventLogWriter(store, on.prefix).append([state("finished")])
    assert "nobody follows" not in repr(list_now())


def test_the_target_tells_where_a_run_is_and_whether_another_machine_submitted_it(store: Store) -> None:
    here = new_record("here", store.url)
    here.save()
    RunLock(here.folder).release()
    there = RunRecord.new("there", "flare", store.url)
    for record in (here, there):
        history.add(record, progress(*good_run()[:1], state("finished")))
    ends = {line.split()[1]: line for line in repr(list_now()).splitlines()[1:]}
    assert ends["here"].endswith("  local") and ends["there"].endswith("  flare, from another machine")


def test_a_run_that_was_begun_before_there_was_a_history_is_found_by_its_folder(store: Store) -> None:
    record = new_record(store=store.url)
    record.save()
    write_log(store, record, [*good_run(rounds=3), state("finished")])
    (found,) = list_now()
    assert (found.id, found.state, found.rounds_done, found.num_rounds) == (record.id, RunState.FINISHED, 3, 3)


def test_a_store_that_is_away_or_gone_leaves_the_runs_as_they_are_known(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reson_jupyter.backend.history.runs._PATIENCE", 2.0)
    hangs, came_back = threading.Event(), threading.Event()
    here, broken, slow = (new_record(name, url) for name, url in (("a", store.url), ("b", "s3://broken"), ("c", "s3://slow")))
    write_log(store, here, [*good_run(), state("finished")])
    for record in (here, broken, slow):
        history.add(record, progress(*good_run()[:1], state("running")))

    def opened(url: str) -> Store:
        if url == "s3://slow":
            hangs.wait(60)
            came_back.set()
        if url != store.url:
            raise StoreError("away")
        return store

    listed = known_runs(opened)
    found = {run.name: run.state for run in listed}
    assert not came_back.is_set()
    hangs.set()
    assert [(run.name, is_unseen(run)) for run in listed] == [("c", True), ("b", True), ("a", False)]
    assert "running?" in repr(listed) and f"{slow.id}: Its store does not answer" in repr(listed)
    assert "running?" in listed._repr_html_()
    assert found == {"a": RunState.FINISHED, "b": RunState.RUNNING, "c": RunState.RUNNING}


def test_a_run_whose_log_is_gone_is_marked_until_it_is_there_again(store: Store) -> None:
    record = new_record("a", store.url)
    history.add(record, progress(*good_run()[:1], state("running")))
    (run,) = list_now()
    assert (run.state, is_unseen(run)) == (RunState.RUNNING, True) and "no log of it" in run.reason
    write_log(store, record, [*good_run()[:1], state("running")])
    (run,) = list_now()
    assert (run.state, is_unseen(run), run.reason) == (RunState.RUNNING, False, "")


HOSTILE = "<img src=x onerror=window.__x=1>\n\x1b[2J'\">"


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]


def test_the_list_is_a_table_in_which_every_text_is_only_text() -> None:
    place = {"target": "local", "store": "s", "created": 1_790_000_000.0}
    runs = Runs(
        [
            RunSummary("digits-1", HOSTILE, **place, state=RunState.FINISHED, ended=1_790_000_075.0, rounds_done=3, num_rounds=3),
            RunSummary("digits-2", "n", **place),
        ]
    )
    text = repr(runs).splitlines()
    assert len(text) == 3 and text[0].split() == ["run", "name", "state", "rounds", "sites", "started", "took", "target"]
    assert "3 of 3" in text[1] and "1 min 15 s" in text[1] and "0 of ?" in text[2] and "\x1b" not in text[1]
    assert Tags(runs._repr_html_()).tags == {"div", "table", "thead", "tbody", "tr", "th", "td"}


def test_a_long_list_shows_the_newest_and_counts_the_rest() -> None:
    runs = Runs(RunSummary(f"r-{number}", "n", "local", "s", 1.0) for number in range(60))
    assert len(repr(runs).splitlines()) == 52 and repr(runs).endswith("and 10 older ones")
    assert repr(Runs()) == "This machine knows no runs." and "knows no runs" in Runs()._repr_html_()


def test_runs_are_listed_by_the_package(store: Store) -> None:
    record = new_record(store=store.url)
    write_log(store, record, [*good_run(), state("finished")])
    history.add(record, progress(*good_run()[:1]))
    assert [(run.id, run.state) for run in reson.runs()] == [(record.id, RunState.FINISHED)]
