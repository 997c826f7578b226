"""A run whose log, target and sites are the test's: what the handle makes of it is seen without NVFlare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reson_jupyter.backend.event_log import EventLogWriter
from reson_jupyter.backend.job import Job
from reson_jupyter.backend.placement import Survey
from reson_jupyter.backend.record import RunLock, RunRecord
from reson_jupyter.backend.run.handle import Run
from reson_jupyter.backend.sending import Shard
from reson_jupyter.backend.store import Store, open_store
from reson_jupyter.config import ResonTechConfig
from reson_jupyter.errors import TargetError
from reson_jupyter.events import Event
from tests.backend.test_verdict import event, good_run


class StagedTarget:
    """Carries nothing; does what the test says."""

    shards_in_job = False

    def __init__(self) -> None:
        self.carried: bool | None = True
        self.requests: list[dict[str, Any]] = []
        self.on_request: Callable[[dict[str, Any]], None] = lambda request: None
        self.on_settle: Callable[[], None] = lambda: None
        self.logs: dict[str, bytes] = {}
        self.aborted = 0

    def survey(self, connection: ResonTechConfig) -> Survey:
        return Survey()

    def open_store(self, url: str, connection: ResonTechConfig) -> Store:
        return open_store(url, connection)

    def check(self, job: Job, store: Store, sites: Mapping[str, Shard | None], connection: ResonTechConfig) -> None:
        pass

    def adapt(self, job: Job, record: RunRecord, store: Store, sites: Mapping[str, Shard | None]) -> Job:
        return job

    def resume(self, record: RunRecord, connection: ResonTechConfig) -> bool:
        return False

    def start(self, record: RunRecord, lock: RunLock, connection: ResonTechConfig) -> None:
        raise AssertionError("a staged run is not started")

    def abort(self, record: RunRecord) -> None:
        self.aborted += 1

    def request(self, record: RunRecord, request: Mapping[str, Any]) -> None:
        if not self.carried:
            raise TargetError(f"run {record.id} is not running on this machine")
        self.requests.append(dict(request))
        self.on_request(dict(request))

    def read_log(self, record: RunRecord, name: str, offset: int) -> bytes | None:
        return self.logs[name][offset:] if name in self.logs else None

    def settle(self, record: RunRecord, store: Store) -> bool:
        self.on_settle()
        return True

    def is_carried(self, record: RunRecord) -> bool | None:
        return self.carried


class Staged:
    """One run of two sites, in its first round."""

    def __init__(self, folder: Path, log: list[Event] | None = None) -> None:
        self.store = open_store((folder / "store").as_uri())
        self.record = RunRecord.new("staged", "local", self.store.url)
        self.target = StagedTarget()
        self.writer = EventLogWriter(self.store, self.record.prefix)
        self.say(*(log if log is not None else [*good_run()[:2], state("running"), *in_round(0)]))

    def say(self, *events: Event) -> None:
        self.writer.append(events)

    def run(self) -> Run:
        return Run(self.record, self.store, self.target, connection=ResonTechConfig())

    def answer_with(self, **data: Any) -> None:
        """Has every site that is asked answer at once."""

        def answer(request: dict[str, Any]) -> None:
            told = {"ok": True, "value": None, "error": "", "traceback": "", **data}
            self.say(*(event("answer", site, request=request["id"], **told) for site in request["sites"]))

        self.target.on_request = answer


def state(name: str, reason: str = "") -> Event:
    return event("state", state=name, reason=reason)


def in_round(number: int) -> list[Event]:
    """A round that has begun, with both sites at their task."""
    sites = [event("site", site, number, phase="training") for site in ("site-1", "site-2")]
    return [event("round_started", None, number), *sites]
