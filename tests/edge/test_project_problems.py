"""A project folder with several mistakes: all of them are told at once, each with what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.edge.project_folders import with_files
from tests.edge.test_project_refusals import refused

COMMANDS = "entry_points:\n  build: {command: python build.py}\n  startup: {command: python startup.py}\n"
EITHER = (
    "(without command:), if startup(client) is defined there. "
    "Or, where shell commands train, add train: {command: python train.py}"
)


@pytest.mark.parametrize(
    ("entries", "message", "hint"),
    [
        (
            "{startup: {command: startup.py}}",
            "startup is a command, and there is no train, so nothing trains", f"Write startup: startup.py {EITHER}",
        ),
        (
            "{startup: {command: python steps.py --quiet}, build: build.py}",
            "startup is a command, and there is no train, so nothing trains", f"Write startup: steps.py {EITHER}",
        ),
        (
            "{startup: {command: python startup.py}, build: {command: make seed}}",
            "startup and build are commands, and there is no train, so nothing trains",
            f"Write startup: startup.py and build: build.py {EITHER}",
        ),
        ("{startup: {command: python a.py}, validate: {command: python v.py}}", None, None),
        ("{startup: 3}", "startup has no command", None),
    ],
)  # fmt: skip
def test_a_startup_that_is_a_command_says_so_and_what_to_write(
    tmp_path: Path, entries: str, message: str | None, hint: str | None
) -> None:
    startup = "def startup(client): ...\n"
    folder = with_files(tmp_path, scaleout__yaml=f"entry_points: {entries}\n", startup__py=startup, steps__py=startup)
    error = refused(folder)
    expected = message or "says of nothing that it trains: entry_points has neither startup nor train"
    assert error.message.removeprefix(str(folder / "scaleout.yaml")).lstrip(": ") == expected
    assert hint is None or error.hint == hint


def test_commands_that_should_be_scripts_are_told_together_with_what_is_wrong_in_the_scripts(tmp_path: Path) -> None:
    folder = with_files(
        tmp_path, scaleout__yaml=COMMANDS, build__py="import os\n", startup__py="def startup(client): ...\n"
    )  # fmt: skip
    error = refused(folder)
    assert str(error).splitlines() == [
        f"{folder} has 2 problems:",
        "  - scaleout.yaml: startup and build are commands, and there is no train, so nothing trains. "
        f"Write startup: startup.py and build: build.py {EITHER}.",
        "  - build.py defines no build. Define build() at its top level.",
    ]


def test_each_file_of_a_project_has_its_problem_in_the_report(tmp_path: Path) -> None:
    folder = with_files(
        tmp_path,
        scaleout__yaml="python_env: env.yaml\nentry_points: {startup: startup.py, build: {command: python build.py}}\n",
        startup__py="def start(client): ...\n",
        build__py="def build(out): ...\n",
        model_def__py="",
    )
    assert [line.split(". ")[0] for line in refused(folder).message.splitlines()] == [
        f"{folder} has 5 problems:",
        "  - scaleout.yaml: build is a command, but startup is a script",
        "  - scaleout.yaml has python_env: env.yaml, which is no file of the project",
        "  - startup.py defines no startup",
        "  - build.py, line 1: build(out) is called as build()",
        "  - model_def.py: model_def is also the name of one of the modules that every job has",
    ]


def test_a_script_that_a_command_only_seems_to_name_is_not_looked_for(tmp_path: Path) -> None:
    entries = "{startup: {command: python elsewhere.py}, build: {command: python ../b.py}}"
    error = refused(with_files(tmp_path, scaleout__yaml=f"entry_points: {entries}\n"))
    assert error.hint == f"Write startup: elsewhere.py and build: build.py {EITHER}"
