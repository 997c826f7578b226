"""A project at a site: which folder it is, and what its startup does there."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from reson_jupyter.backend.failure.explain import explain

from .legacy import COMMANDS, write_project
from .site_side import Client, write_scripts

STARTUP = """
    import train


    def startup(client):
        client.set_train_callback(train.train)
"""
TRAIN = """
    import os

    HERE = os.path.dirname(os.path.realpath(__file__))


    def train(model, settings):
        import later

        return later.answer(HERE)
"""
LATER = """
    def answer(folder):
        return folder, 1 / len(folder)
"""
FILES = {"startup.py": STARTUP, "train.py": TRAIN, "later.py": LATER}
SPEC: dict[str, Any] = {"kind": "importer", "entry": "startup.py", "commands": {}, "local": None}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a job's scripts at a site; what is imported there is forgotten at the end."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.delenv("RESON_PROJECT", raising=False)
    before = set(sys.modules)
    yield write_scripts(tmp_path / "workspace")
    for name in set(sys.modules) - before:
        del sys.modules[name]


def project_module(site: Path) -> ModuleType:
    """`reson_edge.project` as the site has it; its neighbours are the kernel's, so that nothing is imported twice."""
    name = "reson_jupyter.edge.travel.project"
    spec = importlib.util.spec_from_file_location(name, site / "reson_edge" / "project.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text).removeprefix("\n"))
    return folder


def started(site: Path, **spec: Any) -> Client:
    client = Client()
    project_module(site).startup_of(SPEC | spec)(client)
    return client


def hashes(folder: Path, *names: str) -> dict[str, Any]:
    return {"files": {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}}


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(Exception) as caught:
        call()
    assert type(caught.value).__name__ == "BadProject"
    return str(caught.value)


def test_startup_registers_callbacks_that_find_their_neighbours_and_their_folder(site: Path) -> None:
    write(site / "project", FILES)
    client = started(site)
    folder, value = client.callbacks["train"](None, {})
    assert folder == str(site / "project") == client.package_path
    assert value == 1 / len(folder), "a module that is only imported in a round is found, too"


def test_a_startup_in_a_folder_of_the_project_finds_what_is_beside_it_and_above(site: Path) -> None:
    files = {"code/startup.py": STARTUP + "    import above", "code/train.py": TRAIN, "above.py": "", "later.py": LATER}
    write(site / "project", files)
    client = started(site, entry="code/startup.py")
    assert client.callbacks["train"](None, {})[0] == str(site / "project" / "code")


def test_the_projects_modules_win_over_modules_of_the_same_names_elsewhere(site: Path, tmp_path: Path) -> None:
    sys.path.insert(0, str(write(tmp_path / "elsewhere", {"train.py": "train = None", "startup.py": "startup = None"})))
    sys.modules["startup"] = ModuleType("startup")
    write(site / "project", FILES)
    assert callable(started(site).callbacks["train"])


@pytest.mark.parametrize("text", ["def start(client):\n    pass\n", "startup = 3\n", ""])
def test_a_startup_script_without_startup_is_refused_with_what_it_needs(site: Path, text: str) -> None:
    write(site / "project", {"startup.py": text})
    assert refusal(lambda: started(site)) == (
        "startup.py does not define the function startup(client), which registers the callbacks"
    )


def test_an_error_in_a_startup_script_keeps_its_place_and_can_be_tried_again(site: Path) -> None:
    write(site / "project", FILES | {"startup.py": "import train\n\nraise OSError('no data')\n"})
    with pytest.raises(OSError, match="no data") as caught:
        started(site)
    text = "".join(traceback.format_exception(caught.value))
    failure = explain("OSError: no data", text, {})
    assert failure.where and failure.where.where == "project/startup.py, line 3"
    assert [frame.source for frame in failure.frames] == ["project/startup.py"], "our own calls are not the user's"
    write(site / "project", {"startup.py": STARTUP})
    assert started(site).callbacks


@pytest.mark.parametrize("name", ["model_def.py", "custom_client_executor.py", "custom_persistor.py", "reson_edge/__init__.py"])
def test_a_project_with_a_module_of_the_jobs_own_name_is_refused(site: Path, name: str) -> None:
    write(site / "project", FILES | {name: ""})
    said = refusal(lambda: started(site))
    assert name.removesuffix(".py").removesuffix("/__init__") in said and "call it something else" in said


def test_a_legacy_project_registers_its_commands(site: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_project(site / "project")
    client = started(site, kind="dispatcher", entry="", commands=COMMANDS)
    assert sorted(client.callbacks) == ["predict", "train", "validate"]
    assert client.package_path == str(site / "project") and capfd.readouterr().out == "begun in project\n"


def test_a_local_package_runs_where_the_site_has_it(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = write(tmp_path / "srv" / "client", FILES | {"data/here.txt": "the site's own", "note.py": "other = 1"})
    monkeypatch.setenv("RESON_PROJECT", str(own))
    client = started(site, local=hashes(own, *FILES))
    assert client.callbacks["train"](None, {})[0] == str(own), "its data is beside its code"


def test_a_place_in_reson_json_of_the_workspace_is_found(site: Path, tmp_path: Path) -> None:
    own = write(tmp_path / "srv" / "client", FILES)
    write(site.parents[2] / "local", {"reson.json": json.dumps({"data_root": "/data", "project": str(own)})})
    assert started(site, local=hashes(own, *FILES)).callbacks


def test_a_failure_in_a_local_package_is_told_as_one_of_a_project_that_shipped(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = write(tmp_path / "srv" / "client", FILES | {"later.py": "def answer(folder):\n    return 1 / 0\n"})
    monkeypatch.setenv("RESON_PROJECT", str(own))
    client = started(site, local=hashes(own, *FILES))
    with pytest.raises(ZeroDivisionError) as caught:
        client.callbacks["train"](None, {})
    failure = explain("", "".join(traceback.format_exception(caught.value)), {})
    assert [frame.where for frame in failure.frames] == ["project/train.py, line 9", "project/later.py, line 2"]


def test_a_legacy_local_package_fails_with_its_files_by_their_names(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = write_project(tmp_path / "srv" / "client", validate="raise OSError('gone')\n")
    monkeypatch.setenv("RESON_PROJECT", str(own))
    client = started(site, kind="dispatcher", entry="", commands=COMMANDS, local=hashes(own, "validate.py"))
    from reson_jupyter.edge.travel.model import ScaleoutModel

    with pytest.raises(Exception, match="gone") as caught:
        client.callbacks["validate"](ScaleoutModel())
    failure = explain("", "".join(traceback.format_exception(caught.value)), {})
    assert failure.where and failure.where.where == "project/validate.py, line 1"


def test_a_local_package_that_differs_is_refused_with_the_differences(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = write(tmp_path / "client", FILES)
    meant = hashes(own, *FILES)
    (own / "train.py").write_text("# another\n")
    (own / "later.py").unlink()
    (own / "later.py").mkdir()
    (own / "startup.py").unlink()
    monkeypatch.setenv("RESON_PROJECT", str(own))
    assert refusal(lambda: started(site, local=meant)) == (
        f"the project in {own} is not the one that this run was submitted with: later.py cannot be read (Is a directory), "
        "startup.py is missing, train.py differs; bring the folder up to date, or submit the run with the project as it is here"
    )
    many = {"files": {f"{number:03}.py": "0" * 64 for number in range(40)}}
    assert "004.py is missing and 35 more; bring" in refusal(lambda: started(site, local=many))


def test_it_is_refused_before_startup_so_that_a_site_says_so_before_the_first_round(site: Path) -> None:
    startup_of = project_module(site).startup_of
    assert "RESON_PROJECT" in refusal(lambda: startup_of(SPEC | {"local": {"files": {}}}))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"project": 3}', '{"project": ""}', "[" * 100_000])
def test_a_site_that_does_not_say_where_its_code_is_is_told_how_to(site: Path, content: str) -> None:
    write(site.parents[2] / "local", {"reson.json": content})
    said = refusal(lambda: started(site, local={"files": {}}))
    assert "RESON_PROJECT" in said or f"{site.parents[2]}/local/reson.json cannot be read" in said


@pytest.mark.parametrize("place", ["client", "/no/such/folder", "~/no-such-folder"])
def test_a_place_that_is_no_folder_is_refused(site: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("RESON_PROJECT", place)
    assert refusal(lambda: started(site, local={"files": {}})) == (
        f"RESON_PROJECT says that the project is in {place!r}, which is no folder of this site"
    )


def test_a_site_whose_process_is_started_anew_takes_the_folder_that_is_set_now(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        own = write(tmp_path / name, FILES)
        monkeypatch.setenv("RESON_PROJECT", str(own))
        assert started(site, local=hashes(own, *FILES)).callbacks["train"](None, {})[0] == str(own)
        for module in ("train", "later"):
            del sys.modules[module]


def test_where_no_link_can_be_made_the_folder_itself_will_do(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = write(tmp_path / "client", FILES)
    monkeypatch.setenv("RESON_PROJECT", str(own))
    (site / "project").mkdir()  # in the way
    client = started(site, local=hashes(own, *FILES))
    assert client.package_path == str(own) and client.callbacks["train"](None, {})
