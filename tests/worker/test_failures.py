"""Real NVFlare runs in which something goes wrong: the reporter's file tells what, where and when."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .job_folder import MODEL, JobParts, Simulation

pytestmark = pytest.mark.nvflare

RAISING = """
def load_images():
    raise OSError(f"no such folder at {time.time()}")

def fl_train(model, env, out_dir, logger=None):
    if env["SITE_NAME"] == "site-2" and env["CURRENT_ROUND"] == 1:
        load_images()
    model.layer.bias.data += 1
    return {"weights": model.state_dict(), "samples": 1}
"""

ENDLESS = """
def fl_train(model, env, out_dir, logger=None):
    while True:
        logger.check_task_abort()
        logger.log_metric("tick", 1)
        time.sleep(0.02)
"""


def test_a_site_that_raises_is_told_with_its_traceback_within_two_seconds_and_ends_the_run(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path, JobParts(MODEL + RAISING, "fl_train"))
    error = simulation.wait_for("error")
    raised = float(error["data"]["message"].split()[-1])
    assert time.time() - raised < 2
    assert (error["site"], error["round"]) == ("site-2", 1)
    assert error["data"]["message"].startswith("OSError: no such folder at ")
    assert 'in load_images\n    raise OSError(f"no such folder' in error["data"]["traceback"]
    finished = simulation.finish()
    assert [event["site"] for event in finished.of("error")] == ["site-2"]
    assert [event["round"] for event in finished.of("aggregated")] == [0]
    assert finished.events[-1]["type"] == "run_ended"
    assert finished.of("lost") == []


def test_a_file_named_stop_ends_the_run_and_both_sites_say_so(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path, JobParts(MODEL + ENDLESS, "fl_train"))
    while len({event["site"] for event in simulation.events() if event["type"] == "metrics"}) < 2:
        simulation.wait_for("metrics")
    asked = time.time()
    (simulation.server / "STOP").touch()
    finished = simulation.finish()
    assert "The run was asked to stop." in [event["data"]["message"] for event in finished.of("log")]
    aborted = {event["site"]: event["time"] - asked for event in finished.of("site") if event["data"]["phase"] == "aborted"}
    assert set(aborted) == {"site-1", "site-2"}
    assert max(aborted.values()) < 2
    assert finished.of("error", "lost", "aggregated") == []
    assert finished.events[-1]["type"] == "run_ended"


def test_a_model_that_cannot_be_saved_fails_the_run(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path, JobParts(MODEL + RAISING.replace("site-2", "nobody"), "fl_train"))
    (tmp_path / "out").rmdir()
    (tmp_path / "out").write_text("a file where the folder should be")
    finished = simulation.finish()
    error = finished.of("error")[0]
    assert error["data"]["message"].startswith("the global model cannot be saved: FileExistsError")
    assert "Traceback" in error["data"]["traceback"]
    assert [event["round"] for event in finished.of("aggregated")] == [0]
    assert finished.of("saved") == []
    assert finished.events[-1]["type"] == "run_ended"
