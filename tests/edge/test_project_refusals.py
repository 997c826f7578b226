"""What is said of a project folder that cannot be used."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reson_jupyter.edge.project import Project, read_project
from reson_jupyter.errors import ProjectError
from tests.edge.project_folders import IMPORTER, SCALEOUT_YAML, STARTUP, with_files, write


def refused(folder: Path) -> ProjectError:
    with pytest.raises(ProjectError) as caught:
        read_project(folder)
    return caught.value


def test_a_folder_without_a_project_file_names_the_one_that_has_it(tmp_path: Path) -> None:
    write(tmp_path / "examples" / "torch-client", IMPORTER)
    error = refused(tmp_path / "examples")
    assert error.message == f"{tmp_path / 'examples'} has no scaleout.yaml"
    assert error.hint == "Name the folder that has it: torch-client."


def test_a_missing_folder_is_named_by_its_full_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(Path("clinet")).message == f"there is no folder {tmp_path / 'clinet'}"


def test_a_fedn_project_is_told_from_no_project(tmp_path: Path) -> None:
    error = refused(write(tmp_path, {"fedn.yaml": SCALEOUT_YAML}))
    assert (error.message, error.hint) == (
        f"{tmp_path} has a fedn.yaml, but no scaleout.yaml",
        "Rename it to scaleout.yaml, as Scaleout 1.0 has it.",
    )


def test_an_archive_is_to_be_unpacked_first(tmp_path: Path) -> None:
    write(tmp_path, {"package.tgz": b"\x1f\x8b"})
    assert refused(tmp_path / "package.tgz").message == f"{tmp_path / 'package.tgz'} is a packed project"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "{file} is empty"),
        ("# nothing\n", "{file} is empty"),
        ("entrypoints:\n  startup: startup.py\n", "{file} has no entry_points"),
        ("- entry_points\n", "{file} has no entry_points"),
        ("entry_points:\n", "{file}: entry_points has no entries"),
        ("entry_points: startup.py\n", "{file}: entry_points has no entries"),
        ("entry_points: {}\n", "{file} says of nothing that it trains: entry_points has neither startup nor train"),
        (
            "entry_points:\n  build: {command: python b.py}\n",
            "{file} says of nothing that it trains: entry_points has neither startup nor train",
        ),
        (
            "entry_points:\n\tstartup: startup.py\n",
            "{file}, line 2: this is no YAML: found character '\\t' that cannot start any token",
        ),
        (
            "entry_points:\n  startup: [startup.py\n",
            "{file}, line 3: this is no YAML: expected ',' or ']', but got '<stream end>'",
        ),
        (
            "entry_points: !!python/object/apply:os.getcwd []\n",
            "{file}, line 1: this is no YAML: could not determine a constructor",
        ),
        ("entry_points: {startup: start/startup.py}\n", "{file}: startup is 'start/startup.py', which cannot be imported"),
        ("entry_points: {startup: ../startup.py}\n", "{file}: startup is '../startup.py', which cannot be imported"),
        ("entry_points: {startup: /tmp/startup.py}\n", "{file}: startup is '/tmp/startup.py', which cannot be imported"),
        ("entry_points: {startup: startup}\n", "{file}: startup is 'startup', which cannot be imported"),
        ("entry_points: {startup: start.up.py}\n", "{file}: startup is 'start.up.py', which cannot be imported"),
        ("entry_points: {startup: ''}\n", "{file}: startup is ''; it has to be a text"),
        ("entry_points: {startup: startup.py, build: 3}\n", "{file}: build is 3; it has to be a text"),
        (
            "entry_points: {startup: startup.py, build: {command: python build.py}}\n",
            "{file}: build is a command, but startup is a script",
        ),
        ("entry_points: {train: train.py}\n", "{file}: train has no command"),
        ("entry_points: {train: {}}\n", "{file}: train has no command"),
        (
            "entry_points: {train: {command: [python, train.py]}}\n",
            "{file}: the command of train is ['python', 'train.py']; it has",
        ),
        ("entry_points: {startup: go.py}\n", "{file} has startup: go.py, which is not there"),
        ("python_env: [a]\nentry_points: {startup: startup.py}\n", "{file}: python_env is ['a']; it has to be a text"),
        ("python_env: env.yaml\nentry_points: {startup: startup.py}\n", "{file} has python_env: env.yaml, which is no file of"),
        ("python_env: ../x.yaml\nentry_points: {startup: startup.py}\n", "{file} has python_env: ../x.yaml, which is no file of"),
        (b"entry_points: \xff\xfe\n", "{file} is no YAML: "),
        (b"entry_points: {startup: a\0b.py}\n", "{file} is no YAML: "),
        ("{" * 2_000, "{file} is no YAML: "),
        ("#" * 1_000_001, "{file} is too big"),
    ],
)
def test_a_project_file_that_cannot_be_used_is_refused_with_its_place(tmp_path: Path, text: str | bytes, message: str) -> None:
    write(tmp_path, {"x.yaml": "name: x"})
    folder = with_files(tmp_path, scaleout__yaml=text)
    error = refused(folder)
    assert error.message.startswith(message.replace("{file}", str(folder / "scaleout.yaml")))
    assert "\n" not in error.message


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "{file} is empty", "It has: name"),
        ("- numpy\n", "{file} has no keys", "It has: name"),
        ("dependancies:\n  - numpy\n", "{file}: nothing is called 'dependancies' there", "Did you mean dependencies?"),
        ("channels:\n  - conda\n", "{file}: nothing is called 'channels' there", "It has: name, python,"),
        ("dependencies: numpy\n", "{file}: dependencies is no list", "Write one requirement on a line"),
        ("dependencies:\n  - numpy: 1.26\n", "{file}: an entry of dependencies is {'numpy': 1.26}; it has to be", "Write an"),
        ("dependencies:\n  - 3\n", "{file}: an entry of dependencies is 3; it has to be a text", "Write an entry"),
        ("name: [x]\n", "{file}: name is ['x']; it has to be a text", "Write name in quotes"),
    ],
)
def test_an_environment_that_cannot_be_used_is_refused_with_its_place(tmp_path: Path, text: str, message: str, hint: str) -> None:
    folder = with_files(tmp_path, python_env__yaml=text)
    error = refused(folder)
    assert error.message.startswith(message.replace("{file}", str(folder / "python_env.yaml")))
    assert str(error.hint).startswith(hint)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("def startup(client:\n    pass\n", "{file}, line 1: this is no Python: '(' was never closed"),
        ("def start_up(client):\n    pass\n", "{file} defines no startup"),
        ("class Client:\n    def startup(self):\n        pass\n", "{file} defines no startup"),
        (b"x = '\xff'\n", "{file}, line 1: this is no Python: (unicode error) 'utf-8' codec can't decode"),
        ("# coding: klingon\n", "{file}: this is no Python: unknown encoding: klingon"),
        ("async def startup(client): ...\n", "{file}, line 1: startup is async, and nobody would await it"),
        ("\ndef startup(): ...\n", "{file}, line 2: startup() is called as startup(client)"),
        ("def startup(client, settings): ...\n", "{file}, line 1: startup(client, settings) is called as startup(client)"),
        ("def startup(client, *, lr): ...\n", "{file}, line 1: startup(client, *, lr) is called as startup(client)"),
        ("x = 1\0\n", "{file}: this is no Python: source code string cannot contain null bytes"),
    ],
)
def test_a_startup_script_that_cannot_be_called_is_refused(tmp_path: Path, script: str | bytes, message: str) -> None:
    folder = with_files(tmp_path, startup__py=script)
    assert refused(folder).message.startswith(message.replace("{file}", str(folder / "startup.py")))


@pytest.mark.parametrize(
    "script",
    [
        "from callbacks import startup\n",
        "from callbacks import *\n",
        "import callbacks\nstartup = callbacks.make()\n",
        "if True:\n    def startup(client): ...\n",
        "\ufeff" + STARTUP,
        "# coding: latin-1\n# \xfcber\n".encode("latin-1") + STARTUP.encode(),
        "def startup(client, rate=0.1, *, more=None): ...\n",
        "def startup(*arguments): ...\n",
        "import callbacks\n@callbacks.with_client\ndef startup(): ...\n",
        "def startup(): ...\nimport callbacks\nstartup = callbacks.make(startup)\n",
    ],
)
def test_startup_may_come_about_in_any_way_that_python_knows(tmp_path: Path, script: str | bytes) -> None:
    assert read_project(with_files(tmp_path, startup__py=script, callbacks__py="")).entry == "startup.py"


def test_what_is_no_python_says_what_to_do(tmp_path: Path) -> None:
    error = refused(with_files(tmp_path, startup__py="def startup(:\n"))
    assert error.hint == "Correct the file and try again; it is read anew each time."


def test_a_build_that_wants_an_argument_is_refused(tmp_path: Path) -> None:
    folder = with_files(tmp_path, build__py="import os\ndef build(out): ...\n")
    error = refused(folder)
    assert error.message == f"{folder / 'build.py'}, line 2: build(out) is called as build()"
    assert error.hint == "Write def build():"


def test_a_startup_script_that_would_displace_a_module_of_the_site_is_refused(tmp_path: Path) -> None:
    folder = with_files(tmp_path, scaleout__yaml="entry_points: {startup: json.py}\n", json__py=STARTUP)
    error = refused(folder)
    assert error.message == f"{folder / 'json.py'}: the sites have another module json, which this would displace"
    assert error.hint == "Rename it, for example startup_json.py, also in scaleout.yaml."


def test_a_build_script_without_build_is_refused(tmp_path: Path) -> None:
    folder = with_files(tmp_path, build__py="def main(): ...\n")
    error = refused(folder)
    assert (error.message, error.hint) == (f"{folder / 'build.py'} defines no build", "Define build() at its top level.")


def test_a_project_file_that_stays_at_home_itself_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, {**IMPORTER, ".scaleoutignore": "*.yaml\n"})
    assert refused(folder).message == f"scaleout.yaml itself is left out by .scaleoutignore of {folder}"
    write(tmp_path, {".scaleoutignore": "*.yaml\n!scaleout.yaml\n"})
    assert "scaleout.yaml" in read_project(folder).files()


def test_a_script_that_stays_at_home_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, {**IMPORTER, ".scaleoutignore": "st*.py\n"})
    assert refused(folder).message == f"{folder / 'scaleout.yaml'} has startup: startup.py, which is left out by .scaleoutignore"


@pytest.mark.parametrize("path", ["model_def.py", "custom_persistor.py", "reson_edge/__init__.py"])
def test_a_module_named_like_one_of_the_jobs_own_is_refused(tmp_path: Path, path: str) -> None:
    folder = write(tmp_path, {**IMPORTER, path: ""})
    assert refused(folder).message.startswith(f"{folder / path}: {path.split('/')[0].removesuffix('.py')} is also the name of")


def bomb(levels: int, form: str, top: str) -> str:
    """A few lines that stand for 10 ** levels values; `form` says how a level refers ten times to the one before."""
    names = "abcdefghijkl"[:levels]
    lines = [f"{own}: &{own} {form.replace('?', ', '.join([f'*{one}'] * 10))}" for one, own in pairwise(names)]
    return "\n".join([f"a: &a {top}", *lines, ""])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (bomb(9, "[?]", "[x]") + "python_env: *i\nentry_points: {startup: startup.py}\n", 3),
        (bomb(9, "{<<: [?]}", "{x: 1}") + "entry_points: {startup: startup.py}\n", 3),
    ],
    ids=["lists", "merges"],
)
def test_a_file_that_stands_for_more_than_fits_into_memory_is_refused_unread(tmp_path: Path, text: str, line: int) -> None:
    folder = with_files(tmp_path, scaleout__yaml=text)
    error = refused(folder)
    assert error.message == f"{folder / 'scaleout.yaml'}, line {line}: more than 10 aliases (*name) are not read"


def test_a_file_may_refer_to_its_own_parts(tmp_path: Path) -> None:
    text = "entry_points:\n  train: &same {command: python go.py}\n  validate: *same\n  predict: {<<: *same}\n"
    commands = read_project(with_files(tmp_path, scaleout__yaml=text)).commands
    assert commands == dict.fromkeys(["train", "validate", "predict"], "python go.py")


@pytest.mark.parametrize("value", ["!!bool x", "!!int ''", "!!float ''", "!!timestamp foo"])
def test_a_value_that_is_not_of_the_type_it_names_is_refused(tmp_path: Path, value: str) -> None:
    folder = with_files(tmp_path, scaleout__yaml=f"entry_points: {value}\n")
    assert refused(folder).message == f"{folder / 'scaleout.yaml'}: a value with a !! before it is not of that type"


@pytest.mark.parametrize("name", ["x" * 5_000, "a\\0b", "\\ud800"], ids=["long", "null", "surrogate"])
def test_names_that_no_file_can_have_are_names_of_no_file(tmp_path: Path, name: str) -> None:
    folder = with_files(tmp_path, scaleout__yaml=f'python_env: "{name}"\nentry_points: {{startup: startup.py}}\n')
    assert refused(folder).message.endswith(", which is no file of the project")
    write(folder, {"scaleout.yaml": f'entry_points: {{startup: "{name}.py"}}\n'})
    error = refused(folder)
    assert error.message.endswith(", which is not there")
    assert error.message.isprintable()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    text=st.one_of(
        st.binary(max_size=80),
        st.text(st.sampled_from("entry_points:startup.py\n -{}[]\"'&*!#|>%@`,?"), max_size=80).map(
            lambda text: f"entry_points:\n{text}".encode()
        ),
    )
)
def test_no_project_file_whatever_is_in_it_ends_in_anything_but_a_project_or_a_refusal(tmp_path: Path, text: bytes) -> None:
    folder = with_files(tmp_path, scaleout__yaml=text)
    try:
        assert isinstance(read_project(folder), Project)
    except ProjectError as error:
        assert str(folder) in error.message
