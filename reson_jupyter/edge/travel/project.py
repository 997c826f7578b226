"""A project at a site: its folder, and the startup that registers its callbacks."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from .dispatcher import Dispatcher
from .local_package import BadProject, linked, local_folder

# NVFlare lays a job out as <workspace>/<run>/<app>/custom, beside <workspace>/local.
_SCRIPTS = Path(__file__).parents[1]
# Python would import the job's own files by these names, whatever the project has.
_OF_THE_JOB = ("model_def", "custom_client_executor", "custom_persistor", "reson_edge")


def startup_of(spec: Mapping[str, Any]) -> Callable[[Any], None]:
    """Returns the `startup(client)` of a project.

    Args:
        spec: {"kind": "importer" or "dispatcher", "entry": the startup script in the project's folder, "commands": {name: shell
            command}, "local": None, or {"files": {path: SHA-256}} for a project that does not travel}.

    Raises:
        BadProject: the site does not have the project that it should have, or the project cannot be imported beside a job.
    """
    folder = _SCRIPTS / "project"
    if spec["local"] is not None:
        folder = linked(local_folder(spec["local"]["files"], _SCRIPTS.parents[2]), folder)
    if spec["kind"] == "dispatcher":
        return partial(_dispatch, folder, spec["commands"])
    for name in _OF_THE_JOB:
        if (folder / f"{name}.py").exists() or (folder / name).is_dir():
            raise BadProject(f"the project has a module {name}, a name that the job needs itself; call it something else")
    return partial(_import_and_start, folder, spec["entry"])


def _dispatch(folder: Path, commands: Mapping[str, str], client: Any) -> None:
    client.package_path = str(folder)
    Dispatcher(client, folder, _SCRIPTS, commands).start()


def _import_and_start(folder: Path, entry: str, client: Any) -> None:
    """Imports the startup script as Scaleout does, and calls its `startup`; the folder stays where Python looks for modules."""
    path = folder / entry
    client.package_path = str(folder)
    sys.path[:0] = dict.fromkeys((str(folder), str(path.parent)))
    module = _module_of(path)
    if not callable(startup := getattr(module, "startup", None)):
        raise BadProject(f"{entry} does not define the function startup(client), which registers the callbacks")
    startup(client)


def _module_of(path: Path) -> Any:
    """The module of a file, by its plain name: also where the site has another module of that name."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module
