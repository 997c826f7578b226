"""Which round's model was the best, by a metric of the run."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from ...errors import RunError
from ...names import printable
from ..progress import RunProgress

Mode = Literal["min", "max"]

_SMALL_IS_GOOD = re.compile(
    r"loss|error|perplexity|entropy|divergence|deviance|distance|(?:^|[^a-z])(?:err|ppl|mse|rmse|mae|mape|nll|bpb|bpc|wer|cer|fid|kl)(?![a-z])"
)


@dataclass(frozen=True)
class BestRound:
    """The round with the best model.

    Attributes:
        round: The round (0-based) that `run.model(round=...)` takes.
        value: What the metric was of the model that this round made; the mean over the sites.
        metric: The metric's name.
    """

    round: int
    value: float
    metric: str

    def __repr__(self) -> str:
        return f"<round {self.round + 1}: {printable(self.metric)} {self.value:.6g}; its model is run.model(round={self.round})>"


def smallest_is_best(metric: str) -> bool:
    """Whether the smallest value of a metric is its best, as its name tells: of a loss or an error it is."""
    return bool(_SMALL_IS_GOOD.search(metric.lower()))


def best_round(run: RunProgress, metric: str, mode: Mode | None) -> BestRound:
    """Returns the round whose model has the best value of a metric; the earliest of those that are equal.

    What a site measures while it trains belongs to that round. What it measures by validating, it measures before it trains: of
    the model that the round before has made; the validation after the last round has the last model.

    Args:
        run: What is known of the run.
        metric: The metric's name.
        mode: Whether the smallest or the largest value is the best; None tells by the name.

    Raises:
        RunError: no round has a mean of that metric, or `mode` is neither.
    """
    if mode not in (None, "min", "max"):
        raise RunError(f"mode is {mode!r}, not 'min' or 'max'")
    names = sorted({record["name"] for record in run.metrics})
    if metric not in names:
        known = f"The metrics are: {', '.join(names)}." if names else "There is none yet."
        raise RunError(f"the run has reported no metric {metric!r}", known)
    validated = run.stages.get(metric) == "validate"
    values = [
        (record["round"] - validated, record["value"])
        for record in run.means()
        if record["name"] == metric and math.isfinite(record["value"]) and record["round"] - validated >= 0
    ]
    if not values:
        raise RunError(
            f"no round has a mean of {metric!r} over its sites yet",
            "A round has one once it is aggregated and all of its sites have reported the metric.",
        )
    smallest = mode == "min" if mode else smallest_is_best(metric)
    number, value = min(values, key=lambda pair: (pair[1] if smallest else -pair[1], pair[0]))
    return BestRound(number, value, metric)
