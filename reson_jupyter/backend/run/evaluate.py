"""A run's model tried on data that lies here, by the run's own code and its own way to read images."""

from __future__ import annotations

import inspect
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...capture.roles.contract import contract_functions
from ...data.pictures import Picture, Pictures, holds_pictures, path_of, pictures_of
from ...data.pixels import png_of
from ...data.shards import read_shard, unpack_shard
from ...errors import RunError, ShardError
from ..nvflare_config import executor_args, has_callbacks, read_client, read_server
from ..store import Store
from .evaluation import Evaluation, Prediction
from .result import load_module
from .shipped import shipped_module

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ...config import TrainingConfig
    from ...data.pictures import Data

__all__ = ["Evaluation", "Prediction", "evaluate"]

_DEFAULT_VALIDATE = "rt_validate_model"
_OWN = "A run with an fl_validate of its own calls that on any shard; pass images to see what the model says of them."
_CALLBACKS = "Take the weights: run.model().get_model_params(helper); and give them to your own code, such as your validate()."


def evaluate(
    store: Store, prefix: str, data: Data, *, round: int | None = None, model_class: type[torch.nn.Module] | None = None
) -> Evaluation:
    """Tries a run's model on data.

    A shard of a run whose code has a validate function of its own is given to that function, as on a site; everything else is
    read as images, as the default training reads them, all of them, and the model is asked for the logits of each.

    Args:
        store: Where the run's files lie.
        prefix: The run's key prefix.
        data: A shard (a zip, or the folder it was unpacked to), a folder of images, a folder with one folder of images for each
            class, or images or their paths.
        round: The round whose model is tried, counted from 0; None for the final one.
        model_class: The live class, when this kernel submitted the run.

    Raises:
        RunError: there is no such model, or it cannot take these images.
        ShardError: the data cannot be used.
    """
    client = json.loads(store.get(f"{prefix}/configs/config_fed_client.json"))
    if has_callbacks(client):
        raise RunError("what a run of Scaleout callbacks trains has no code here to be tried with", _CALLBACKS)
    training, _ = read_client(client)
    validate = executor_args(client)["validate_fn"].removeprefix(_DEFAULT_VALIDATE)
    model = load_module(store, prefix, model_class, round=round)
    with _unpacked(data, training.manifest_file, bool(validate)) as (place, is_shard):
        if validate and is_shard:
            rounds = read_server(json.loads(store.get(f"{prefix}/configs/config_fed_server.json")))["num_rounds"]
            env = _env(training, str(place), prefix, rounds, rounds if round is None else round + 1)
            return _by_own_function(getattr(shipped_module(store, prefix), validate), model, env)
        return _by_images(model, pictures_of(place, training.manifest_file), training)


@contextmanager
def _unpacked(data: Data, manifest_file: str, own: bool) -> Iterator[tuple[Any, bool]]:
    """The data, unpacked for a while if it is a zip; and whether it is a shard."""
    path = path_of(data)
    if path and path.is_file() and path.suffix.lower() == ".zip":
        shard = read_shard(path, manifest_file, manifest_required=not own)
        shard.problems.raise_if_any(f"{path} cannot be used", "Correct these and make the shard again." if own else _OWN)
        with tempfile.TemporaryDirectory(prefix="reson-") as folder:
            unpack_shard(path, Path(folder) / "data")
            yield Path(folder) / "data", True
    elif path and path.is_dir():
        yield path.resolve(), (path / manifest_file).is_file() or not holds_pictures(path)
    else:
        yield data, False


# By the user's own function


class _Logger:
    """What a validate function gets as `logger`: it prints what is said, and keeps the numbers."""

    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}

    def __call__(self, message: Any, *args: Any) -> None:
        text = str(message.get("msg", "") if isinstance(message, Mapping) else message)
        print(text % args if args else text)

    debug = info = warning = error = __call__

    def log_metric(self, metrics: Any, value: Any = None, step: int | None = None) -> None:
        """Keeps one number, or several in a dict."""
        self.metrics |= _numbers(metrics if isinstance(metrics, Mapping) else {metrics: value})

    def log_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Nobody asks for these here."""

    def check_task_abort(self) -> None:
        """A cell is interrupted in another way."""


def _by_own_function(function: Callable[..., Any], model: torch.nn.Module, env: dict[str, Any]) -> Evaluation:
    """Calls a validate function as a site does; what it raises is the user's own and keeps its traceback."""
    logger = _Logger()
    (known,) = contract_functions({function.__name__: function}, "model_def.py")
    with tempfile.TemporaryDirectory(prefix="reson-") as folder:
        env = {**env, "STATE_DIR": folder}
        if known.contract == "payload":
            payload = {"dataset": {"data_root": env["DATA_ROOT"]}, "env": env, "initial_weights": model.state_dict()}
            parameters = inspect.signature(function).parameters.values()
            every = any(one.kind is one.VAR_KEYWORD for one in parameters)
            offered = {"out_dir": folder, "logger": logger}
            taken = {name: value for name, value in offered.items() if every or name in (one.name for one in parameters)}
            result = function(payload, **taken)
        else:
            result = function(model.to(env["DEVICE"]), env, folder, logger=logger)
    if not isinstance(result or {}, Mapping):
        raise RunError(f"{function.__name__}() returned a {type(result).__name__}; it must return a dict")
    metrics = logger.metrics | _numbers(result or {})
    counts = [metrics.pop(name) for name in ("samples", "num_samples") if name in metrics]
    return Evaluation(int(counts[0]) if counts else None, metrics)


def _env(training: TrainingConfig, data_root: str, prefix: str, rounds: int, number: int) -> dict[str, Any]:
    """What the executor gives to a validate function; a round's model is what the next round validates."""
    import torch

    return training.as_arguments() | {
        "SITE_NAME": "notebook",
        "JOB_ID": prefix.rpartition("/")[2],
        "CURRENT_ROUND": number,
        "NUM_ROUNDS": rounds,
        "DATA_ROOT": data_root,
        "DEVICE": "cuda" if torch.cuda.is_available() else "cpu",
        "EPOCHS": training.local_epochs,
        "BATCH_SIZE": training.batch_size,
        "LR": training.learning_rate,
    }


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """The real numbers among the values; a tensor or array of one number is one."""
    plain = {name: value.item() if getattr(value, "ndim", None) == 0 else value for name, value in values.items()}
    return {name: float(value) for name, value in plain.items() if isinstance(value, int | float) and not isinstance(value, bool)}


# By images


def _by_images(model: torch.nn.Module, pictures: Pictures, training: TrainingConfig) -> Evaluation:
    import torch

    # The very reading of the sites; it needs Pillow, which only images need.
    from ...worker import adapter, shard

    several = bool(training.extra.get("multi_label")) or any(
        len(one.labels) != 1 for one in pictures.items if one.labels is not None
    )
    measure = adapter._rt_multi_label if several else adapter._rt_single_label
    device, size = "cuda" if torch.cuda.is_available() else "cpu", training.img_size
    model.to(device)
    loss_sum = right_sum = 0.0
    predictions: list[Prediction] = []
    for start in range(0, len(pictures.items), training.batch_size):
        batch = pictures.items[start : start + training.batch_size]
        pixels = _decoded(batch, size, training.exact_pixels)
        with torch.no_grad(), _as_run_error():
            images = shard._rt_normalise(pixels, torch.empty((len(batch), 3, size, size), device=device))
            logits = adapter._rt_logits(model, images).float()
            if pictures.labelled:
                labels = [list(one.labels or ()) for one in batch]
                adapter._rt_check_labels([(one.name, "", one.labels) for one in batch], logits.shape[1], training.num_classes)
                loss, right = measure(logits, labels)
                loss_sum, right_sum = loss_sum + loss.item() * len(batch), right_sum + right.item()
        predictions += _predictions(batch, logits, several)
    count = len(predictions)
    metrics = {"val_loss": loss_sum / count, "val_accuracy": right_sum / count} if pictures.labelled else {}
    return Evaluation(count, metrics, tuple(predictions), pictures.classes)


def _decoded(batch: tuple[Picture, ...], size: int, exact: bool) -> list[np.ndarray[Any, Any]]:
    from ...worker.decode import _rt_decode

    pixels = []
    for one in batch:
        try:
            pixels.append(_rt_decode(_file(one), size, exact))
        except Exception as error:
            raise ShardError(f"{one.name} is no usable image: {error}", "JPEG and PNG are read, as on the sites.") from error
    return pixels


def _file(picture: Picture) -> Path | io.BytesIO:
    """A picture's file; one in memory becomes a PNG, which loses nothing that the model would see."""
    return picture.image if isinstance(picture.image, Path) else io.BytesIO(png_of(picture.image))


@contextmanager
def _as_run_error() -> Iterator[None]:
    """The adapter's words of a model that cannot take the images."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        raise RunError(f"the model cannot be tried on these images: {error}", _OWN) from error


def _predictions(batch: tuple[Picture, ...], logits: torch.Tensor, several: bool) -> list[Prediction]:
    scores = (logits.sigmoid() if several else logits.softmax(1)).cpu().numpy()
    found = [tuple(map(int, (row > 0.5).nonzero()[0])) if several else (int(row.argmax()),) for row in scores]
    return [Prediction(one.name, labels, row, one.labels) for one, labels, row in zip(batch, found, scores, strict=True)]
