"""What the runner knows gets into the log whatever the store does, and requests that nobody can carry out are answered."""

from __future__ import annotations

import errno
import io
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.backend.carrying.journal import Journal
from reson_jupyter.backend.carrying.mailbox import REQUESTS_FOLDER, Mailbox
from reson_jupyter.backend.carrying.requests import Requests
from reson_jupyter.backend.event_log import EventLogReader, EventLogWriter
from reson_jupyter.backend.runner.remains import WorkFolder
from reson_jupyter.backend.store import DirectoryStore
from reson_jupyter.errors import StoreError
from reson_jupyter.events import EventType, RunState
from tests.backend.test_verdict import event, good_run
from tests.patience import wait_for

PREFIX = "jobs/digits-1"


class Slow(DirectoryStore):
    """A store that can be made to hang, and to refuse.

    Attributes:
        there: Whether it takes what it is given.
        asked: Set when it is given something.
        gives_up: Whether it refuses while it is not there, and does not hang any more.
        refused: How often it did.
    """

    there: threading.Event
    asked: threading.Event
    gives_up: threading.Event
    refused: int

    def put(self, *args: Any, **kwargs: Any) -> None:
        """Hangs, as a network does, before it gives up."""
        self.asked.set()
        if not self.there.is_set():
            self.gives_up.wait(60)
            self.refused += 1
            raise StoreError("nobody there")
        super().put(*args, **kwargs)


@pytest.fixture
def store(tmp_path: Path) -> Slow:
    made = Slow(tmp_path / "store")
    made.there, made.asked, made.gives_up, made.refused = threading.Event(), threading.Event(), threading.Event(), 0
    made.there.set()
    made.gives_up.set()
    EventLogWriter(made, PREFIX).append(good_run()[:2])
    return made


@pytest.fixture
def journal(store: Slow) -> Iterator[Journal]:
    made = Journal(store, PREFIX)
    yield made
    store.there.set()
    store.gives_up.set()
    made.close(0.1)


def test_it_begins_with_what_the_log_has(journal: Journal) -> None:
    assert list(journal.progress.sites) == ["site-1", "site-2"]


def test_a_store_that_is_away_holds_nobody_up_and_loses_nothing(store: Slow, journal: Journal) -> None:
    store.there.clear()
    store.gives_up.clear()
    store.asked.clear()
    journal.say(EventType.LOG, level="info", message="0")
    assert store.asked.wait(30)
    for number in range(1, 50):
        journal.say(EventType.LOG, level="info", message=str(number))
    journal.say_state(RunState.RUNNING)
    assert store.refused == 0, "it hangs, and all was said meanwhile"
    assert journal.progress.state is RunState.RUNNING
    store.gives_up.set()
    wait_for(lambda: store.refused)
    journal.say(EventType.LOG, level="info", message="50")
    store.there.set()
    assert journal.close(30)
    events = EventLogReader(store, PREFIX).read()
    assert [e.data["message"] for e in events if e.type is EventType.LOG] == [str(number) for number in range(51)]
    assert [e.seq for e in events] == list(range(len(events)))


def test_a_full_disk_that_takes_no_word_of_it_either_loses_nothing(
    store: Slow, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = threading.Event()

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            told.set()
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    store.there.clear()
    journal.say_state(RunState.FAILED, "no space")
    assert told.wait(30)
    store.there.set()
    assert journal.close(30)
    assert EventLogReader(store, PREFIX).read()[-1].data["reason"] == "no space"


def test_it_gives_up_at_last(store: Slow, journal: Journal) -> None:
    store.there.clear()
    journal.say_state(RunState.RUNNING)
    assert not journal.close(0.5)


@pytest.fixture
def work(tmp_path: Path) -> WorkFolder:
    return WorkFolder(tmp_path / "work")


@pytest.fixture
def requests(tmp_path: Path, work: WorkFolder, journal: Journal) -> Requests:
    outgoing = Mailbox(work.server / REQUESTS_FOLDER)
    return Requests(tmp_path, journal, (work.server / "events.ndjson").exists, outgoing.put)


def ask(folder: Path, identity: str, sites: list[str] | None = None, op: str = "command") -> None:
    Mailbox(folder / REQUESTS_FOLDER).put({"id": identity, "op": op, "sites": sites, "command": "look", "params": {}})


def start(work: WorkFolder) -> None:
    work.server.mkdir(parents=True)
    (work.server / "events.ndjson").touch()


def answers(journal: Journal, identity: str) -> dict[str, str]:
    return {site: data["error"] for site, data in journal.progress.answers.get(identity, {}).items()}


def test_a_request_goes_to_the_server_for_the_sites_that_live(
    tmp_path: Path, work: WorkFolder, journal: Journal, requests: Requests
) -> None:
    start(work)
    ask(tmp_path, "a")
    requests.pass_on({"site-2"})
    (path,) = (work.server / REQUESTS_FOLDER).glob("*.json")
    assert json.loads(path.read_text()) == {"id": "a", "op": "command", "sites": ["site-1"], "command": "look", "params": {}}
    assert answers(journal, "a") == {"site-2": "the site's process has ended"}


def test_before_the_server_is_up_and_after_the_end_every_site_has_an_answer_at_once(
    tmp_path: Path, work: WorkFolder, journal: Journal, requests: Requests
) -> None:
    ask(tmp_path, "early", ["site-2"])
    requests.pass_on(set())
    assert "still starting" in answers(journal, "early")["site-2"] and len(answers(journal, "early")) == 1
    start(work)
    journal.add(event("run_ended"))
    ask(tmp_path, "late")
    requests.pass_on(set())
    assert answers(journal, "late") == {"site-1": "the run is over", "site-2": "the run is over"}


def test_what_nobody_answered_is_answered_when_the_run_ends(
    tmp_path: Path, work: WorkFolder, journal: Journal, requests: Requests
) -> None:
    start(work)
    ask(tmp_path, "a")
    requests.pass_on(set())
    journal.add(event("answer", "site-1", None, request="a", ok=True, value=1, error="", traceback=""))
    ask(tmp_path, "b")
    requests.close()
    assert answers(journal, "a") == {"site-1": "", "site-2": "the run ended before the answer came"}
    assert answers(journal, "b") == {"site-1": "the run is over", "site-2": "the run is over"}


def test_errors_are_put_aside_by_the_runner_alone(tmp_path: Path, work: WorkFolder, journal: Journal, requests: Requests) -> None:
    journal.add(event("error", "site-1", 0, message="bad", traceback=""))
    ask(tmp_path, "r", op="reset_errors")
    requests.pass_on(set())
    assert journal.progress.errors_from == 1 and journal.progress.answers == {}
