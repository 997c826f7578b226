"""What it costs to follow a run in an S3 store over http: requests and bytes, headers included, counted on the wire.

A run of 3 sites with their telemetry, 4 events a segment, at 10 and at 10,000 events: a reader that keeps up, beside one that
reads the whole log (as one object) each time; one that joins late, of the log as it is and of one that was never packed; and how
often a quiet run is looked at, beside a fixed interval.
"""

from __future__ import annotations

import itertools
import os
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from reson_jupyter.backend.event_log import EventLogReader, EventLogWriter, packs
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.backend.run.follow import Follower
from reson_jupyter.backend.store import DirectoryStore, Store, open_store
from reson_jupyter.config import ResonTechConfig
from reson_jupyter.events import Event, SiteTelemetry
from tests.servers import s3_server

SITES = ("site-1", "site-2", "site-3")
FEW, MANY = 10, 10_000
A_SEGMENT = 4
POLLS = 25
LATE = 3
POLL_GOAL = 2_000
FASTEST, MINUTES, HEARTBEAT = 0.25, 10, 2.5
_random = random.Random(7)


class Wire:
    """Passes connections on to an http server and counts what goes through."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests = self.up = self.down = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cost(self, action: Callable[[], object]) -> tuple[int, int, int]:
        """Returns the requests, and the bytes up and down, that `action` takes."""
        before = self.requests, self.up, self.down
        action()
        now = self.requests, self.up, self.down
        return tuple(after - earlier for after, earlier in zip(now, before, strict=True))

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(self._server)
            for source, sink, count in ((client, server, self._count_up), (server, client, self._count_down)):
                threading.Thread(target=_pump, args=(source, sink, count), daemon=True).start()

    def _count_up(self, data: bytes) -> None:
        self.requests += data.count(b" HTTP/1.1\r\n")
        self.up += len(data)

    def _count_down(self, data: bytes) -> None:
        self.down += len(data)


def _pump(source: socket.socket, sink: socket.socket, count: Callable[[bytes], None]) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            count(data)  # before it goes on: whoever has it counts with its being counted
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def events(number: int) -> list[Event]:
    """What the three sites say at one moment: a phase, and their metrics after a step."""
    common = {"time": 1_795_311_801 + number * 0.25 + _random.random() / 10, "round": number // 100}
    values = ({"train_loss": _random.random(), "train_accuracy": _random.random()} for _ in SITES)
    metrics = ({"step": number, "values": value, "stage": "train"} for value in values)
    said = [Event(type="metrics", site=site, data=data, **common) for site, data in zip(SITES, metrics, strict=True)]
    return [Event(type="site", site=SITES[number % 3], data={"phase": "training"}, **common), *said]


def telemetry(beat: int) -> dict[str, SiteTelemetry]:
    place = ("model_def.py", 41, "fl_train")
    return {
        site: SiteTelemetry(
            time=1_795_311_801.25 + beat, beat=beat, pid=40_123, memory=734_003_200 + beat * 4_096,
            cpu=round(_random.uniform(90, 110), 1), task="train", round=beat // 100, place=place,
        ) for site in SITES
    }  # fmt: skip


def write(store: Store, prefix: str, count: int) -> None:
    """Writes a run's log of that many events."""
    writer = EventLogWriter(store, prefix)
    for number in itertools.count():
        writer.sites = telemetry(number)
        left = count - writer.seq
        if not left:
            break
        writer.append(events(number)[:left])


def filled(store: Store, prefix: str, count: int, *, packed: bool = True) -> None:
    """Puts a log into the store as a writer leaves it; it is written on this machine, or filling would take minutes."""
    with tempfile.TemporaryDirectory() as folder:
        local = DirectoryStore(Path(folder))
        levels, packs.LEVELS = packs.LEVELS, packs.LEVELS if packed else 0
        try:
            write(local, prefix, count)
        finally:
            packs.LEVELS = levels
        keys = [info.key for info in local.list(prefix)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: store.put(key, local.get(key)), keys))


def polls(wire: Wire, near: Store, far: Store, count: int) -> tuple[float, float]:
    """Prints what a poll costs at a run's `count` events; returns the bytes down of ours and of one of the whole log."""
    prefix = f"jobs/bench-{count}"
    filled(near, prefix, count)
    writer, reader = EventLogWriter(near, prefix), EventLogReader(far, prefix)
    whole = "".join(f"{event.model_dump_json()}\n" for event in reader.read()).encode()
    news, quiet, everything = [], [], []
    for number in range(count, count + POLLS):
        writer.sites = telemetry(number)
        more = events(number)
        writer.append(more)
        news.append(wire.cost(lambda expected=more: check([event.data for event in reader.read()] == [e.data for e in expected])))
        quiet.append(wire.cost(lambda: check(reader.read() == [])))
        whole += "".join(f"{event.model_dump_json()}\n" for event in more).encode()
        near.put(f"{prefix}/whole.ndjson", whole)
        everything.append(wire.cost(lambda: far.get(f"{prefix}/whole.ndjson")))
    for name, costs in (("with news", news), ("without news", quiet), ("the whole log each time", everything)):
        requests, up, down = (statistics.median(column) for column in zip(*costs, strict=True))
        greatest = max(cost[2] for cost in costs)
        goal = f" (goal: 1 request, <= {POLL_GOAL:,} B down)" if costs is not everything else ""
        print(f"  {name:24} {requests:3.0f} requests, {down:9,.0f} B down (at most {greatest:,}), {up:,.0f} B up{goal}")
    return statistics.median(cost[2] for cost in news), statistics.median(cost[2] for cost in everything)


def late(wire: Wire, near: Store, far: Store) -> None:
    """Prints what it costs to join a long run late, packed and not."""
    prefixes = {"packed": "jobs/late-packed", "never packed": "jobs/late-plain"}
    for name, prefix in prefixes.items():
        filled(near, prefix, MANY, packed=name == "packed")
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in prefixes}
    for _ in range(LATE):
        for name, prefix in prefixes.items():
            started = time.monotonic()
            cost = wire.cost(lambda prefix=prefix: check(len(EventLogReader(far, prefix).read()) == MANY))
            found[name].append((time.monotonic() - started, *cost))
    medians = {name: [statistics.median(column) for column in zip(*costs, strict=True)] for name, costs in found.items()}
    for name, (seconds, requests, up, down) in medians.items():
        objects = sum(1 for _ in near.list(prefixes[name]))
        print(f"  {name:24} {requests:5,.0f} requests, {up + down:9,.0f} B, {seconds:6.2f} s; {objects:,} objects")
    packed, plain = medians["packed"], medians["never packed"]
    print(f"  never packed / packed    {plain[1] / packed[1]:.0f}x requests, {plain[0] / packed[0]:.0f}x seconds")


class Carried:
    """A target whose runs go on."""

    def is_carried(self, record: RunRecord) -> bool:
        return True


def interval(folder: Path) -> None:
    """Prints how often a run is looked at in which nothing happens but the signs of life of its sites."""
    store = DirectoryStore(folder)
    record = RunRecord.new("bench", "local", store.url)
    write(store, record.prefix, FEW)
    writer = EventLogWriter(store, record.prefix)
    follower = Follower(record, store, Carried())
    looks = list(looked_at(follower, writer))
    fixed = MINUTES * 60 / FASTEST
    print(f"  adaptive                 {len(looks) / MINUTES:5.0f} polls a minute, at most {max(looks):.2f} s apart")
    print(f"  every {FASTEST} s             {fixed / MINUTES:5.0f} polls a minute, {fixed / len(looks):.1f}x")


def looked_at(follower: Follower, writer: EventLogWriter) -> Iterator[float]:
    """Yields the pauses between the looks, without waiting for them."""
    now, beat = 0.0, 0
    while now < MINUTES * 60:
        if now // HEARTBEAT > beat:
            beat = int(now // HEARTBEAT)
            writer.sites = telemetry(beat)
            writer.touch()
        pause = follower.look()
        check(pause is not None)
        yield pause
        now += pause


def check(holds: bool) -> None:
    if not holds:
        raise AssertionError("the reader did not get what was written")


def main() -> None:
    """Measures all of it and prints the comparison."""
    with s3_server() as server, tempfile.TemporaryDirectory() as folder:
        os.environ.update(server.environment, RESON_HOME=str(Path(folder, "home")))
        wire = Wire(server.url)
        near = open_store(f"s3://{server.bucket}", ResonTechConfig())
        far = open_store(f"s3://{server.bucket}", ResonTechConfig(s3_endpoint=wire.url))
        for count in (FEW, MANY):
            print(f"a poll at {count:,} events, 3 sites:")
            ours, whole = polls(wire, near, far, count)
            print(f"  the whole log / ours     {whole / ours:.1f}x bytes down")
        print(f"joining a run late, {MANY:,} events:")
        late(wire, near, far)
        print("a run in which nothing happens:")
        interval(Path(folder, "store"))


if __name__ == "__main__":
    main()
