"""A Scaleout Edge project as people see it: what trains, what makes its seed model, what ships."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..card import Card
from ..data.report import counted
from ..errors import ProjectError
from ..units import size

if TYPE_CHECKING:
    from ..edge.project import Project

_SHOWN = 8


class ProjectCard:
    """What a front end shows of a project, as text or as HTML; its files are read for it."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def __repr__(self) -> str:
        return self._card().text

    def _repr_html_(self) -> str:
        return self._card().html()

    def _card(self) -> Card:
        return Card(f"Reson: the {self._project.title} trains", [*project_rows(self._project), *_files(self._project)])


def project_rows(project: Project) -> list[tuple[str, str]]:
    """Returns labels and texts of what the project file says; no file is read."""
    if project.kind == "importer":
        trains = f"startup(client) of {project.entry}"
    else:
        trains = ", ".join(f"{name}: {command}" for name, command in project.commands.items())
    lines = project.requirements()
    requires = "whatever the sites have: no python_env is named" if lines is None else ", ".join(lines) or "nothing"
    return [
        ("folder", str(project.folder)),
        ("trains", trains),
        ("seed", project.build or "none: add the entry point build, or name a file: %reson submit --checkpoint FILE"),
        ("requires", requires),
    ]


def _files(project: Project) -> list[tuple[str, str]]:
    try:
        files, notes = project.files(), project.notes()
    except ProjectError as error:  # it was sound when it was loaded
        return [("problem", str(error))]
    names = ", ".join([*list(files)[:_SHOWN], *(["..."] if len(files) > _SHOWN else [])])
    held = f"{counted(len(files), 'file')}, {size(sum(map(len, files.values())))}: {names}"
    ships = f"their hashes only, of {held}; the sites have them" if project.local_package else held
    return [("ships", ships), *(("note", note) for note in notes)]
