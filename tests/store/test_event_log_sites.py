"""What the sites said last of themselves travels with a run's log."""

from __future__ import annotations

from reson_jupyter.backend.event_log import EventLogReader, EventLogWriter, latest_key
from reson_jupyter.backend.event_log.writer import LATEST_BYTES, LEAST_TAIL_BYTES
from reson_jupyter.backend.store import Store
from reson_jupyter.events import SiteTelemetry
from tests.store.test_event_log import PREFIX, log


def test_the_sites_newest_signs_of_life_come_along_and_are_no_events(any_store: Store) -> None:
    writer, reader = EventLogWriter(any_store, PREFIX), EventLogReader(any_store, PREFIX)
    assert reader.sites == {}
    told = SiteTelemetry(time=1.0, beat=3, pid=7, memory=8, cpu=9.5, task="train", round=1, place=("model_def.py", 3, "fl_train"))
    writer.sites = {"site-1": told}
    writer.append([log()])
    assert len(reader.read()) == 1 and reader.sites == {"site-1": told}
    writer.sites = {"site-1": told.model_copy(update={"beat": 4, "place": None})}
    writer.touch()
    assert reader.read() == [] and (reader.sites["site-1"].beat, reader.sites["site-1"].place) == (4, None)
    assert EventLogReader(any_store, PREFIX).sites == {}, "nothing is known before the first look"


def telemetry(number: int) -> SiteTelemetry:
    place = ("model_def.py", 123, "fl_train")
    return SiteTelemetry(
        time=1795311801.123456, beat=number, pid=12345, memory=734003200, cpu=98.76543210123, task="train", round=12, place=place
    )


def test_three_sites_leave_room_for_what_happens_between_two_polls(any_store: Store) -> None:
    writer = EventLogWriter(any_store, PREFIX)
    writer.sites = {f"site-{number}": telemetry(number) for number in (1, 2, 3)}
    writer.append([log("x" * 100)] * 50)
    latest = any_store.get(latest_key(PREFIX))
    assert len(latest) <= LATEST_BYTES
    assert latest.count(b'"seq"') - 1 >= 4


def test_however_many_sites_there_are_a_reader_that_keeps_up_needs_no_segments(any_store: Store) -> None:
    writer = EventLogWriter(any_store, PREFIX)
    writer.sites = {f"hospital-{number}": telemetry(number) for number in range(50)}
    reader = EventLogReader(any_store, PREFIX)
    for _ in range(3):
        writer.append([log("x" * (LEAST_TAIL_BYTES // 2 - 100))] * 2)
        assert len(reader.read()) == 2 and len(reader.sites) == 50
    assert any_store.get(latest_key(PREFIX)).count(b'"message"') == 2
