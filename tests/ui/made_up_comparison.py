"""Runs beside each other that never were: what the browser tests show."""

from __future__ import annotations

import math
from typing import Any

from reson_jupyter.backend.run.best import BestRound
from reson_jupyter.backend.run.compare import ComparedRun, Comparison, Outcome
from reson_jupyter.events import RunState

METRICS = ("loss", "accuracy")


def comparison(
    names: tuple[str, ...] = ("sgd", "adam", "wide"), metrics: tuple[str, ...] = METRICS, rounds: int = 12
) -> Comparison:
    """Runs that differ in a rate, a width, their code; the last one goes on."""
    last = len(names) - 1
    states = [RunState.RUNNING if place == last else RunState.FINISHED for place in range(len(names))]
    return Comparison(
        tuple(_run(place, name, metrics, rounds, state) for place, (name, state) in enumerate(zip(names, states, strict=True)))
    )


def _run(place: int, name: str, metrics: tuple[str, ...], rounds: int, state: RunState) -> ComparedRun:
    done = rounds if state.done else rounds - 3
    means = {metric: [(number, _value(metric, place, number)) for number in range(done)] for metric in metrics}
    made: dict[str, Any] = {
        "learning_rate": 0.1 / 10**place,
        "optimizer": name,
        "code (sha256)": f"{place}f3a91c0d2e4",
        "batch_size": 32,
    }
    best = {metric: min(line, key=lambda point: point[1] if "loss" in metric else -point[1]) for metric, line in means.items()}
    outcomes = {
        metric: Outcome(line[-1][1] if state.done else None, BestRound(*best[metric], metric), line[-1][1], done)
        for metric, line in means.items()
    }
    return ComparedRun(
        id=f"digits-{place}x9q7", name=name, label=name, state=state, rounds=done, num_rounds=rounds, made=made, unread="",
        means=means, outcomes=outcomes,
    )  # fmt: skip


def _value(metric: str, place: int, number: int) -> float:
    falling = (2.2 + 0.4 * place) * math.exp(-(0.25 + 0.1 * place) * number) + 0.05 * (3 - place) + 0.02 * math.sin(3 * number)
    return falling if "loss" in metric else 1 - 0.3 * falling
