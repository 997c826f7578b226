"""Scaleout's names in the code of users: what stands behind each of them here, in this kernel and on the sites."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType

from ..capture.imports.requirements import PROVIDED as PROVIDED
from .travel.refused import REFUSED

_TRAVEL = Path(__file__).parent / "travel"

_MODEL = {"ScaleoutModel": "model.ScaleoutModel"}
_CLIENT = {"EdgeClient": "client.EdgeClient"}
_RESULT = {"ConnectToApiResult": "connection.ConnectToApiResult"}
_OPTIONS = {"GrpcConnectionOptions": "connection.GrpcConnectionOptions"}
_CONTEXT = {"LoggingContext": "context.LoggingContext"}
_STOPPED = {"StoppedException": "client.StoppedException"}
_LOGGER = {"ScaleoutLogger": "logger.ScaleoutLogger"}
_BASE = {"HelperBase": "helper_base.HelperBase"}
_HELPERS = ("get_helper", "save_metadata", "load_metadata", "save_metrics")
_MESSAGES = ("FileChunk", "LogLevel", "ModelResponse", "ModelStatus", "TaskRequest")

# Scaleout's modules, with the names in them and what each is in the travelling package. Of 1.0, and where 1.1 has them still.
ALIASES: Mapping[str, Mapping[str, str]] = {
    "scaleout": _CLIENT | _MODEL,
    "scaleout.client": {},
    "scaleout.client.edge_client": _CLIENT | _MODEL | _RESULT | _OPTIONS | _CONTEXT | _STOPPED,
    "scaleout.client.grpc_handler": _OPTIONS,
    "scaleout.client.logging_context": _CONTEXT,
    "scaleout.client.task_receiver": _STOPPED,
    "scaleoututil": _LOGGER,
    "scaleoututil.api": {},
    "scaleoututil.api.client": {},
    "scaleoututil.grpc": {},
    "scaleoututil.grpc.scaleout_pb2": {name: f"messages.{name}" for name in _MESSAGES},
    "scaleoututil.helpers": {},
    "scaleoututil.helpers.helperbase": _BASE,
    "scaleoututil.helpers.helpers": {name: f"helpers.{name}" for name in _HELPERS},
    "scaleoututil.helpers.plugins": {},
    "scaleoututil.helpers.plugins.binaryhelper": {"Helper": "numpy_helper.BinaryHelper"},
    "scaleoututil.helpers.plugins.numpyhelper": {"Helper": "numpy_helper.NumpyHelper"},
    "scaleoututil.logging": _LOGGER,
    "scaleoututil.utils": {},
    "scaleoututil.utils.model": _MODEL,
}


def install() -> None:
    """Makes Scaleout's names importable in this kernel, unless Scaleout's own packages are installed; more calls do nothing."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def travel_files() -> dict[str, bytes]:
    """Returns what a job of Scaleout's callbacks ships below scripts/: the package `reson_edge`, and Scaleout's names for it."""
    files = {f"reson_edge/{file.relative_to(_TRAVEL).as_posix()}": file.read_bytes() for file in sorted(_TRAVEL.rglob("*.py"))}
    for module in ALIASES:
        path = module.replace(".", "/") + ("/__init__.py" if _is_package(module) else ".py")
        files[path] = _text(module, "reson_edge").encode()
    return files


def _is_package(module: str) -> bool:
    return any(other.startswith(f"{module}.") for other in ALIASES)


def _text(module: str, package: str) -> str:
    """The source of a module of Scaleout's whose names are those of the travelling package, as that is called there."""
    lines = [f'"""Scaleout\'s {module}, as far as a run here has it."""', ""]
    for name, behind in ALIASES[module].items():
        home, _, called = behind.rpartition(".")
        lines.append(f"from {package}.{home} import {called}" + (f" as {name}" if name != called else ""))
    if module in REFUSED:
        lines.append(f"from {package}.refused import refusing as _refusing")
        lines += ["", "__getattr__ = _refusing(__name__)"]
    return "\n".join([*lines, "", f"__all__ = {sorted(ALIASES[module])}", ""])


class _Loader(InspectLoader):
    """Makes the modules of `ALIASES` in this kernel, of the same text as a job's files."""

    def is_package(self, fullname: str) -> bool:
        return _is_package(fullname)

    def get_source(self, fullname: str) -> str:
        return _text(fullname, f"{__package__}.travel")


class _Finder:
    """Finds the modules of `ALIASES` where Scaleout's own package is not installed.

    It stands in front of the others and asks them, because a mere folder beside the notebook that is called scaleout, such as a
    project's, would be a package to them.
    """

    def __init__(self) -> None:
        self._loader = _Loader()

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in ALIASES or not self._is_ours(name, path):
            return None
        return spec_from_loader(name, self._loader)

    def _is_ours(self, name: str, path: Sequence[str] | None) -> bool:
        if package := name.rpartition(".")[0]:
            spec = getattr(sys.modules.get(package), "__spec__", None)
            return spec is not None and spec.loader is self._loader
        others = (finder.find_spec(name, path) for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec"))
        return not any(spec is not None and spec.origin is not None for spec in others)
