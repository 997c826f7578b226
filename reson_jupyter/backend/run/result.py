"""The result of a run: from the store into the notebook."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, SupportsIndex

from ...errors import NotFound, RunError
from ..nvflare_config import SEED_MODEL, executor_args
from ..store import Store
from .shipped import shipped_class

if TYPE_CHECKING:
    import torch

    from ...edge.travel import ScaleoutModel

_DEFAULT_NAME = "GLOBAL_MODEL.pt"
_ROUND = re.compile(r"round_(\d+)\.pt")


def load_model(
    store: Store, prefix: str, model_class: type[torch.nn.Module] | None, *, round: int | None = None
) -> torch.nn.Module | ScaleoutModel:
    """Returns what `load_module` does; of a run of Scaleout callbacks what these know as a model, which has no code."""
    args = _arguments(store, prefix)
    if args["model_class"] == SEED_MODEL:
        return _scaleout_model(_weights(store, prefix, round), args["model_args"]["helper"])
    return load_module(store, prefix, model_class, round=round)


def load_module(
    store: Store, prefix: str, model_class: type[torch.nn.Module] | None, *, round: int | None = None
) -> torch.nn.Module:
    """Builds the run's model and loads the final weights into it, or those of a round.

    Args:
        store: Where the run's files lie.
        prefix: The run's key prefix.
        model_class: The live class, when this kernel submitted the run; else the class comes from the source that was shipped.
        round: The round whose result is wanted, counted from 0; None for the final model.

    Raises:
        RunError: `round` is no whole number, no such model was stored, or its keys are not those of the class.
    """
    weights, args = _weights(store, prefix, round), _arguments(store, prefix)
    if model_class is None:
        model_class = shipped_class(store, prefix, args["model_class"])
    model = model_class(**args["model_args"])
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise RunError(
            f"the stored weights do not fit {model_class.__name__}: {error}",
            "The class has changed since the run was submitted; reson.attach(run_id) uses the class as it was shipped.",
        ) from error
    return model.eval()


def _arguments(store: Store, prefix: str) -> dict[str, Any]:
    return executor_args(json.loads(store.get(f"{prefix}/configs/config_fed_client.json")))


def _weights(store: Store, prefix: str, round: int | None) -> Mapping[str, torch.Tensor]:
    import torch

    if round is not None and (isinstance(round, bool) or not isinstance(round, SupportsIndex)):
        raise RunError(f"round is {round!r}, not a whole number", "Rounds count from 0, as in run.model(round=0).")
    data = _final_model(store, prefix) if round is None else _model_of_round(store, prefix, round)
    # weights_only: a checkpoint is data; nothing in it may run.
    checkpoint = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    weights: Mapping[str, torch.Tensor] = checkpoint.get("model", checkpoint)
    return weights


def _scaleout_model(weights: Mapping[str, torch.Tensor], name: str) -> ScaleoutModel:
    from ...edge.travel import ScaleoutModel, get_helper
    from ...edge.travel.weights import to_params

    return ScaleoutModel.from_model_params(to_params(weights, name), helper=get_helper(name))


def download(store: Store, prefix: str, folder: Path) -> list[Path]:
    """Writes the objects below model_out/ and files_out/ into `folder` and returns their paths.

    Raises:
        RunError: the folder cannot be written to.
        StoreError: an object cannot be read, or written there.
    """
    written = []
    for place in ("model_out", "files_out"):
        for info in store.list(f"{prefix}/{place}/"):
            relative = PurePosixPath(info.key.removeprefix(f"{prefix}/"))
            if relative.is_absolute() or ".." in relative.parts:
                continue  # no key of ours; a path outside the folder must not be written
            path = folder / relative
            _make_folder(path.parent)
            store.get_file(info.key, path)
            written.append(path)
    return written


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder} cannot be made: {error.strerror}", "Choose another folder: run.download('a/folder').") from None


def _final_model(store: Store, prefix: str) -> bytes:
    """The final model's file; its name is not fixed by the platform, so the folder is listed."""
    keys = [info.key for info in store.list(f"{prefix}/model_out/") if info.key.endswith((".pt", ".pth"))]
    if not keys:
        raise RunError("this run stored no model", "run.state and run.errors() say what happened.")
    return store.get(next((key for key in keys if key.endswith(f"/{_DEFAULT_NAME}")), keys[0]))


def _model_of_round(store: Store, prefix: str, number: int) -> bytes:
    folder = f"{prefix}/files_out/rounds/"
    try:
        return store.get(f"{folder}round_{number:05d}.pt")
    except NotFound:
        found = (_ROUND.fullmatch(info.key.removeprefix(folder)) for info in store.list(folder))
        kept = sorted(int(match[1]) for match in found if match)
    hint = f"Kept are {_ranges(kept)}; rounds count from 0." if kept else "A round's model is kept once the round is over."
    raise RunError(f"the model of round={number} is not in the store", hint)


def _ranges(numbers: list[int]) -> str:
    """Numbers in order as people write them: 0, 2 to 5."""
    known = set(numbers)
    starts = [number for number in numbers if number - 1 not in known]
    ends = [number for number in numbers if number + 1 not in known]
    return ", ".join(str(start) if start == end else f"{start} to {end}" for start, end in zip(starts, ends, strict=True))
