"""The process that carries out one local run and outlives the kernel: `python -m reson_jupyter.backend.runner RUN_FOLDER`.

It takes the job from the store, runs it, appends everything the run says to the run's log in the store, judges how it ended, and
stores the result. It ends with the run.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..config import ResonTechConfig
from ..data.shards import unpack_shard
from ..errors import ResonError, StoreError
from ..events import Event, EventType, RunState
from .event_log import EventLogReader, EventLogWriter
from .job import write_nvflare_folder
from .progress import RunProgress
from .record import RunRecord
from .simulator import Simulator, make_work_folder
from .store import Store, open_store
from .tail import EventFile
from .targets.local import ABORT_FILE
from .verdict import Verdict, verdict

_POLL = 0.1
_HEARTBEAT = 5.0
# How long NVFlare gets to end by itself: after a stop was asked for, after its server ended, after too few sites were left.
_STOP_GRACE = 10.0
_END_GRACE = 3.0
_HOPELESS_GRACE = 4.0
_STORE_GRACE = 300.0
_EXCEPTION = re.compile(r"^[\w.]*(?:Error|Exception|Exit): .+", re.MULTILINE)


class Runner:
    """Carries out one run from the stored job to the stored result."""

    def __init__(self, record: RunRecord, store: Store) -> None:
        self._record = record
        self._store = store
        self._progress = RunProgress()
        self._progress.apply(EventLogReader(store, record.prefix).read())
        self._log = EventLogWriter(store, record.prefix)
        self._unsent: list[Event] = []
        self._beat = 0.0
        self._stop_asked: float | None = None
        self._dead: set[str] = set()
        self._terminated = False

    def carry(self) -> None:
        """Carries out the run; whatever happens, the log's last event says how it ended."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        work = make_work_folder(self._record.folder)
        simulator = Simulator(work, len(self._progress.sites), work / "data")
        try:
            self._say_state(RunState.STARTING)
            self._prepare(simulator, work / "data")
            simulator.start()
            stopped = self._follow(simulator)
            simulator.stop()
            judged = self._conclude(simulator, stopped)
        except ResonError as error:
            self._say(EventType.ERROR, message=str(error), traceback="")
            judged = Verdict(RunState.FAILED, str(error))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            self._say(EventType.ERROR, message=reason, traceback=traceback.format_exc())
            judged = Verdict(RunState.FAILED, f"The runner failed: {reason}")
        finally:
            simulator.stop()
            shutil.rmtree(work, ignore_errors=True)
        self._say_state(judged.state, judged.reason)
        self._deliver_all()

    def _prepare(self, simulator: Simulator, data: Path) -> None:
        """Fetches the job's files and unpacks each site's shard."""
        prefix = f"{self._record.prefix}/"
        files = {}
        for folder in ("scripts", "configs", "model"):
            for info in self._store.list(f"{prefix}{folder}/"):
                files[info.key.removeprefix(prefix)] = self._store.get(info.key)
        write_nvflare_folder(files, simulator.job)
        for site, shard in self._shards().items():
            archive = simulator.job.parent / f"{site}.zip"
            self._store.get_file(f"{prefix}shards/{shard['shard']}", archive)
            if _sha256(archive) != shard["sha256"]:
                raise StoreError(
                    f"shard {shard['shard']} in the store is not the one that was submitted", "Submit the run again."
                )
            unpack_shard(archive, data / site)
            archive.unlink()

    def _shards(self) -> Mapping[str, Mapping[str, str]]:
        submitted = next(event for event in self._progress.events if event.type == EventType.SUBMITTED)
        sites: Mapping[str, Mapping[str, str]] = submitted.data["sites"]
        return sites

    def _follow(self, simulator: Simulator) -> str:
        """Relays what the run says until its processes have ended; returns why they were ended before their time, or ""."""
        file = EventFile(simulator.server_folder / "events.ndjson")
        if simulator.threads < len(self._progress.sites):
            self._say(
                EventType.LOG, level="warning",
                message=f"memory holds {simulator.threads} sites at once, so they take turns; every round starts them anew",
            )  # fmt: skip
        ended_at = hopeless_at = None
        while True:
            exited = simulator.poll() is not None
            self._relay(file.read())
            now = time.monotonic()
            if exited:
                code = simulator.poll() or 0
                killed = code < 0 and not self._progress.run_ended and self._stop_asked is None
                return f"NVFlare's main process was ended by signal {-code}" if killed else ""
            if self._abort_asked():
                if self._stop_asked is None:
                    self._stop_asked = now
                    if not simulator.ask_to_stop():
                        return "It was stopped before the server had started"
                if now - self._stop_asked > _STOP_GRACE:
                    return "The run did not end by itself after it was asked to"
            if self._progress.run_ended:
                ended_at = ended_at or now
                if not simulator.sites_running() or now - ended_at > _END_GRACE:
                    return ""
            else:
                self._report_dead_sites(simulator)
            if self._hopeless():
                hopeless_at = hopeless_at or now
                if now - hopeless_at > _HOPELESS_GRACE:
                    return "Too few sites were left for the round"
            time.sleep(_POLL)

    def _relay(self, events: list[Event]) -> None:
        for event in events:
            self._emit(event)
            if event.type == EventType.RUN_STARTED:
                self._say_state(RunState.RUNNING)
            elif event.type == EventType.RUN_ENDED and self._stop_asked is None:
                self._say_state(RunState.FINISHING)
        self._deliver()

    def _report_dead_sites(self, simulator: Simulator) -> None:
        for site in simulator.dead_sites():
            if simulator.threads < len(self._progress.sites):
                continue  # sites that take turns end their process after every task
            self._dead.add(site)
            said = simulator.errors_of(site)
            message = _cause(said) or "its process ended without a word: killed, out of memory, or ended by the code itself"
            self._say(EventType.ERROR, site, max(self._progress.rounds, default=None), message=message, traceback=said)

    def _hopeless(self) -> bool:
        """Whether this round, or the next, can no longer get the sites that it needs."""
        number = max(self._progress.rounds, default=None)
        entry = self._progress.rounds.get(number) if number is not None else None
        failed = {
            failure.site
            for failure in self._progress.failures
            if failure.site and failure.round == number and not (entry and failure.site in entry.contributions)
        }
        last = number is not None and number + 1 >= self._progress.num_rounds
        dead = {site for site in self._dead if not (last and entry and site in entry.contributions)}
        return len(self._progress.sites) - len(failed | dead) < self._progress.min_clients

    def _conclude(self, simulator: Simulator, stopped: str) -> Verdict:
        """Judges the run, and stores its logs and its model."""
        progress = self._progress
        aborted = self._stop_asked is not None
        models = simulator.models()
        judged = verdict(progress, files=len(models), aborted=aborted, stopped="" if aborted else stopped)
        if judged.state == RunState.FAILED and not any(failure.traceback for failure in progress.failures):
            self._report_error_logs(simulator)
            judged = verdict(progress, files=len(models), aborted=aborted, stopped=stopped)
        if progress.rounds_done:
            self._store_result(simulator, models)
        for name, path in simulator.logs().items():
            with contextlib.suppress(StoreError):  # a log less is no reason to fail a run
                self._store.put_file(f"{self._record.prefix}/files_out/logs/{name}", path, content_type="text/plain")
        return judged

    def _report_error_logs(self, simulator: Simulator) -> None:
        """Says what the server and the sites wrote to their error logs, where nobody could report, or nobody said why."""
        for name in ["server", *self._progress.sites]:
            said = simulator.errors_of(name)
            if said:
                self._say(EventType.ERROR, None if name == "server" else name, message=_cause(said), traceback=said)

    def _store_result(self, simulator: Simulator, models: list[Path]) -> None:
        result = {}
        for path in models:
            name = path.relative_to(simulator.out).as_posix() if path.is_relative_to(simulator.out) else path.name
            self._put_patiently(f"{self._record.prefix}/model_out/{name}", path)
            result[name] = {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        self._say(EventType.RESULT, files=result)

    def _put_patiently(self, key: str, path: Path) -> None:
        """Stores a file that must not be lost: a store that is away for a while is waited for; at last it is kept here."""
        until = time.monotonic() + _STORE_GRACE
        while True:
            try:
                return self._store.put_file(key, path)
            except StoreError as error:
                if time.monotonic() > until:
                    kept = shutil.copy(path, self._record.folder)
                    raise StoreError(f"{error.message} The model was kept in {kept}", error.hint) from None
            self._deliver()
            time.sleep(1)

    def _abort_asked(self) -> bool:
        return self._terminated or (self._record.folder / ABORT_FILE).exists()

    def _on_sigterm(self, *_: object) -> None:
        self._terminated = True

    def _say_state(self, state: RunState, reason: str = "") -> None:
        self._say(EventType.STATE, state=state.value, reason=reason)
        self._deliver()

    def _say(self, kind: EventType, site: str | None = None, number: int | None = None, **data: Any) -> None:
        self._emit(Event(time=time.time(), type=kind, site=site, round=number, data=data))

    def _emit(self, event: Event) -> None:
        self._unsent.append(event)
        self._progress.apply([event])

    def _deliver(self) -> None:
        """Appends what is new to the log, and shows a sign of life every few seconds; an unreachable store is tried again."""
        now = time.monotonic()
        try:
            if self._unsent:
                self._log.append(self._unsent)
                self._unsent = []
                self._beat = now
            elif now - self._beat > _HEARTBEAT:
                self._log.touch()
                self._beat = now
        except StoreError as error:
            print(f"the store did not take {len(self._unsent)} events: {error}", flush=True)

    def _deliver_all(self) -> None:
        """How a run ended must reach its log: a store that is away for a while is waited for."""
        until = time.monotonic() + _STORE_GRACE
        self._deliver()
        while self._unsent and time.monotonic() < until:
            time.sleep(1)
            self._deliver()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cause(log: str) -> str:
    """The first exception in an error log, which is the root of those that follow from it; else the first line."""
    found = _EXCEPTION.search(log)
    return found[0] if found else next((line.strip() for line in log.splitlines() if line.strip()), "")


def main(folder: str) -> None:
    """Carries out the run of a run folder."""
    record = RunRecord.model_validate_json((Path(folder) / "run.json").read_bytes())
    Runner(record, open_store(record.store, ResonTechConfig())).carry()


if __name__ == "__main__":
    main(sys.argv[1])
