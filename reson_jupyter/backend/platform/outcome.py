"""What a run on the platform has left behind: the files in model_out/, looked at, and the word on how the run ended."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ResonError, StoreError
from ...events import RunState
from ..carrying.storing import sha256
from ..carrying.verdict import Verdict
from ..store import Store

_WEIGHTS = (".pt", ".pth")


@dataclass(frozen=True)
class Found:
    """One file of model_out/: its name there, bytes, digest, and why it is no trained model; "" if nothing speaks against it."""

    name: str
    bytes: int
    sha256: str
    problem: str = ""


def look_at(store: Store, prefix: str) -> list[Found]:
    """Fetches what lies in a run's model_out/ and looks at it. Raises `StoreError`."""
    with tempfile.TemporaryDirectory(prefix="reson-result-") as folder:
        initial = _initial(store, prefix, Path(folder) / "initial")
        found = []
        for info in store.list(f"{prefix}/model_out/"):
            path = Path(folder) / "model"
            store.get_file(info.key, path)
            problem = _problem(path, initial) if info.key.endswith(_WEIGHTS) else ""
            found.append(Found(info.key.removeprefix(f"{prefix}/model_out/"), info.bytes, sha256(path), problem))
        return found


def result_of(found: Sequence[Found]) -> dict[str, dict[str, Any]]:
    """Returns what the event `result` says of the files."""
    return {file.name: {"bytes": file.bytes, "sha256": file.sha256} for file in found}


def unreported(over: str | None, error: str, found: Sequence[Found], *, aborted: bool) -> Verdict:
    """Judges a run of which no report arrived: all that is known is the platform's word, and the files.

    Args:
        over: FINISHED, FAILED or CANCELLED; None if the platform does not say.
        error: What the platform says went wrong.
        found: The files in model_out/.
        aborted: Whether the end was asked for from here.
    """
    weights = [file for file in found if file.name.endswith(_WEIGHTS)]
    sound = [file for file in weights if not file.problem]
    word = f"The platform says {over}{f' ({error})' if error else ''}" if over else "The platform does not say how it ended"
    if not sound:
        what = f"{weights[0].name} {weights[0].problem}" if weights else "there is no model in model_out/"
        state = RunState.ABORTED if aborted or over == "CANCELLED" else RunState.FAILED
        return Verdict(state, f"{word}, no report of the run arrived, and {what}.")
    may = " FINISHED may also mean that it was stopped by hand." if over == "FINISHED" else ""
    return Verdict(
        RunState.DEGRADED,
        f"{word}, and no report of the run arrived: {sound[0].name} is there and its values are finite, but nobody can tell how "
        f"many rounds made it.{may}",
    )


def _initial(store: Store, prefix: str, path: Path) -> Mapping[str, Any] | None:
    """The weights that the run began with, where they were given."""
    info = next(store.list(f"{prefix}/model/"), None)
    if info is None:
        return None
    store.get_file(info.key, path)
    try:
        return _weights(path)
    except ResonError:
        return None


def _problem(path: Path, initial: Mapping[str, Any] | None) -> str:
    import torch

    try:
        weights = _weights(path)
    except StoreError as error:
        return error.message
    if not all(bool(torch.isfinite(value).all()) for value in weights.values() if value.is_floating_point()):
        return "has values that are not finite (NaN or infinity)"
    if initial is not None and weights.keys() == initial.keys():
        same = (torch.equal(value.double(), initial[name].double()) for name, value in weights.items())
        if all(value.shape == initial[name].shape for name, value in weights.items()) and all(same):
            return "is the checkpoint that the run began with, untrained"
    return ""


def _weights(path: Path) -> dict[str, Any]:
    """The tensors in a file. Raises `StoreError` if there are none."""
    import torch

    try:
        # weights_only: a checkpoint is data; nothing in it may run.
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file is reported in many ways
        raise StoreError(f"cannot be loaded ({type(error).__name__})") from None
    if isinstance(loaded, dict):
        loaded = next((loaded[name] for name in ("model", "state_dict") if isinstance(loaded.get(name), dict)), loaded)
        tensors = {name: value for name, value in loaded.items() if isinstance(value, torch.Tensor)}
        if tensors:
            return tensors
    raise StoreError("holds no weights")
