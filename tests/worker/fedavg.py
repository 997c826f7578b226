"""Federated averaging in plain PyTorch, to compare NVFlare's result with."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import nvflare
import torch

from .job_folder import Finished

Weights = dict[str, torch.Tensor]
Train = Callable[[str, int, Weights], tuple[Weights, int]]

SITES = ("site-1", "site-2")
LR = 0.01  # as in the job


def module_of(source: str) -> ModuleType:
    """The module that a site would import."""
    module = ModuleType("model_def")
    exec(source, module.__dict__)
    return module


def fedavg(initial: Weights, train: Train, rounds: int = 2) -> Weights:
    """The global model after some rounds; `train` gets site, round and weights and returns weights and samples."""
    weights = initial
    for number in range(rounds):
        replies = [train(site, number, {key: value.clone() for key, value in weights.items()}) for site in SITES]
        total = sum(samples for _, samples in replies)
        average = {key: sum(reply[key].double() * samples for reply, samples in replies) / total for key in weights}
        weights = {key: like_its_own(average[key], weights[key].dtype) for key in weights}
    return weights


def like_its_own(value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """An average in the dtype of what was averaged."""
    return value.to(dtype) if dtype.is_floating_point else value.round().to(dtype)


def difference(left: Weights, right: Weights) -> float:
    """The largest absolute difference; keys and dtypes must be equal."""
    assert {key: value.dtype for key, value in left.items()} == {key: value.dtype for key, value in right.items()}
    return max((left[key].double() - right[key].double()).abs().max().item() for key in left)


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
    assert finished.of("run_started")[0]["data"] == {"num_rounds": 2, "min_clients": 2, "nvflare": nvflare.__version__}
    assert all(event["data"]["finite"] for event in finished.of("model"))
    assert len({event["data"]["digest"] for event in finished.of("model")}) == 3
