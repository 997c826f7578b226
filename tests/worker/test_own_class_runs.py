"""Real NVFlare runs with an executor and a persistor of the user's own, and with the stock simulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from .fedavg import LR, SITES, Weights, assert_complete, difference, fedavg, final_weights, module_of
from .job_folder import Finished, JobParts, run
from .own_code import OWN_EXECUTOR
from .sources import PAYLOAD_MODEL, SEEDED_MODEL, Silent

pytestmark = [pytest.mark.nvflare, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def own_executor_run(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    parts = JobParts(SEEDED_MODEL, "", executor=OWN_EXECUTOR, executor_class="OwnExecutor")
    return run(tmp_path_factory.mktemp("executor"), parts)


def test_an_executor_of_the_users_own_trains(own_executor_run: Finished) -> None:
    def train(site: str, round_: int, weights: Weights) -> tuple[Weights, int]:
        number = int(site[-1])
        return {key: value + number for key, value in weights.items()}, 10 * number

    expected = fedavg(module_of(SEEDED_MODEL).Net().state_dict(), train)
    assert own_executor_run.code == 0
    assert difference(final_weights(own_executor_run), expected) <= 1e-6
    samples = [(event["site"], event["data"]) for event in own_executor_run.of("contribution") if event["round"] == 1]
    assert sorted(samples, key=str) == [(site, {"accepted": True, "samples": 10.0 * int(site[-1])}) for site in SITES]


def test_its_logged_errors_and_scalars_are_told(own_executor_run: Finished) -> None:
    errors = sorted((event["site"], event["round"], event["data"]["message"]) for event in own_executor_run.of("error"))
    assert errors == [(site, number, "something was odd") for site in SITES for number in (0, 1)]
    scalars = sorted(event["data"]["values"]["score"] for event in own_executor_run.of("metrics"))
    assert scalars == [0.5, 0.5, 1.0, 1.0]
    assert {event["data"]["step"] for event in own_executor_run.of("metrics")} == {7}


OWN_PERSISTOR = """
from torch import *
import os
import torch
from nvflare.app_common.abstract.model import make_model_learnable
from nvflare.app_common.abstract.model_persistor import ModelPersistor

class OwnPersistor(ModelPersistor):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def load_model(self, fl_ctx):
        return make_model_learnable({key: value.numpy() for key, value in self.model.state_dict().items()}, {})

    def save_model(self, ml, fl_ctx):
        weights = {key: torch.as_tensor(value) for key, value in ml["weights"].items()}
        torch.save({"model": weights}, os.path.join(os.environ["RESONTECH_OUT_DIR"], "mine.pt"))
"""


def test_a_persistor_of_the_users_own_keeps_the_model(tmp_path: Path) -> None:
    parts = JobParts(SEEDED_MODEL, "fl_train_model", persistor=OWN_PERSISTOR, persistor_class="OwnPersistor")
    parts.training = {"weight_decay": 0.5}
    finished = run(tmp_path, parts)
    assert_complete(finished)
    module = module_of(SEEDED_MODEL)

    def train(site: str, round_: int, weights: Weights) -> tuple[Weights, int]:
        env = {"SITE_NAME": site, "learning_rate": LR, "weight_decay": 0.5}
        result = module.fl_train_model({"env": env, "dataset": {}, "initial_weights": weights}, Silent())
        return result["state_dict"], result["num_samples"]

    assert difference(final_weights(finished, "mine.pt"), fedavg(module.Net().state_dict(), train)) <= 1e-6


def test_the_stock_simulator_with_its_own_defaults_trains_the_same_job(tmp_path: Path) -> None:
    parts = JobParts(PAYLOAD_MODEL, "fl_train_model", model_args={"width": 5}, training={"weight_decay": 0.5})
    finished = run(tmp_path, parts, stock=True)
    assert_complete(finished)
    assert sorted(event["site"] for event in finished.of("metrics") if event["round"] == 1) == list(SITES)
    assert (finished.out / "GLOBAL_MODEL.pt").exists()
