"""Real NVFlare runs in which the notebook asks the sites for something, and the validation of the final model."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.events import SiteTelemetry
from tests.patience import wait_for

from .job_folder import MODEL, Finished, JobParts, Simulation
from .requests import answers, put

pytestmark = pytest.mark.nvflare

LONG = """
def fl_validate(model, env, out_dir, logger=None):
    return {"val_bias": float(model.layer.bias.sum())}

def fl_train(model, env, out_dir, logger=None):
    print("round", env["CURRENT_ROUND"])
    if env["CURRENT_ROUND"] == 0:
        while not os.path.exists(GO_ON):
            logger.check_task_abort()
            logger.debug("a step")
            time.sleep(0.05)
    else:
        sum(range(250_000_000))  # in C, and no other thread of the process gets a turn
    model.layer.bias.data += 1
    return {"weights": model.state_dict(), "samples": 1}

def norm(params, env, logger):
    return [params, env["SITE_NAME"], env["CURRENT_ROUND"]]
"""


class Controlled:
    """A run of two rounds in which everything is asked for; what came of it."""

    def __init__(self, folder: Path) -> None:
        go_on = folder / "go_on"
        code = f"{MODEL}\nGO_ON = {str(go_on)!r}\n{LONG}"
        run = Simulation(folder, JobParts(code, "fl_train", "fl_validate", min_clients=1))
        while {event["site"] for event in run.events() if event["data"].get("phase") == "training"} != {"site-1", "site-2"}:
            run.wait_for("run_started")
        self.commands = answers(run.events, put(run.server, "command", command="norm", params=7), sites=2)
        self.level = answers(run.events, put(run.server, "log_level", ["site-1"], level="debug"))
        time.sleep(2.5)
        self.telemetry = json.loads((run.server / "telemetry.json").read_text())
        self.skip = answers(run.events, put(run.server, "skip", ["site-2"]))
        wait_for(lambda: [event for event in run.events() if event["data"].get("phase") == "skipped"])
        go_on.touch()
        while [event["round"] for event in run.events() if event["type"] == "round_started"][-1] != 1:
            run.wait_for("run_started")
        for _ in range(5):  # the site itself cannot say when it hangs
            time.sleep(0.4)
            os.kill(self.telemetry["sites"]["site-1"]["pid"], signal.SIGUSR1)
        self.finished = run.finish()
        self.stack = (folder / "ws" / "site-1" / "simulate_job" / "stack.txt").read_text()
        self.log = (folder / "ws" / "site-1" / "log.txt").read_text()


@pytest.fixture(scope="module")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> Controlled:
    return Controlled(tmp_path_factory.mktemp("controlled"))


def test_every_site_answers_a_command_while_it_trains(controlled: Controlled) -> None:
    assert {site: data["value"] for site, data in controlled.commands.items()} == {
        "site-1": [7, "site-1", 0],
        "site-2": [7, "site-2", 0],
    }


def test_debug_messages_come_from_the_site_whose_level_was_set(controlled: Controlled) -> None:
    assert controlled.level["site-1"]["value"] == "debug"
    debug = [event for event in controlled.finished.of("log") if event["data"]["level"] == "debug"]
    assert {event["site"] for event in debug} == {"site-1"}
    assert len(debug) > 5


def test_every_sites_telemetry_stands_beside_the_log(controlled: Controlled) -> None:
    assert sorted(controlled.telemetry["sites"]) == ["site-1", "site-2"]
    for entry in controlled.telemetry["sites"].values():
        said = SiteTelemetry(**entry)
        assert (said.task, said.round, said.place and said.place[0::2]) == ("train", 0, ("model_def.py", "fl_train"))
        assert said.memory > 10**8
    assert controlled.finished.of("telemetry") == []


def test_a_skipped_site_is_out_of_its_round_while_the_other_goes_on_and_in_the_next_one_again(controlled: Controlled) -> None:
    assert controlled.skip["site-2"]["ok"]
    finished = controlled.finished
    (skipped,) = [event for event in finished.of("site") if event["data"]["phase"] == "skipped"]
    assert (skipped["site"], skipped["round"]) == ("site-2", 0)
    assert [event["data"]["phase"] for event in finished.of("site") if event["data"]["phase"] == "aborted"] == []
    assert [sorted(event["data"]["sites"]) for event in finished.of("aggregated")] == [["site-1"], ["site-1", "site-2"]]
    assert finished.of("error", "lost") == []


def test_a_site_that_hangs_in_c_tells_where_by_its_stack(controlled: Controlled) -> None:
    assert [line for line in controlled.stack.splitlines() if "model_def.py" in line and line.endswith("in fl_train")]


def test_what_is_printed_stands_in_the_sites_log(controlled: Controlled) -> None:
    printed = [line.rsplit(" - ", 1)[-1] for line in controlled.log.splitlines() if " - user - " in line]
    assert [line for line in printed if line.startswith("round")] == ["round 0", "round 1"]


def of_round(finished: Finished, number: int) -> list[tuple[Any, ...]]:
    return sorted((event["site"], event["data"]["values"]) for event in finished.of("metrics") if event["round"] == number)


def test_the_final_model_is_validated_by_every_site_and_not_changed(controlled: Controlled) -> None:
    finished = controlled.finished
    (validated,) = finished.of("validated")
    assert (validated["round"], validated["data"]) == (2, {"sites": ["site-1", "site-2"]})
    metrics = [event for event in finished.of("metrics") if event["data"]["stage"] == "validate"]
    curve = [{event["data"]["values"]["val_bias"] for event in metrics if event["round"] == number} for number in range(3)]
    assert [len(values) for values in curve] == [1, 1, 1]
    first, second, last = (values.pop() for values in curve)
    assert second - first == pytest.approx(2, abs=1e-5)
    assert last - second == pytest.approx(2, abs=1e-5)
    saved = finished.of("saved")[-1]
    assert 0 <= validated["time"] - saved["time"] < 3
    assert finished.of("model")[-1]["round"] == 1
    assert finished.events[-1]["type"] == "run_ended"


FAILING = """
def fl_validate(model, env, out_dir, logger=None):
    if env["CURRENT_ROUND"] == env["NUM_ROUNDS"]:
        if env["SITE_NAME"] == "site-1":
            raise ValueError("no more data")
        os.kill(os.getpid(), 9)
    return {"val_loss": 1.0}

def fl_train(model, env, out_dir, logger=None):
    model.layer.bias.data += 1
    return {"weights": model.state_dict(), "samples": 1}
"""


def test_sites_that_fail_or_die_in_the_final_validation_do_not_hold_the_run_up(tmp_path: Path) -> None:
    run = Simulation(tmp_path, JobParts(MODEL + FAILING, "fl_train", "fl_validate", num_rounds=1))
    run.wait_for("run_ended")
    finished = run.stop()  # the simulator would wait for the dead process for ever
    (error,) = finished.of("error")
    assert (error["site"], error["round"], error["data"]["message"]) == ("site-1", 1, "ValueError: no more data")
    (saved,) = finished.of("saved")
    (validated,) = finished.of("validated")
    assert saved["data"]["final"] is True
    assert validated["data"] == {"sites": []}
    assert 5 < validated["time"] - saved["time"] < 15


def test_a_run_that_is_stopped_in_the_final_validation_ends_at_once(tmp_path: Path) -> None:
    slow = FAILING.replace(
        'if env["SITE_NAME"]', "while True:\n            logger.check_task_abort()\n        if env['SITE_NAME']"
    )
    run = Simulation(tmp_path, JobParts(MODEL + slow, "fl_train", "fl_validate", num_rounds=1))
    while len([event for event in run.events() if event["round"] == 1 and event["data"].get("phase") == "validating"]) < 2:
        run.wait_for("run_started")
    asked = time.time()
    (run.server / "STOP").touch()
    finished = run.finish()
    assert finished.of("validated", "error") == []
    assert sorted(event["site"] for event in finished.of("site") if event["data"]["phase"] == "aborted") == ["site-1", "site-2"]
    assert finished.events[-1]["type"] == "run_ended"
    assert finished.events[-1]["time"] - asked < 3
