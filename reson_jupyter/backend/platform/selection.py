"""Which of the platform's workers a job asks for."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Any

from ...config import ResonTechConfig
from ...errors import TargetError

_ID = re.compile(r"[!-~]{1,200}")
_BOUNDS = (
    'Say which GPUs and at what price: %reson config gpu_models=["rtx_4090"] max_price_per_gpu_hour=2.5. '
    "Or name workers of yours: worker_ids."
)


def selection(connection: ResonTechConfig, catalogue: Collection[str] | None = None) -> dict[str, Any]:
    """Returns the part of a job's body that selects its workers.

    Args:
        connection: What the user asks for.
        catalogue: The GPU models that the platform has; None if nobody can tell.

    Raises:
        TargetError: it does not say which workers, or what it says cannot be right.
    """
    body: dict[str, Any] = {}
    if connection.estimated_memory_mb:
        body["estimatedMemoryMb"] = connection.estimated_memory_mb
    if connection.worker_ids:
        body["workerIds"] = _checked("worker_ids", connection.worker_ids)
    else:
        body |= {"autoSelectWorkers": True, **_bounds(connection, catalogue)}
    if connection.only_mine_workers:
        body["onlyMineWorkers"] = True
    return body


def what_is_missing(connection: ResonTechConfig) -> list[str]:
    """Returns what has to be set before a job can be submitted and is not, in words."""
    needed = {
        "RESON_BASE_URL (the platform's address)": connection.base_url,
        "RESON_API_KEY (Profile -> Developer)": connection.platform_api_key.get_secret_value() or connection.email,
        "RESON_S3_KEY and RESON_S3_SECRET (Profile -> Storage)": connection.s3_access_key_id,
        "gpu_models and max_price_per_gpu_hour, or worker_ids": connection.worker_ids
        or (connection.gpu_models and connection.max_price_per_gpu_hour),
    }
    return [name for name, value in needed.items() if not value]


def described(body: dict[str, Any]) -> str:
    """Returns a selection in words."""
    if ids := body.get("workerIds"):
        return f"workers: {', '.join(ids)}"
    mine = "your own workers only; " if body.get("onlyMineWorkers") else ""
    price = body["maxPricePerGpuHourCents"] / 100
    return f"workers: {mine}{', then '.join(body['gpuModels'])}, at most ${price:.2f} for an hour of each GPU"


def _bounds(connection: ResonTechConfig, catalogue: Collection[str] | None) -> dict[str, Any]:
    if not connection.gpu_models or not connection.max_price_per_gpu_hour:
        missing = "gpu_models" if not connection.gpu_models else "max_price_per_gpu_hour"
        raise TargetError(f"{missing} is not set, and the platform needs it to choose the workers", _BOUNDS)
    models = _checked("gpu_models", connection.gpu_models)
    if catalogue:
        _check_known(models, catalogue)
    return {"gpuModels": models, "maxPricePerGpuHourCents": _cents(connection.max_price_per_gpu_hour)}


def _cents(dollars: float) -> int:
    cents = Decimal(str(dollars)) * 100
    if cents != int(cents):
        raise TargetError(
            f"max_price_per_gpu_hour is ${dollars}, which is no whole number of cents", "Prices are dollars, such as 2.5."
        )
    return int(cents)


def _checked(field: str, values: Iterable[str]) -> list[str]:
    found = list(values)
    for value in found:
        if not _ID.fullmatch(value):
            raise TargetError(
                f"{field}: {value!r} cannot be an id", "Ids are as the platform's pages show them, such as rtx_4090."
            )
    twice = [value for value, count in Counter(found).items() if count > 1]
    if twice:
        raise TargetError(f"{field} names {', '.join(twice)} twice", "Name each once.")
    return found


def _check_known(models: Iterable[str], catalogue: Collection[str]) -> None:
    for model in models:
        if model not in catalogue:
            near = difflib.get_close_matches(model, catalogue, n=1)
            raise TargetError(
                f"the platform has no GPU model {model!r}{f'; did you mean {near[0]!r}?' if near else ''}",
                f"It has: {', '.join(sorted(catalogue))}.",
            )
