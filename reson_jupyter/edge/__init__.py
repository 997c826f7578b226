"""Scaleout Edge projects and their callbacks, on NVFlare: what a client of Scaleout Edge imports, and project folders.

    import reson_jupyter as reson
    reson.edge.load_project("client")  # the folder that has scaleout.yaml
    run = reson.submit(name="moved", rounds=3)

In a notebook the same goes with `%reson project load client`; a cell under `%%reson_startup` needs no folder.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ProjectError
from ..session import current_session
from .names import install
from .project import Project, read_project, reread
from .project import init_project as _init_project
from .project import package as _package

if TYPE_CHECKING:
    from .seed import Seed
    from .travel import (
        ConnectToApiResult,
        EdgeClient,
        LoggingContext,
        ScaleoutModel,
        StoppedException,
        get_helper,
    )

# From the package that travels, which imports torch; so it is loaded when somebody asks.
_TRAVELLING = ("ConnectToApiResult", "EdgeClient", "LoggingContext", "ScaleoutModel", "StoppedException", "get_helper")

_LOAD = '%reson project load FOLDER (reson.edge.load_project("FOLDER"))'

__all__ = [
    "ConnectToApiResult",
    "EdgeClient",
    "LoggingContext",
    "Project",
    "ScaleoutModel",
    "StoppedException",
    "build_seed",
    "get_helper",
    "init_project",
    "load_project",
    "package_project",
]

install()


def load_project(path: str | Path, *, local_package: bool = False) -> Project:
    """Reads a project folder, and takes it as what trains, in place of anything that was captured or loaded before.

    Args:
        path: The folder that has scaleout.yaml, or the one around it if that is called "client".
        local_package: Whether every site has the folder already; the job then carries the files' hashes instead of the files.

    Returns:
        The project.

    Raises:
        ProjectError: there is no project, or something in it cannot be used; what trained before stays.
    """
    project = read_project(path, local_package=local_package)
    current_session().set_project(project)
    return project


def init_project(path: str | Path) -> Project:
    """Writes a project folder from the captured startup, which Scaleout's own client runs as well.

    Args:
        path: The folder; it is made, and may be there only if it is empty.

    Returns:
        The project that was written. What trains is still the captured startup.

    Raises:
        ProjectError: no startup is captured, the folder has files, or it cannot be written.
    """
    return _init_project(path, current_session())


def package_project(out: str | Path = "package.tgz") -> Path:
    """Packs the loaded project as `scaleout package create` does.

    Args:
        out: The archive, whose name ends in .tgz or .tar.gz; or a folder.

    Returns:
        The archive, by its full path.

    Raises:
        ProjectError: no project is loaded, a file cannot ship, or the archive cannot be written.
    """
    project = current_session().project
    if project is None:
        raise ProjectError("no project is loaded", f"Load one first: {_LOAD}.")
    return _package(reread(project), out)


def build_seed() -> Seed:
    """Builds the seed model anew, of the loaded project or of the captured startup; the next runs start from it.

    Returns:
        The seed: its `path`, its `helper`, its `parameters`, and the `output` of the build.

    Raises:
        ProjectError: there is neither, or the project's files cannot be used.
        JobError: there is no build, or it made no model.
    """
    from .seed import seed_of

    session = current_session()
    source = reread(session.project) if session.project else session.capture("startup")
    if source is None:
        hint = f"Load a project: {_LOAD}; or put %%reson_startup on a cell that also defines build()."
        raise ProjectError("neither a project is loaded nor a startup captured, so there is no build()", hint)
    return seed_of(source, anew=True)


def __getattr__(name: str) -> Any:
    if name in _TRAVELLING:
        return getattr(import_module(".travel", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
