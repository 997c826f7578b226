"""Real NVFlare runs of the user's train functions: two sites, two rounds, the weights of plain federated averaging."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from .fedavg import LR, SITES, Weights, assert_complete, difference, fedavg, final_weights, module_of
from .job_folder import Finished, JobParts, run
from .sources import PAYLOAD_MODEL, Silent

pytestmark = [pytest.mark.nvflare, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def payload_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Finished, Weights]:
    folder = tmp_path_factory.mktemp("payload")
    torch.manual_seed(11)
    initial = module_of(PAYLOAD_MODEL).Net(5).state_dict()
    torch.save({"state_dict": initial}, folder / "warm.pt")
    parts = JobParts(PAYLOAD_MODEL, "fl_train_model", model_args={"width": 5}, checkpoint=folder / "warm.pt")
    parts.training = {"weight_decay": 0.5}
    return run(folder, parts), initial


def test_fl_train_model_with_a_payload_trains_on_from_a_checkpoint(payload_run: tuple[Finished, Weights]) -> None:
    finished, initial = payload_run
    assert_complete(finished)
    module = module_of(PAYLOAD_MODEL)

    def train(site: str, round_: int, weights: Weights) -> tuple[Weights, int]:
        env = {"SITE_NAME": site, "learning_rate": LR, "weight_decay": 0.5}
        result = module.fl_train_model({"env": env, "dataset": {}, "initial_weights": weights}, Silent())
        return result["state_dict"], result["num_samples"]

    assert difference(final_weights(finished), fedavg(initial, train)) <= 1e-6
    samples = {event["site"]: event["data"]["samples"] for event in finished.of("contribution")}
    assert samples == {"site-1": 20.0, "site-2": 36.0}


def test_the_logger_of_a_payload_function_takes_text_and_dicts(payload_run: tuple[Finished, Weights]) -> None:
    logs = [event["data"] for event in payload_run[0].of("log") if event["site"] == "site-1" and event["round"] == 0]
    assert logs[0] == {"level": "warning", "message": "careful"}
    assert logs[1] == {"level": "info", "message": "['dataset', 'env', 'initial_weights'] ['data_root'] 0.5"}


MODEL_AND_ENV = """
import os
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.first = nn.Linear(4, 8)
        self.norm = nn.BatchNorm1d(8)
        self.middle = nn.Linear(8, 8).to(torch.bfloat16)
        self.last = nn.Linear(8, 2)

    def forward(self, x):
        x = self.norm(self.first(x)).to(torch.bfloat16)
        return self.last(torch.relu(self.middle(x)).float())

def data(site):
    random = torch.Generator().manual_seed(int(site[-1]))
    count = {"site-1": 20, "site-2": 36}[site]
    return torch.randn(count, 4, generator=random), torch.randint(2, (count,), generator=random)

def fl_validate(model, env, out_dir, logger=None):
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)  # must not reach the model that is trained
    x, y = data(env["SITE_NAME"])
    return {"val_loss": nn.functional.cross_entropy(model(x), y), "note": "not a number"}

def fl_train(model, env, out_dir, logger=None):
    x, y = data(env["SITE_NAME"])
    optimizer = torch.optim.SGD(model.parameters(), lr=env["LR"])
    for step in range(3 + env["CURRENT_ROUND"]):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    for step in range(2000):
        logger.log_metric("flood", step, step=step)
    logger.log_attributes({"dtype": model.middle.weight.dtype, "keys": sorted(env), "folder": os.path.isdir(out_dir)})
    with open(os.path.join(env["STATE_DIR"], "rounds"), "a") as file:
        file.write("x")
    return {
        "weights": model.state_dict(),
        "samples": len(x),
        "loss": loss.item(),
        "rounds_seen": os.path.getsize(os.path.join(env["STATE_DIR"], "rounds")),
        "broken": float("nan"),
        "flag": True,
    }
"""


@pytest.fixture(scope="module")
def env_run(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return run(tmp_path_factory.mktemp("env"), JobParts(MODEL_AND_ENV, "fl_train", "fl_validate"))


def test_fl_train_keeps_integer_buffers_and_bfloat16(env_run: Finished, tmp_path: Path) -> None:
    assert_complete(env_run)
    saved = [(event["round"], event["data"]["file"], event["data"]["final"]) for event in env_run.of("saved")]
    assert saved == [(0, "GLOBAL_MODEL.pt", False), (1, "GLOBAL_MODEL.pt", True)]
    module = module_of(MODEL_AND_ENV)

    def train(site: str, round_: int, weights: Weights) -> tuple[Weights, int]:
        model = module.Net()
        model.load_state_dict(weights)
        env = {"SITE_NAME": site, "CURRENT_ROUND": round_, "LR": LR, "STATE_DIR": str(tmp_path)}
        result = module.fl_train(model, env, str(tmp_path), Silent())
        return result["weights"], result["samples"]

    weights = final_weights(env_run)
    assert difference(weights, fedavg(module.Net().state_dict(), train)) <= 1e-6
    assert weights["middle.weight"].dtype == torch.bfloat16
    assert weights["norm.num_batches_tracked"].dtype == torch.int64
    assert weights["norm.num_batches_tracked"].item() == 7


def test_every_number_that_the_functions_return_is_a_metric_of_its_stage(env_run: Finished) -> None:
    returned = [event for event in env_run.of("metrics") if event["data"]["step"] is None and event["site"] == "site-1"]
    assert [(event["round"], event["data"]["stage"], set(event["data"]["values"])) for event in returned] == [
        (0, "validate", {"val_loss"}),
        (0, "train", {"loss", "rounds_seen", "broken"}),
        (1, "validate", {"val_loss"}),
        (1, "train", {"loss", "rounds_seen", "broken"}),
        (2, "validate", {"val_loss"}),  # of the final model
    ]
    assert returned[3]["data"]["values"]["rounds_seen"] == 2


def test_two_thousand_metrics_a_round_arrive_complete_and_in_order(env_run: Finished) -> None:
    for site in SITES:
        for number in (0, 1):
            steps = [
                event["data"]["step"]
                for event in env_run.of("metrics")
                if "flood" in event["data"]["values"] and (event["site"], event["round"]) == (site, number)
            ]
            assert steps == list(range(2000))


def test_a_metric_that_is_not_finite_is_null_with_one_warning_in_the_whole_run(env_run: Finished) -> None:
    values = [event["data"]["values"]["broken"] for event in env_run.of("metrics") if "broken" in event["data"]["values"]]
    assert values == [None] * 4
    warnings = [(event["site"], event["data"]) for event in env_run.of("log") if event["data"]["level"] == "warning"]
    assert sorted(warnings, key=lambda item: item[0]) == [
        (site, {"level": "warning", "message": "the metric 'broken' is nan"}) for site in SITES
    ]


def test_a_site_tells_what_it_does_before_its_contribution_counts(env_run: Finished) -> None:
    for site in SITES:
        phases = [
            event["data"].get("phase", event["type"])
            for event in env_run.of("site", "contribution")
            if event["site"] == site and event["round"] == 1
        ]
        assert phases == ["validating", "training", "returned", "contribution"]


def test_env_has_what_the_contract_says(env_run: Finished) -> None:
    values = env_run.of("attributes")[0]["data"]["values"]
    assert values["dtype"] == "torch.bfloat16"
    assert values["folder"] is True
    for key in (
        "SITE_NAME",
        "JOB_ID",
        "CURRENT_ROUND",
        "NUM_ROUNDS",
        "DATA_ROOT",
        "STATE_DIR",
        "DEVICE",
        "EPOCHS",
        "BATCH_SIZE",
        "LR",
    ):
        assert f"'{key}'" in values["keys"]
    for key in ("num_classes", "local_epochs", "batch_size", "learning_rate", "img_size", "manifest_file"):
        assert f"'{key}'" in values["keys"]
