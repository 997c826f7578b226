"""The result of a run: from the store into the notebook."""

from __future__ import annotations

import importlib
import io
import json
import sys
import types
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ..errors import RunError
from .store import Store

if TYPE_CHECKING:
    import torch

_DEFAULT_NAME = "GLOBAL_MODEL.pt"


def load_model(store: Store, prefix: str, model_class: type[torch.nn.Module] | None) -> torch.nn.Module:
    """Builds the run's model and loads the final weights into it.

    Args:
        store: Where the run's files lie.
        prefix: The run's key prefix.
        model_class: The live class, when this kernel submitted the run; else the class comes from the source that was shipped.

    Raises:
        RunError: no model was stored, or its keys are not those of the class.
    """
    import torch

    key = _model_key(store, prefix)
    # weights_only: a checkpoint is data; nothing in it may run.
    checkpoint = torch.load(io.BytesIO(store.get(key)), map_location="cpu", weights_only=True)
    weights = checkpoint.get("model", checkpoint)
    client = json.loads(store.get(f"{prefix}/configs/config_fed_client.json"))
    args = client["executors"][0]["executor"]["args"]
    if model_class is None:
        model_class = _shipped_class(store, prefix, args["model_class"])
    model = model_class(**args["model_args"])
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise RunError(
            f"the stored weights do not fit {model_class.__name__}: {error}",
            "The class has changed since the run was submitted; reson.attach(run_id) uses the class as it was shipped.",
        ) from error
    return model.eval()


def download(store: Store, prefix: str, folder: Path) -> list[Path]:
    """Writes the objects below model_out/ and files_out/ into `folder` and returns their paths."""
    written = []
    for place in ("model_out", "files_out"):
        for info in store.list(f"{prefix}/{place}/"):
            relative = PurePosixPath(info.key.removeprefix(f"{prefix}/"))
            if relative.is_absolute() or ".." in relative.parts:
                continue  # no key of ours; a path outside the folder must not be written
            path = folder / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            store.get_file(info.key, path)
            written.append(path)
    return written


def _model_key(store: Store, prefix: str) -> str:
    """The final model's key; the file's name is not fixed by the platform, so the folder is listed."""
    keys = [info.key for info in store.list(f"{prefix}/model_out/") if info.key.endswith((".pt", ".pth"))]
    if not keys:
        raise RunError("this run stored no model", "run.state and run.errors() say what happened.")
    return next((key for key in keys if key.endswith(f"/{_DEFAULT_NAME}")), keys[0])


def _shipped_class(store: Store, prefix: str, name: str) -> Any:
    """The model class from the run's own model_def.py, or from the module that it names."""
    module_name, _, class_name = name.rpartition(".")
    if module_name:
        return getattr(importlib.import_module(module_name), class_name)
    module = types.ModuleType(f"reson_run_{prefix.rpartition('/')[2].replace('-', '_')}")
    source = store.get(f"{prefix}/scripts/model_def.py").decode()
    # A class looks itself up in sys.modules (dataclasses and pickle do), so the module is registered under a name of its own.
    sys.modules[module.__name__] = module
    exec(compile(source, f"<model_def.py of {prefix}>", "exec"), module.__dict__)
    return getattr(module, class_name)
