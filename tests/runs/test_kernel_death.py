"""A run outlives the kernel that submitted it."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

import reson_jupyter as reson
from tests.faults import faulty
from tests.patience import wait_for
from tests.runs.conftest import processes_of
from tests.runs.models import Line

pytestmark = pytest.mark.nvflare

MODEL = """%%reson_model
import time
import torch
from torch import nn

class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.rounds = nn.Parameter(torch.zeros(1))

def fl_train(model, env, out_dir, logger=None):
    time.sleep(0.5)
    return {"weights": {"rounds": model.rounds + 1}, "samples": 1}
"""


def test_the_kernel_is_killed_after_round_2_and_a_new_one_sees_the_run_from_its_first_event_to_its_end(
    home: Path, plain_shards: Path
) -> None:
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        for cell in (
            "%load_ext reson_jupyter",
            MODEL,
            "%reson config num_rounds=6",
            f"run = %reson submit --name counter --shards {plain_shards} --no-check",
            "import time\nwhile run.progress.rounds_done < 2: time.sleep(0.1)",
        ):
            reply = client.execute_interactive(cell, timeout=60, output_hook=lambda _: None)["content"]
            assert reply["status"] == "ok", reply
        pid = manager.provisioner.pid
        os.kill(pid, signal.SIGKILL)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    (record,) = (home / "runs").iterdir()
    run = reson.attach(record.name)
    wait_for(lambda: bool(run.events()))
    assert not run.state.done, "the run must still be under way for this test to tell anything"
    run.wait(120)
    assert run.state == reson.RunState.FINISHED
    assert run.events()[0].type == "submitted" and [event.seq for event in run.events()] == list(range(len(run.events())))
    # The class of the killed kernel is gone; the model comes from the source that was shipped.
    assert run.model().state_dict()["rounds"].item() == 6


def test_a_run_whose_carrier_died_is_lost_with_all_that_is_known_of_it(home: Path, plain_shards: Path) -> None:
    run = reson.submit(
        Line,
        train=faulty.fl_train,
        name="slow",
        shards_dir=plain_shards,
        check=False,
        training=reson.TrainingConfig(fault="hears of no stop", at_round=1),  # type: ignore[call-arg]
    )
    wait_for(lambda: any(metric["name"] == "before" for metric in run.metrics))
    assert list(Path(tempfile.gettempdir()).glob(f"reson-{run.id[-12:]}-*"))
    (runner,) = (process for process in processes_of(run) if "reson_jupyter.backend.runner.carry" in process.cmdline())
    runner.kill()
    with pytest.raises(reson.RunFailed, match="lost"):
        run.wait(30)
    wait_for(lambda: processes_of(run) == [])
    assert not list(Path(tempfile.gettempdir()).glob(f"reson-{run.id[-12:]}-*"))
    again = reson.attach(run.id)
    assert again.state == reson.RunState.LOST and "ended without saying how" in again.reason
    assert again.events()[: len(run.events())] == run.events() and again.progress.rounds_done == 1
    with pytest.warns(UserWarning, match="weights of the last round"):
        assert again.model().state_dict()["weight"][0] == 2.0
    assert {"site-1.txt", "server.txt"} <= {path.name for path in run.download(home / "got") if path.parent.name == "logs"}
