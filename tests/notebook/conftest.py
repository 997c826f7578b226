from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from reson_jupyter.backend.event_log import EventLogWriter
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.backend.store import DirectoryStore
from reson_jupyter.session import Session
from tests.backend.test_verdict import event, good_run


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A shell with the extension loaded, a session of its own, and nothing of the machine's user."""
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules["reson_jupyter.session"], "_current", Session())
    instance = InteractiveShell.instance()
    instance.run_line_magic("load_ext", "reson_jupyter")
    yield instance
    instance.reset()


@pytest.fixture
def finished(shell: InteractiveShell, tmp_path: Path) -> RunRecord:
    """A run that is over, as a submit from this machine leaves it."""
    store = DirectoryStore(tmp_path / "store")
    record = RunRecord.new("colours", "local", store.url)
    record.save()
    events = [*good_run(), event("state", state="finished", reason="")]
    EventLogWriter(store, record.prefix).append(events)
    store.put(f"{record.prefix}/files_out/logs/site-1.txt", b"hello from site-1\n")
    store.put(f"{record.prefix}/files_out/logs/server.txt", b"hello from the server\n")
    return record
