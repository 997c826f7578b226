"""A log that somebody damaged, or a newer version wrote, is told in one line or shown as far as it is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from reson_jupyter.backend.event_log import EventLogReader, EventLogWriter, latest_key, segment_key
from reson_jupyter.backend.store import DirectoryStore
from reson_jupyter.errors import StoreError
from reson_jupyter.events import EventType
from tests.store.test_event_log import PREFIX, log


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"seq": -1}', b'{"seq": "x"}', b'{"state": "nap"}', b'{"tail": [3]}', b"\xff", b"[" * 100_000],
)
def test_a_damaged_latest_is_a_store_error(store: DirectoryStore, content: bytes) -> None:
    store.put(latest_key(PREFIX), content)
    with pytest.raises(StoreError, match=r"latest\.json"):
        EventLogReader(store, PREFIX).read()
    with pytest.raises(StoreError, match=r"latest\.json"):
        EventLogWriter(store, PREFIX)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"seq": 0}', b'{"seq": 5, "time": 1, "type": "log"}', b"\xff"])
def test_a_damaged_segment_is_a_store_error(store: DirectoryStore, content: bytes) -> None:
    store.put(segment_key(PREFIX, 0), content)
    store.put(latest_key(PREFIX), b'{"state": "running", "seq": 1, "segments": 1, "time": 1, "tail": []}')
    with pytest.raises(StoreError):
        EventLogReader(store, PREFIX).read()


def test_a_type_of_event_of_a_newer_version_is_shown_as_a_log_line_in_its_place(store: DirectoryStore) -> None:
    newer = '{"seq": 0, "time": 1.0, "type": "hologram", "site": "site-1", "shiny": 1, "data": {"depth": 3}}\n'
    store.put(segment_key(PREFIX, 0), newer.encode())
    writer = EventLogWriter(store, PREFIX)
    writer.append([log("after")])
    events = EventLogReader(store, PREFIX).read()
    assert [(event.seq, event.type) for event in events] == [(0, EventType.LOG), (1, EventType.LOG)]
    assert "hologram" in events[0].data["message"]
    assert events[0].data["depth"] == 3
    assert events[0].site == "site-1"
