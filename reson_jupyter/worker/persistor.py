"""Keeps the global model on the server: where it starts, and a checkpoint after every round.

This file travels to the server as `custom_persistor.py`, with the reporter below it.
"""

from __future__ import annotations

import os
import shutil
import traceback
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from nvflare.apis.fl_constant import FLContextKey, WorkspaceConstants
from nvflare.apis.fl_context import FLContext
from nvflare.app_common.abstract.model import ModelLearnable, ModelLearnableKey, make_model_learnable
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_opt.pt.file_model_persistor import PTFileModelPersistor
from nvflare.app_opt.pt.model_persistence_format_manager import PTModelPersistenceFormatManager

REPORT_EVENT = "reson.report"  # local event with a dict {"type", "round", "data"}; the reporter writes it down
DEFAULT_OUT_DIR = "/app/out"
DEFAULT_OUT_FILENAME = "GLOBAL_MODEL.pt"

Weights = OrderedDict[str, torch.Tensor]


class CustomPersistor(PTFileModelPersistor):
    """Starts from the model's constructor or a checkpoint and saves {"model": state_dict, "train_conf": {...}}.

    The file is $RESONTECH_OUT_DIR/$RESONTECH_OUT_FILENAME, by default /app/out/GLOBAL_MODEL.pt. Where that folder cannot be made
    and was not asked for, it is `model_out` in the server's run folder. Each round's model stays in $RESON_ROUNDS_DIR, if that is
    set.

    Args:
        model: The model, or {"path": ..., "args": ...} to build it.
        source_ckpt_file_full_name: A checkpoint to start from: a state_dict, {"model": state_dict} or
            {"state_dict": state_dict}, or an npz whose arrays are called as the weights. A relative path is beside this file.
    """

    def __init__(self, model: Any = None, source_ckpt_file_full_name: str | None = None) -> None:
        super().__init__(model=model, source_ckpt_file_full_name=source_ckpt_file_full_name)
        self._weights: Weights = OrderedDict()

    def load_model(self, fl_ctx: FLContext) -> ModelLearnable | None:
        """The initial global model; None, after ending the run, if there is none."""
        try:
            self._weights = OrderedDict((key, value.detach().cpu()) for key, value in self.model.state_dict().items())
            if self.source_ckpt_file_full_name:
                custom = os.path.join(fl_ctx.get_prop(FLContextKey.APP_ROOT), WorkspaceConstants.CUSTOM_FOLDER_NAME)
                path = os.path.join(custom, self.source_ckpt_file_full_name)
                self._weights = fitted(read_checkpoint(path), self._weights, f"checkpoint {os.path.basename(path)}")
        except Exception as exc:
            self._fail("the initial model cannot be made", exc, fl_ctx)
            return None
        self.default_train_conf = {"train": {"model": type(self.model).__name__}}
        # Its owner, NVFlare's persistor, offers the model to other workflows through it.
        self.persistence_manager = PTModelPersistenceFormatManager(dict(self._weights), self.default_train_conf)
        return make_model_learnable({key: to_array(value) for key, value in self._weights.items()}, {})

    def save_model(self, ml: ModelLearnable, fl_ctx: FLContext) -> None:
        """Saves the round's global model; a failure ends the run."""
        try:
            current = fl_ctx.get_prop(AppConstants.CURRENT_ROUND, 0)
            last = fl_ctx.get_prop(AppConstants.START_ROUND, 0) + fl_ctx.get_prop(AppConstants.NUM_ROUNDS, 0) - 1
            self._weights = fitted(self._weights | ml[ModelLearnableKey.WEIGHTS], self._weights, "the global model")
            path = os.path.join(out_dir(fl_ctx), os.environ.get("RESONTECH_OUT_FILENAME") or DEFAULT_OUT_FILENAME)
            write_checkpoint(path, {"model": self._weights, "train_conf": self.default_train_conf})
            if current >= last:
                verify_checkpoint(path, self._weights)
            keep_round(path, current)
            data = {"file": os.path.basename(path), "bytes": os.path.getsize(path), "final": current >= last}
            self._report({"type": "saved", "round": current, "data": data}, fl_ctx)
        except Exception as exc:
            self._fail("the global model cannot be saved", exc, fl_ctx)

    def _fail(self, what: str, exc: Exception, fl_ctx: FLContext) -> None:
        text = traceback.format_exc()
        reason = f"{what}: {type(exc).__name__}: {exc}".splitlines()[0]
        self.log_error(fl_ctx, text, fire_event=False)
        self._report({"type": "error", "round": None, "data": {"message": reason, "traceback": text}}, fl_ctx)
        self.system_panic(reason, fl_ctx)

    def _report(self, event: dict[str, Any], fl_ctx: FLContext) -> None:
        self.fire_event_with_data(REPORT_EVENT, fl_ctx, FLContextKey.EVENT_DATA, event)


def out_dir(fl_ctx: FLContext) -> str:
    """The folder for the checkpoint, created.

    Raises:
        OSError: RESONTECH_OUT_DIR is set and cannot be created.
    """
    asked = os.environ.get("RESONTECH_OUT_DIR")
    path = asked or DEFAULT_OUT_DIR
    try:
        os.makedirs(path, exist_ok=True)
    except OSError:
        if asked:
            raise
        run_dir = fl_ctx.get_engine().get_workspace().get_run_dir(fl_ctx.get_job_id())
        path = os.path.join(run_dir, "model_out")
        os.makedirs(path, exist_ok=True)
    return path


def to_array(value: torch.Tensor) -> np.ndarray:
    """The tensor as it travels: 16-bit floats as float32."""
    if value.is_floating_point() and value.element_size() < 4:
        value = value.float()
    return value.numpy()


def fitted(weights: Mapping[str, Any], template: Weights, what: str) -> Weights:
    """The weights as tensors of the template's dtypes; averaged integer buffers are rounded.

    Raises:
        ValueError: keys or shapes differ from the template.
    """
    if weights.keys() != template.keys():
        missing, extra = sorted(template.keys() - weights.keys()), sorted(weights.keys() - template.keys())
        raise ValueError(f"{what} does not fit the model: missing {missing[:5]}, unexpected {extra[:5]}")
    tensors: Weights = OrderedDict()
    for key, like in template.items():
        tensor = torch.as_tensor(weights[key])
        if tensor.shape != like.shape:
            raise ValueError(f"{what}: {key} has the shape {list(tensor.shape)}, the model's has {list(like.shape)}")
        if tensor.is_floating_point() and not (like.is_floating_point() or like.is_complex()):
            tensor = tensor.round()
        tensors[key] = tensor.to(like.dtype)
    return tensors


def read_checkpoint(path: str) -> Mapping[str, Any]:
    """The state_dict in a checkpoint file, or the arrays of an npz by their names.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: there is no state_dict in it.
    """
    if is_npz(path):
        with np.load(path, allow_pickle=False) as arrays:
            # In this machine's byte order, as torch knows no other.
            return {key: value.astype(value.dtype.newbyteorder("="), copy=False) for key, value in arrays.items()}
    content = torch.load(path, map_location="cpu", weights_only=True)
    for key in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{os.path.basename(path)} has no state_dict but a {type(content).__name__}")
    return content


def is_npz(path: str) -> bool:
    """Whether a file is one of numpy's archives; torch's are zips as well."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return all(name.endswith(".npy") for name in archive.namelist())


def write_checkpoint(path: str, content: dict[str, Any]) -> None:
    """Writes the file so that a reader sees the old one or the new one, never half of it."""
    temporary = f"{path}.tmp"
    try:
        with open(temporary, "wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def keep_round(path: str, round_: int) -> None:
    """Leaves the round's checkpoint in $RESON_ROUNDS_DIR, too; the next round replaces the file at `path`, not its content."""
    folder = os.environ.get("RESON_ROUNDS_DIR")
    if not folder:
        return
    os.makedirs(folder, exist_ok=True)
    kept = os.path.join(folder, f"round_{round_:05d}.pt")
    try:
        os.link(path, f"{kept}.tmp")
    except OSError:  # another file system, or one without links
        shutil.copyfile(path, f"{kept}.tmp")
    os.replace(f"{kept}.tmp", kept)


def verify_checkpoint(path: str, weights: Weights) -> None:
    """Raises OSError unless the file has exactly these weights."""
    saved = read_checkpoint(path)
    for key, value in weights.items():
        # Bytes, so that NaN is equal to itself.
        if key not in saved or not torch.equal(as_bytes(saved[key]), as_bytes(value)):
            raise OSError(f"{path} does not read back as it was written: {key} differs")


def as_bytes(value: torch.Tensor) -> torch.Tensor:
    """The tensor's memory."""
    return value.contiguous().reshape(-1).view(torch.uint8)
