"""Real NVFlare runs, two sites and two rounds each: every user contract ends with the weights of plain federated averaging."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from .fedavg import SITES, Weights, difference, fedavg, module_of
from .job_folder import Finished, JobParts, run

pytestmark = pytest.mark.nvflare
LR = 0.01


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    """As on the sites; sums of floats depend on it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def final_weights(finished: Finished, name: str = "GLOBAL_MODEL.pt") -> Weights:
    return torch.load(finished.out / name, weights_only=True)["model"]


def assert_complete(finished: Finished) -> None:
    """The run tells of two whole rounds, in order, and of nothing wrong."""
    assert finished.code == 0, finished.output[-3000:]
    assert finished.of("error", "lost") == []
    types = [event["type"] for event in finished.events]
    assert types[:3] == ["run_started", "model", "round_started"]
    assert types[-1] == "run_ended"
    told = [(event["type"], event["round"]) for event in finished.of("round_started", "aggregated", "model")]
    assert told == [("model", None), *((kind, number) for number in (0, 1) for kind in ("round_started", "aggregated", "model"))]
    for number in (0, 1):
        accepted = [event for event in finished.of("contribution") if event["round"] == number and event["data"]["accepted"]]
        assert sorted(event["site"] for event in accepted) == list(SITES)
    assert finished.of("run_started")[0]["data"] == {"num_rounds": 2, "min_clients": 2, "nvflare": "2.9.0"}
    assert all(event["data"]["finite"] for event in finished.of("model"))
    assert len({event["data"]["digest"] for event in finished.of("model")}) == 3


# (a) only a model: the adapter trains it on images

IMAGE_MODEL = """
from torch import *  # replaces sum, min, range, float, ... for everything below
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2))
        self.head = nn.Linear(4 * 6 * 6, 3)

    def forward(self, x):
        return self.head(self.features(x))
"""


def write_shard(folder: Path, seed: int, count: int) -> None:
    """Random 8 x 8 images in three classes, so that no resizing is involved."""
    random = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    lines = []
    for number in range(count):
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / "images" / f"{number}.png")
        lines.append(json.dumps({"id": f"{seed}-{number}", "uri": f"file://images/{number}.png", "y": [number % 3]}))
    (folder / "manifest.ndjson").write_text("\n".join(lines) + "\n")


def plain_image_training(data: Path, net: type[torch.nn.Module]) -> Any:
    """What the adapter documents, written once more without it."""

    def number_of(text: str) -> int:
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")

    def train(site: str, round_: int, weights: Weights) -> tuple[Weights, int]:
        entries = [json.loads(line) for line in (data / site / "manifest.ndjson").read_text().splitlines()]
        held_out = {entry["id"] for entry in entries if number_of(entry["id"]) < 0.1 * 2**48}
        assert held_out, "the test's ids must hold something out"
        entries = [entry for entry in entries if entry["id"] not in held_out]
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        images = []
        for entry in entries:
            pixels = np.array(Image.open(data / site / entry["uri"].removeprefix("file://")))
            images.append(((torch.from_numpy(pixels) / 255 - mean) / std).permute(2, 0, 1))
        x, y = torch.stack(images), torch.tensor([entry["y"][0] for entry in entries])
        model = net()
        model.load_state_dict(weights)
        optimizer = torch.optim.Adam(model.parameters(), lr=LR)
        for epoch in range(2):
            seed = number_of(f"{site} {round_} {epoch}")
            torch.manual_seed(seed)
            order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
            batches = list(order.split(8))
            if len(batches[-1]) == 1:
                batches[-2:] = [torch.cat(batches[-2:])]
            for batch in batches:
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
                optimizer.step()
        return model.state_dict(), len(x)

    return train


@pytest.fixture(scope="module")
def image_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Finished, Path]:
    data = tmp_path_factory.mktemp("data")
    write_shard(data / "site-1", seed=1, count=30)
    write_shard(data / "site-2", seed=2, count=45)
    parts = JobParts(IMAGE_MODEL, "rt_train_model", "rt_validate_model", training={"num_classes": 3, "local_epochs": 2})
    return run(tmp_path_factory.mktemp("model-only"), parts, data), data


def test_a_model_alone_trains_on_the_images_of_its_shards(image_run: tuple[Finished, Path]) -> None:
    finished, data = image_run
    assert_complete(finished)
    net = module_of(IMAGE_MODEL).Net
    expected = fedavg(net().state_dict(), plain_image_training(data, net))
    assert difference(final_weights(finished), expected) <= 1e-6


def test_the_adapter_tells_loss_and_accuracy_per_epoch_per_round_and_of_the_held_out_images(
    image_run: tuple[Finished, Path],
) -> None:
    metrics = [event for event in image_run[0].of("metrics") if event["site"] == "site-2"]
    told = [(event["round"], event["data"]["stage"], event["data"]["step"], sorted(event["data"]["values"])) for event in metrics]
    train, val = ["train_accuracy", "train_loss"], ["val_accuracy", "val_loss"]
    assert told == [
        (0, "validate", None, val),
        (0, "train", 0, train),
        (0, "train", 1, train),
        (0, "train", None, train),
        (1, "validate", None, val),
        (1, "train", 2, train),
        (1, "train", 3, train),
        (1, "train", None, train),
    ]
    assert all(0 <= event["data"]["values"].get("val_accuracy", 0) <= 1 for event in metrics)


# (b) fl_train_model(payload), from a checkpoint

PAYLOAD_MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 2))

    def forward(self, x):
        return self.layers(x)

def data(site):
    random = torch.Generator().manual_seed(int(site[-1]))
    count = {"site-1": 20, "site-2": 36}[site]
    return torch.randn(count, 4, generator=random), torch.randint(2, (count,), generator=random)

def fl_train_model(payload, logger):
    env = payload["env"]
    model = Net(5)
    model.load_state_dict(payload["initial_weights"])
    x, y = data(env["SITE_NAME"])
    optimizer = torch.optim.SGD(model.parameters(), lr=env["learning_rate"], momentum=0.9)
    for step in range(5):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    logger({"type": "warning", "msg": "careful"})
    logger(f"{sorted(payload)} {sorted(payload['dataset'])} {env['weight_decay']}")
    return {"state_dict": model.state_dict(), "num_samples": len(x), "loss": loss}
"""


SEEDED_MODEL = PAYLOAD_MODEL.replace("__init__(self, width)", "__init__(self, width=5)").replace(
    "super().__init__()", "super().__init__()\n        torch.manual_seed(2)"
)


class Silent:
    """A logger for the reference."""

    def __call__(self, message: Any) -> None: ...

    def info(self, message: Any) -> None: ...

    def log_metric(self, *args: Any, **kwargs: Any) -> None: ...

    def log_attributes(self, attributes: Any) -> None: ...


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


# (c) fl_train and fl_validate, with BatchNorm's counters, a bfloat16 layer, and many metrics

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


# (d) an executor of the user's own

OWN_EXECUTOR = """
from nvflare.apis.analytix import AnalyticsDataType
from nvflare.apis.dxo import DXO, DataKind, MetaKey, from_shareable
from nvflare.apis.executor import Executor
from nvflare.apis.utils.analytix_utils import create_analytic_dxo, send_analytic_dxo

class OwnExecutor(Executor):
    def __init__(self, **kwargs):
        super().__init__()

    def execute(self, task_name, shareable, fl_ctx, abort_signal):
        number = int(fl_ctx.get_identity_name()[-1])
        weights = {key: value + number for key, value in from_shareable(shareable).data.items()}
        dxo = create_analytic_dxo("score", 0.5 * number, AnalyticsDataType.SCALAR, global_step=7)
        send_analytic_dxo(self, dxo, fl_ctx)
        self.log_error(fl_ctx, "something was odd")
        return DXO(DataKind.WEIGHTS, weights, {MetaKey.NUM_STEPS_CURRENT_ROUND: 10 * number}).to_shareable()
"""


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


# (e) a persistor of the user's own

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
