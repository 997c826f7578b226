"""`%reson project`: Scaleout Edge projects, loaded, written from what is captured, packed, and their seed models."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from IPython.display import display

from ...data.report import counted
from ...names import printable
from ...session import current_session
from ...session_card import gone, held
from ...units import size
from .parser import Parser

if TYPE_CHECKING:
    from ...edge.project import Project


def add_project_verbs(parser: Parser) -> None:
    """Adds the verb to the parser of `%reson`."""
    project = parser.add_verb("project", None, "load, write or pack a Scaleout Edge project, or build its seed model")
    load = project.add_verb(
        "load", _load, "have a project train, in place of what is captured",
        "%reson project load ./importer-client/client", "%reson project load client --local-package", metavar="ACTION",
    )  # fmt: skip
    load.add_argument("folder", metavar="DIR", help="the folder that has scaleout.yaml")
    load.add_argument("--local-package", action="store_true", help="every site has the folder; the job carries only its hashes")

    init = project.add_verb("init", _init, "write a project folder from the captured startup", "%reson project init ./my-client")
    init.add_argument("folder", metavar="DIR", help="the folder to write")

    package = project.add_verb(
        "package", _package, "pack the project that is loaded, as scaleout package create does",
        "%reson project package --out client.tgz",
    )  # fmt: skip
    package.add_argument("--out", metavar="FILE", default="package.tgz", help="the archive to write (default: package.tgz)")

    project.add_verb("build", _build, "build the seed model anew, of the project or of the captured startup")


def _load(arguments: argparse.Namespace) -> Project:
    from ... import edge

    session = current_session()
    before = held(session)
    project = edge.load_project(arguments.folder, local_package=arguments.local_package)
    if dropped := gone(before, session):
        print(f"dropped {', '.join(dropped)}: only one of them can train")
    display(project)  # which line of the cell it may be
    return project


def _init(arguments: argparse.Namespace) -> None:
    from ... import edge

    project = edge.init_project(arguments.folder)
    print(f"wrote {project.folder}: {', '.join(project.files())}")
    print(f"the cell trains as before; to have the folder train: %reson project load {shlex.quote(arguments.folder)}")


def _package(arguments: argparse.Namespace) -> None:
    from ... import edge

    archive = edge.package_project(arguments.out)
    print(f"wrote {archive} ({size(archive.stat().st_size)})")


def _build(_: argparse.Namespace) -> None:
    from ... import edge

    seed = edge.build_seed()
    for line in seed.output.splitlines():
        print(printable(line))
    what = f"{counted(len(seed.parameters), 'parameter')} of {counted(seed.numbers, 'number')}"
    print(f"built {seed.path.name}: {what}, {seed.helper}; runs start from it: {seed.path}")
