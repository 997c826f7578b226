"""What the sites said last of themselves travels with a run's log."""

from __future__ import annotations

from reson_jupyter.backend.event_log import EventLogReader, EventLogWriter
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
