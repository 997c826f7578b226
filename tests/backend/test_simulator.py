"""What is decided of a simulator run before its processes start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from reson_jupyter.backend.carrying.storing import storable_models
from reson_jupyter.backend.runner.processes import RunProcesses, kill, runs
from reson_jupyter.backend.runner.remains import WorkFolder
from reson_jupyter.backend.runner.simulator import Simulator


def free(monkeypatch: pytest.MonkeyPatch, gigabytes: float) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=gigabytes * 1e9))


@pytest.mark.parametrize(("gigabytes", "threads"), [(100, 3), (1.5, 2), (0.1, 1)])
def test_as_many_sites_run_at_once_as_the_memory_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gigabytes: float, threads: int
) -> None:
    free(monkeypatch, gigabytes)
    assert Simulator(WorkFolder(tmp_path), 3).threads == threads


def test_that_is_decided_before_the_sites_take_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 100)
    simulator = Simulator(WorkFolder(tmp_path), 3)
    free(monkeypatch, 0.1)
    assert simulator.threads == 3


def test_a_model_that_was_being_written_when_its_server_died_is_no_result(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path)
    work.out.mkdir()
    (work.out / "GLOBAL_MODEL.pt.tmp").write_bytes(b"half")
    assert work.models() == []
    (work.out / "GLOBAL_MODEL.pt").write_bytes(b"whole")
    assert [path.name for path in work.models()] == ["GLOBAL_MODEL.pt"]


_LEAVES_ONE_BEHIND = """
import subprocess, sys, time
site = "import subprocess, time; print(subprocess.Popen(['sleep', '77'], env={}).pid, flush=True); time.sleep(77)"
subprocess.Popen([sys.executable, "-c", site])
time.sleep(77)
"""


def test_what_a_site_started_is_kept_in_sight_when_its_parent_has_gone_and_it_has_an_environment_of_its_own() -> None:
    with subprocess.Popen([sys.executable, "-c", _LEAVES_ONE_BEHIND], stdout=subprocess.PIPE, text=True) as main:
        assert main.stdout is not None
        stray = psutil.Process(int(main.stdout.readline()))
        processes = RunProcesses(main.pid)
        processes.look()
        site = stray.parent()
        assert site is not None and site.pid != main.pid
        site.kill()
        main.kill()
        main.wait()
        processes.look()
        assert processes.all == [] and stray in processes.seen
        kill(processes.seen, 5)
        assert processes.seen == [] and not runs(stray)


def test_a_model_file_that_no_store_can_hold_is_left_out_with_a_warning(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path)
    work.out.mkdir()
    for name in ("GLOBAL_MODEL.pt", "a\\b.pt", "e\u0301.pt", "\udc80.pt"):
        (work.out / name).touch()
    models, warnings = storable_models(work.models(), work.out, "jobs/r")
    assert models == {"jobs/r/model_out/GLOBAL_MODEL.pt": work.out / "GLOBAL_MODEL.pt"}
    assert [event.data["level"] for event in warnings] == ["warning"] * 3
    assert "backslash" in warnings[0].data["message"] and "normal form C" in warnings[1].data["message"]
