"""Federated averaging in plain PyTorch, to compare NVFlare's result with."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import torch

Weights = dict[str, torch.Tensor]
Train = Callable[[str, int, Weights], tuple[Weights, int]]

SITES = ("site-1", "site-2")


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
