"""Scaleout's names in the code of users, in the kernel and on a site."""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.capture.imports.local_modules import local_files
from reson_jupyter.capture.imports.requirements import distributions_of, is_known, is_local, requirements_for
from reson_jupyter.edge import names, travel
from reson_jupyter.errors import CaptureError

from .conftest import RELEASES, VENVS
from .names_table import LISTED, NAMES, REPLACEMENTS, UNDOCUMENTED, Name

ALL = [(module, name) for module in names.ALIASES for name in names.ALIASES[module]]
SITE = {"numpy", "torch", "nvflare", "psutil"}  # NVFlare needs the last itself


def _forget_scaleout() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in names.PROVIDED]:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    """Whatever a test imports as Scaleout's is imported anew by the next."""
    _forget_scaleout()
    yield
    _forget_scaleout()


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A job's scripts folder with what travels."""
    folder = tmp_path / "scripts"
    for path, content in names.travel_files().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def _python(script: str, *args: object, cwd: Path, path: str = "") -> str:
    command = [sys.executable, "-c", script, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# In the kernel


@pytest.mark.parametrize(("module", "name"), ALL)
def test_a_name_means_the_one_of_the_package_that_travels(module: str, name: str) -> None:
    home, _, called = names.ALIASES[module][name].rpartition(".")
    behind = getattr(importlib.import_module(f"reson_jupyter.edge.travel.{home}"), called)
    assert getattr(importlib.import_module(module), name) is behind


def test_the_imports_of_the_guides_project_work() -> None:
    namespace: dict[str, Any] = {}
    exec("from scaleout import EdgeClient, ScaleoutModel\nfrom scaleoututil.helpers.helpers import get_helper", namespace)
    assert namespace["EdgeClient"] is travel.EdgeClient
    assert namespace["ScaleoutModel"] is travel.ScaleoutModel
    assert namespace["get_helper"]("numpyhelper").name == "numpyhelper"


def test_a_module_lists_its_names_for_star_imports() -> None:
    namespace: dict[str, Any] = {}
    exec("from scaleout import *", namespace)
    assert {"EdgeClient", "ScaleoutModel"} == {name for name in namespace if not name.startswith("__")}


@pytest.mark.parametrize(
    "statement", ["import scaleout.cli.main", "import scaleoututil.api.server", "from scaleout import nothing"]
)
def test_what_is_not_there_is_an_ordinary_import_error(statement: str) -> None:
    with pytest.raises(ImportError, match=r"No module named|cannot import name 'nothing' from 'scaleout'"):
        exec(statement)
    assert not hasattr(importlib.import_module("scaleout"), "nothing")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("from scaleout import Scaleout", "scaleout has no Scaleout here: .* run = reson.submit"),
        ("from scaleoututil.api.client import Scaleout", "scaleoututil.api.client has no Scaleout here"),
        ("from scaleout import PriorityClass", "scaleout has no PriorityClass here: .* leave priorities out"),
        ("from scaleoututil.utils.model import ScaleoutModelBuilder", r"use ScaleoutModel\.from_model_params"),
    ],
)
def test_a_name_that_cannot_apply_says_what_to_use(statement: str, message: str) -> None:
    with pytest.raises(ImportError, match=message):
        exec(statement)


def test_installing_again_changes_nothing() -> None:
    before = list(sys.meta_path)
    names.install()
    assert sys.meta_path == before


def test_scaleouts_own_package_comes_first_in_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "scaleout").mkdir()
    (tmp_path / "scaleout/__init__.py").write_text("EdgeClient = 'its own'")
    script = (
        "import reson_jupyter.edge, scaleout, importlib.util\n"
        "from scaleoututil.utils.model import ScaleoutModel\n"
        "print(scaleout.EdgeClient, importlib.util.find_spec('scaleout.client'), ScaleoutModel.__module__)"
    )
    assert _python(script, cwd=tmp_path, path=str(tmp_path)) == "its own None reson_jupyter.edge.travel.model"


def test_a_mere_folder_of_that_name_beside_the_notebook_does_not_hide_the_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scaleout/client").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.import_module("scaleout").EdgeClient is travel.EdgeClient


def test_scaleouts_logger_writes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    logger = importlib.import_module("scaleoututil.logging").ScaleoutLogger()
    logger.warning("%s is full", "disk")
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("scaleout", "WARNING", "disk is full")
    ]


# In what is captured

STARTUP = """\
import scaleout
from scaleout import EdgeClient, ScaleoutModel
from scaleoututil.helpers.helpers import get_helper
import scaleoututil.grpc.scaleout_pb2 as messages
"""


@pytest.mark.parametrize("loaded", [False, True])
def test_scaleouts_imports_are_no_files_of_the_user(loaded: bool) -> None:
    if loaded:
        exec(STARTUP, {})
    assert local_files(STARTUP) == ()


@pytest.mark.parametrize("module", ["scaleout", "scaleout.client.edge_client", "scaleoututil.helpers.helpers", "reson_edge.site"])
def test_scaleouts_imports_are_known_and_no_requirement(module: str) -> None:
    assert is_known(module)
    assert not is_local(module)
    assert distributions_of(module) == ()
    assert requirements_for([module]) == requirements_for([])


def test_an_installed_scaleout_is_no_requirement_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(next((VENVS / "1.0/lib").glob("*/site-packages")))
    assert distributions_of("scaleout") == ()
    assert local_files("from scaleout import EdgeClient") == ()


def test_a_users_module_that_imports_scaleout_ships_and_needs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "callbacks_of_mine.py").write_text("from scaleout import ScaleoutModel\n")
    monkeypatch.syspath_prepend(tmp_path)
    (file,) = local_files("import callbacks_of_mine")
    assert (file.path, file.imports) == ("callbacks_of_mine.py", ("scaleout",))


@pytest.mark.parametrize("name", ["scaleout", "reson_edge"])
def test_a_users_own_file_of_that_name_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{name}.py").write_text("EdgeClient = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module(name)
    try:
        with pytest.raises(CaptureError, match=f"line 1: {name} is a file of yours, but also the name of"):
            local_files(f"import {name}")
    finally:
        sys.modules.pop(name, None)


# In a job


def test_what_travels_is_the_package_and_scaleouts_names() -> None:
    files = names.travel_files()
    assert {path.split("/")[0] for path in files} == {"reson_edge", "scaleout", "scaleoututil"}
    assert {"reson_edge/__init__.py", "scaleout/__init__.py", "scaleoututil/helpers/helpers.py"} <= files.keys()
    assert all(path.endswith(".py") for path in files)
    assert files == names.travel_files()


def test_what_travels_needs_nothing_that_a_site_has_not() -> None:
    for path, content in names.travel_files().items():
        tree = ast.parse(content)
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
        tops = {name.split(".")[0] for name in imported} - sys.stdlib_module_names
        allowed = SITE | {"requests"} if path == "reson_edge/connection.py" else SITE
        assert tops <= (allowed if path.startswith("reson_edge/") else {"reson_edge"}), path


_ON_A_SITE = """
import json, sys
before = sys.argv[2:] == ["loaded"]
if before:
    import scaleout, scaleoututil.utils.model
sys.path.append(sys.argv[1])
import reson_edge
from scaleout import EdgeClient, ScaleoutModel
from scaleout.client.task_receiver import StoppedException
from scaleoututil.helpers.helpers import get_helper
from scaleoututil.helpers.plugins.numpyhelper import Helper
import scaleoututil.utils.model
made = [EdgeClient, ScaleoutModel, StoppedException, get_helper, Helper, scaleoututil.utils.model.ScaleoutModel]
print(json.dumps([one.__module__ for one in made] + ["torch" in sys.modules]))
"""
_OURS = [f"reson_edge.{module}" for module in ("client", "model", "client", "helpers", "numpy_helper", "model")]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("loaded", [(), ("loaded",)], ids=["not loaded", "loaded"])
def test_on_a_site_that_has_scaleout_installed_the_jobs_own_names_win(
    release: str, loaded: tuple[str, ...], scaleout: Any, scripts: Path
) -> None:
    """A simulated site has the scripts folder at the end of its path."""
    assert json.loads(scaleout(release, _ON_A_SITE, scripts, *loaded, cwd=scripts.parent)) == [*_OURS, False]


def test_on_a_site_without_scaleout_the_names_are_there(scripts: Path) -> None:
    assert json.loads(_python(_ON_A_SITE, scripts, cwd=scripts.parent)) == [*_OURS, False]


def test_a_program_that_a_project_starts_has_the_names_by_its_path(scripts: Path) -> None:
    script = "from scaleoututil.helpers.helpers import get_helper; print(get_helper('numpyhelper').__module__)"
    assert _python(script, cwd=scripts.parent, path=str(scripts)) == "reson_edge.numpy_helper"


def test_on_a_site_a_name_that_cannot_apply_says_what_to_use(scripts: Path) -> None:
    script = "try:\n    from scaleout import Scaleout\nexcept ImportError as error:\n    print(error)"
    assert "scaleout has no Scaleout here" in _python(script, cwd=scripts.parent, path=str(scripts))


# Name by name

_HAS = """
import importlib, json, sys
missing = []
for module, name in json.loads(sys.argv[1]):
    try:
        getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        missing.append(f"{module}.{name}")
print(json.dumps(missing))
"""


def test_no_name_is_made_up(scaleout: Any) -> None:
    assert json.loads(scaleout("1.0", _HAS, json.dumps(ALL))) == []


MEMBERS = (Path(__file__).parent / "public_members.py").read_text("utf-8")


def test_every_member_of_1_0_is_called_as_there_or_listed_with_the_reason(scaleout: Any, scripts: Path) -> None:
    theirs = json.loads(scaleout("1.0", MEMBERS))
    ours = json.loads(_python(MEMBERS, cwd=scripts.parent, path=str(scripts)))
    for owner in ("ConnectToApiResult", "LogLevel"):
        assert ours.pop(owner) == theirs.pop(owner)
    missing = []
    for owner, members in theirs.items():
        for member, wanted in members.items():
            if member not in ours[owner]:
                missing.append(f"{owner}.{member}")
            elif wanted is not None:
                found = ours[owner][member]
                assert list(found)[: len(wanted)] == list(wanted), f"{owner}.{member}"
                assert all(found[name] for name, optional in wanted.items() if optional), f"{owner}.{member}"
                assert all(list(found.values())[len(wanted) :]), f"{owner}.{member}"
    assert sorted(missing) == sorted(UNDOCUMENTED)


def test_every_name_of_1_1_that_replaced_a_documented_one_is_there() -> None:
    for owner, name in REPLACEMENTS:
        assert callable(getattr(getattr(travel, owner), name)), name


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.name)
def test_every_documented_name_is_there_and_shown_by_a_test(name: Name) -> None:
    if name.found_at:
        module, _, path = name.found_at.partition(":")
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    file, _, function = name.shown_by.partition("::")
    tree = ast.parse((Path(__file__).parents[1] / file).read_text("utf-8"))
    assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_no_name_is_both_there_and_listed_as_missing() -> None:
    assert not {name.name for name in NAMES} & LISTED.keys()
    assert len({name.name for name in NAMES}) == len(NAMES)
