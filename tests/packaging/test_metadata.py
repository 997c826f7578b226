from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import version

from packaging.requirements import Requirement
from packaging.version import Version

import reson_jupyter

from .conftest import REPOSITORY

# Releases before these have known security holes.
FLOORS = {
    "nvflare": "2.7.2",
    "jupyter_server": "2.20.0",
    "jupyterlab": "4.5.7",
    "notebook": "7.5.6",
    "pillow": "12.3.0",
    "torch": "2.10",
}

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
EXTENSION = json.loads((REPOSITORY / "labextension" / "package.json").read_text())


def test_no_dependency_may_be_older_than_its_last_security_fix() -> None:
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    required = [Requirement(line) for line in PROJECT["dependencies"] + extras]
    floors = {entry.name: Version(part.version) for entry in required for part in entry.specifier if part.operator == ">="}
    assert {name: str(floors[name]) for name, floor in FLOORS.items() if floors[name] < Version(floor)} == {}


def test_the_version_stands_in_the_extension_and_is_the_packages_own() -> None:
    assert reson_jupyter.__version__ == version("reson-jupyter") == EXTENSION["version"]


def test_the_extension_is_where_jupyterlab_is_told_that_it_is() -> None:
    assert reson_jupyter._jupyter_labextension_paths() == [{"src": "labextension", "dest": EXTENSION["name"]}]


def test_the_lock_file_names_packages_and_versions_but_no_server() -> None:
    lock = (REPOSITORY / "labextension" / "yarn.lock").read_text()
    assert not re.search(r"https?://|__archiveUrl", lock)


def test_constraints_pin_only_what_the_project_asks_for() -> None:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pinned = {Requirement(text.partition("#")[0]) for text in lines if text and not text.startswith("#")}
    everything = PROJECT["dependencies"] + [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    asked = {Requirement(line).name: Requirement(line).specifier for line in everything}
    for pin in pinned:
        [exact] = pin.specifier
        assert exact.operator == "=="
        assert asked[pin.name].contains(exact.version), f"{pin} is outside the range of pyproject.toml"
