"""The logs of a run: live while it goes on here, from its store afterwards, and every line once."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from reson_jupyter.errors import Detached, RunError
from tests.backend.staged import Staged, state

SERVER = b"2026-11-22 06:00:00,100 - server up\n2026-11-22 06:00:02,000 - round 1\n"
SITE_1 = b"2026-11-22 06:00:01,000 - training\n  caf\xc3\xa9\n2026-11-22 06:00:03,000 - half a li"


@pytest.fixture
def staged(tmp_path: Path) -> Staged:
    staged = Staged(tmp_path)
    staged.target.logs = {"server": SERVER, "site-1": SITE_1}
    return staged


def end(staged: Staged, more: bytes = b"") -> None:
    """What a runner does at the end: the logs go into the store, the work folder goes, the log is closed."""
    for name, content in staged.target.logs.items():
        staged.store.put(f"{staged.record.prefix}/files_out/logs/{name}.txt", content + more)
    staged.target.logs = {}
    staged.say(state("finished"))


def test_the_log_of_one_site_is_its_text(staged: Staged) -> None:
    run = staged.run()
    assert run.logs("site-1") == SITE_1.decode()
    assert run.logs("server") == SERVER.decode()
    assert run.logs("site-2") == "", "it has written nothing yet"


def test_all_logs_together_are_in_order_of_time_and_marked(staged: Staged) -> None:
    assert staged.run().logs().splitlines() == [
        "server | 2026-11-22 06:00:00,100 - server up",
        "site-1 | 2026-11-22 06:00:01,000 - training",
        "site-1 |   café",
        "server | 2026-11-22 06:00:02,000 - round 1",
        "site-1 | 2026-11-22 06:00:03,000 - half a li",
    ]


def test_afterwards_they_come_from_the_store(staged: Staged) -> None:
    run = staged.run()
    before = run.logs()
    end(staged)
    run.wait(10)
    assert run.logs() == before and run.logs("site-1") == SITE_1.decode()
    with pytest.raises(RunError, match="stored no log of site-2"):
        run.logs("site-2")


def test_in_the_moment_between_the_work_folder_and_the_end_they_come_from_the_store(staged: Staged) -> None:
    run = staged.run()
    staged.store.put(f"{staged.record.prefix}/files_out/logs/site-1.txt", SITE_1)
    staged.target.logs = {}
    assert run.logs("site-1") == SITE_1.decode()


def test_following_gives_every_line_once_and_ends_with_the_run(staged: Staged) -> None:
    lines = staged.run().logs("site-1", follow=True)
    first = [next(lines), next(lines)]
    assert first == ["2026-11-22 06:00:01,000 - training", "  café"], "a line that is not whole yet has to wait"
    staged.target.logs["site-1"] += b"ne\nanother\n\n"
    threading.Timer(0.5, end, [staged, b"the last"]).start()
    assert list(lines) == ["2026-11-22 06:00:03,000 - half a line", "another", "", "the last"]


def test_following_all_marks_the_lines(staged: Staged) -> None:
    run = staged.run()
    end(staged)
    run.wait(10)
    lines = list(run.logs(follow=True))
    assert lines[0] == "server | 2026-11-22 06:00:00,100 - server up" and len(lines) == 5


def test_an_interrupt_of_the_following_is_a_detach(staged: Staged, monkeypatch: pytest.MonkeyPatch) -> None:
    run = staged.run()

    def interrupted(timeout: float | None = None) -> bool:
        raise KeyboardInterrupt

    lines = run.logs("server", follow=True)
    next(lines)
    next(lines)
    with monkeypatch.context() as pressed:
        pressed.setattr(run._follower.over, "wait", interrupted)
        with pytest.raises(Detached, match=r"the run goes on"):
            next(lines)
    assert run.logs("server") == SERVER.decode()


def test_what_there_is_not_is_refused_at_once(staged: Staged) -> None:
    with pytest.raises(RunError, match=r"no site 'site-7'\n  There are: server, site-1, site-2"):
        staged.run().logs("site-7", follow=True)
    staged.target.carried = None
    staged.target.logs = {}
    with pytest.raises(RunError, match="goes on elsewhere"):
        staged.run().logs()


def test_a_big_log_is_not_read_again_and_again(staged: Staged) -> None:
    staged.target.logs["site-1"] = b"x" * 99 + b"\n"
    asked: list[int] = []
    read = staged.target.read_log

    def counted(*arguments: object) -> bytes | None:
        asked.append(arguments[2])  # type: ignore[arg-type]
        return read(*arguments)  # type: ignore[arg-type]

    staged.target.read_log = counted  # type: ignore[method-assign]
    lines = staged.run().logs("site-1", follow=True)
    next(lines)
    threading.Timer(0.5, end, [staged]).start()
    time.sleep(0)
    assert list(lines) == [] and set(asked) == {0, 100}
