"""Scaleout Edge project folders: read, checked, packed, and written from what a notebook has captured."""

from __future__ import annotations

from .initial import init_project
from .packing import package
from .project import Environment, Kind, Project
from .reading import read_project, reread

__all__ = ["Environment", "Kind", "Project", "init_project", "package", "read_project", "reread"]
