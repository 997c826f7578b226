"""What this machine remembers of its runs, whatever happens to the file."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from reson_jupyter.backend.history import file, history
from reson_jupyter.backend.history.history import RunSummary
from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.errors import ResonError
from reson_jupyter.events import Event, RunState
from tests.backend.test_verdict import event, good_run
from tests.patience import cpu_seconds


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RESON_STORE", raising=False)
    return tmp_path / "home"


def new_record(name: str = "digits", store: str = "file:///nowhere") -> RunRecord:
    return RunRecord.new(name, "local", store)


def progress(*events: Event) -> RunProgress:
    folded = RunProgress()
    folded.apply(events)
    return folded


def state(value: str, reason: str = "") -> Event:
    return event("state", state=value, reason=reason)


def known(run_id: str) -> RunSummary:
    (found,) = (summary for summary in history.load() if summary.id == run_id)
    return found


def test_a_run_is_remembered_as_far_as_it_is() -> None:
    record = new_record()
    history.add(record, progress(*good_run()[:1], state("running")))
    assert (known(record.id).state, known(record.id).rounds_done) == (RunState.RUNNING, 0)
    history.update(record, progress(*good_run(), state("failed", "No disk.")))
    assert known(record.id) == RunSummary(
        **record.model_dump(), state=RunState.FAILED, reason="No disk.", ended=1.0, rounds_done=2, num_rounds=2, sites=2
    )
    assert known(record.id).record == record


def test_the_newest_run_comes_first() -> None:
    records = [RunRecord(id=f"r-{number}", name="n", target="local", store="s", created=number) for number in (2, 3, 1)]
    for record in records:
        history.add(record, progress())
    assert [summary.created for summary in history.load()] == [3.0, 2.0, 1.0]


def test_a_run_that_is_over_stays_over_whatever_a_kernel_says_that_is_late() -> None:
    record = new_record()
    history.add(record, progress(*good_run(), state("finished")))
    for late in ("running", "lost"):
        history.update(record, progress(state(late)))
        assert known(record.id).state is RunState.FINISHED


def test_a_run_that_seemed_lost_may_prove_to_have_finished() -> None:
    record = new_record()
    history.add(record, progress(state("lost")))
    history.update(record, progress(state("running")))
    assert known(record.id).state is RunState.LOST
    history.update(record, progress(*good_run(), state("finished")))
    assert known(record.id).state is RunState.FINISHED


def test_a_run_that_is_forgotten_stays_forgotten() -> None:
    record = new_record()
    history.add(record, progress())
    history.forget(record.id)
    history.forget("nobody-knows-me")
    history.update(record, progress(state("lost")))  # of a kernel that followed the run
    assert history.load() == [] and history.find(record.id) is None


_WRITER = """
import sys
from functools import partial
from reson_jupyter.backend.history import history
from reson_jupyter.backend.record import RunRecord
from tests.backend.test_history import progress, state

# On a slow machine the turn of one may come later than anybody waits for, and what it said last would be missing.
history._ADDED, history._write = 100.0, partial(history._write, wait=100.0)
sys.stdin.readline()
for each in range(25):
    record = RunRecord(id=f"run-{sys.argv[1]}-{each}", name="n", target="local", store="s", created=each)
    history.add(record, progress())
    for value in ("running", "finished"):
        history.update(record, progress(state(value)))
"""


def test_several_processes_begin_and_write_the_file_at_once_and_nothing_is_lost() -> None:
    command = [sys.executable, "-c", _WRITER]
    writers = [subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, stderr=subprocess.PIPE) for number in range(4)]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    assert b"".join(writer.communicate(timeout=200)[1] for writer in writers) == b""
    assert len(history.load()) == 100 and {summary.state for summary in history.load()} == {RunState.FINISHED}


def test_a_kernel_that_follows_a_run_is_told_nothing_and_waits_little_while_another_holds_the_file(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.add(new_record(), progress())
    late = new_record()
    with held_by_another():
        with monkeypatch.context() as patch:
            waits: list[float] = []
            connect = sqlite3.connect
            patch.setattr(sqlite3, "connect", lambda *args, **kw: (waits.append(kw["timeout"]), connect(*args, **kw))[1])
            history.add(late, progress())
        assert waits == [1.0], "seconds; an update waits for three"
        assert "locked" in caplog.text
        assert len(history.load(wait=0.0)) == 1  # who only reads waits for nobody
    history.update(late, progress(state("running")))
    assert known(late.id).state is RunState.RUNNING


def test_a_run_that_was_added_late_and_forgotten_stays_forgotten() -> None:
    history.add(new_record(), progress())
    late = new_record()
    with held_by_another():
        history.add(late, progress())
    history.forget(late.id)
    history.update(late, progress(state("running")))
    assert history.find(late.id) is None


@contextmanager
def held_by_another() -> Iterator[None]:
    """While another process writes to the file."""
    with closing(sqlite3.connect(file.path(), isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        yield


def garble(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 100)


def cut(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [garble, cut])
def test_a_damaged_file_is_set_aside_and_begun_anew_from_the_folders_of_the_runs(
    damage: Callable[[Path], None], home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept, gone = new_record("kept"), new_record("gone")
    kept.save()
    for record in (kept, gone):
        history.add(record, progress(*good_run(), state("finished")))
    damage(file.path())
    another = new_record("another")
    history.add(another, progress())
    assert {summary.id for summary in history.load()} == {kept.id, another.id}
    (aside,) = home.glob("history.sqlite.damaged-*")
    assert str(aside) in caplog.text


def test_a_file_of_a_newer_version_is_left_alone_and_harms_no_run(caplog: pytest.LogCaptureFixture) -> None:
    history.add(new_record(), progress())
    with sqlite3.connect(file.path()) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = file.path().read_bytes()
    history.add(new_record(), progress())
    assert "newer version" in caplog.text
    with pytest.raises(ResonError, match="newer version of reson_jupyter") as caught:
        history.load()
    assert "pip install -U" in str(caught.value)
    assert file.path().read_bytes() == before


def test_a_file_that_cannot_be_written_is_told_in_words_to_who_asks_and_harms_no_run(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home.mkdir()
    file.path().mkdir()  # root may write anything but a folder
    history.add(new_record(), progress())
    assert "history misses" in caplog.text
    with pytest.raises(ResonError, match="cannot be used"):
        history.load()


@pytest.mark.parametrize(
    ("kind", "mode"), [("ext4", "wal"), ("overlay", "wal"), ("nfs4", "delete"), ("cifs", "delete"), ("fuse.sshfs", "delete")]
)
def test_a_write_ahead_log_is_used_only_where_all_writers_are_on_one_machine(
    kind: str, mode: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir()
    disks = [SimpleNamespace(mountpoint="/", fstype="ext4"), SimpleNamespace(mountpoint=str(home), fstype=kind)]
    monkeypatch.setattr(file.psutil, "disk_partitions", lambda all: disks)
    history.add(new_record(), progress())
    assert len(history.load()) == 1
    connection = sqlite3.connect(file.path())
    assert connection.execute("PRAGMA journal_mode").fetchone() == (mode,)
    connection.close()


def test_an_update_is_cheap() -> None:
    record, folded = new_record(), progress(*good_run())
    history.add(record, folded)
    assert cpu_seconds(lambda: history.update(record, folded), 20) < 0.05


@pytest.mark.parametrize("odd", ["state = 'asleep'", "created = 9e999", "ended = -1e300", "rounds_done = 'many'", "id = '../x'"])
def test_a_row_that_cannot_be_read_hides_no_other(odd: str, caplog: pytest.LogCaptureFixture) -> None:
    good, bad = new_record(), new_record("bad")
    for record in (good, bad):
        history.add(record, progress())
    with closing(sqlite3.connect(file.path())) as connection, connection:
        connection.execute(f"UPDATE runs SET {odd} WHERE id = ?", (bad.id,))
    assert [summary.id for summary in history.load()] == [good.id]
    assert "cannot be read, which is left out" in caplog.text


@pytest.mark.parametrize("change", ["ADD COLUMN colour TEXT", "DROP COLUMN sites", "RENAME TO walks"])
def test_a_table_that_is_another_is_refused_in_words(change: str) -> None:
    history.add(new_record(), progress())
    with closing(sqlite3.connect(file.path())) as connection, connection:
        connection.execute(f"ALTER TABLE runs {change}")
    with pytest.raises(ResonError, match=r"the history .* cannot be used: .*(other columns|no such table)"):
        history.load()
