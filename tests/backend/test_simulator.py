"""What is decided of a simulator run before its processes start."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

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
