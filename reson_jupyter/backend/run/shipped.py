"""A run's code as it was shipped, as a module of this kernel."""

from __future__ import annotations

import importlib
import linecache
import sys
import tempfile
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import RunError
from ..job import SCRIPTS
from ..store import Store


def shipped_class(store: Store, prefix: str, name: str) -> Any:
    """Returns the model's class: from the run's own model_def.py, or from the module that a dotted `name` is in.

    Raises:
        RunError: it is not to be had here.
    """
    module, _, class_name = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module) if module else shipped_module(store, prefix), class_name)
    except (ImportError, AttributeError) as error:
        raise _not_here(error) from error


def shipped_module(store: Store, prefix: str) -> types.ModuleType:
    """Returns the run's model_def.py as a module under a name of its own; it runs once in a kernel.

    The user's own files that were shipped beside it are imported as they were shipped, whatever this kernel has of their names.

    Raises:
        RunError: it imports what is not installed here.
    """
    name = f"reson_run_{prefix.rpartition('/')[2].replace('-', '_')}"
    if name in sys.modules:
        return sys.modules[name]
    source = store.get(f"{prefix}/scripts/model_def.py").decode()
    file = f"<model_def.py of {prefix}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    module = types.ModuleType(name)
    # A class looks itself up in sys.modules (dataclasses and pickle do), so the module is there before it runs.
    sys.modules[name] = module
    try:
        with _importable(_files_beside(store, prefix)):
            exec(compile(source, file, "exec"), module.__dict__)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, ImportError):
            raise _not_here(error) from error
        raise
    return module


def _files_beside(store: Store, prefix: str) -> dict[str, bytes]:
    root = f"{prefix}/scripts/"
    paths = [info.key.removeprefix(root) for info in store.list(root)]
    return {path: store.get(root + path) for path in paths if path not in SCRIPTS and path.endswith(".py")}


@contextmanager
def _importable(files: Mapping[str, bytes]) -> Iterator[None]:
    """Lets files be imported for a while, in the place of modules of the same names that are loaded already."""
    names = {path.partition("/")[0].removesuffix(".py") for path in files}
    if not names:
        yield
        return
    kernels = _loaded(names)
    with tempfile.TemporaryDirectory(prefix="reson-") as folder:
        for path, data in files.items():
            target = Path(folder) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        sys.path.insert(0, folder)
        importlib.invalidate_caches()
        try:
            _replace(kernels, {})
            yield
        finally:
            sys.path.remove(folder)
            _replace(_loaded(names), kernels)


def _loaded(names: set[str]) -> dict[str, types.ModuleType]:
    return {name: module for name, module in list(sys.modules.items()) if name.partition(".")[0] in names}


def _replace(old: Mapping[str, types.ModuleType], new: Mapping[str, types.ModuleType]) -> None:
    for name in old:
        del sys.modules[name]
    sys.modules.update(new)


def _not_here(error: Exception) -> RunError:
    return RunError(f"the run's code cannot be used here: {error}", "Install in this kernel what the run needs on its sites.")
