"""Commands: functions that the notebook calls on the sites; several at once, each by its name, all in the model's module."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest

from reson_jupyter.backend.job import Job
from reson_jupyter.config import ModelConfig
from reson_jupyter.errors import CaptureError, ConfigError
from reson_jupyter.notebook.capturing.cards import CaptureCard
from reson_jupyter.prepare import Prepared, prepare
from reson_jupyter.request import Request
from reson_jupyter.session import Session

from .conftest import Notebook
from .shipping import ship, titles

MODEL = (
    "%%reson_model\nimport torch.nn as nn\nSCALE = 3\nclass Net(nn.Module):\n    def __init__(self):\n"
    "        super().__init__()\n        self.fc = nn.Linear(2, 2)\n"
    "    def forward(self, x):\n        return self.fc(x.mean((2, 3)))\n"
    "def fl_train(model, env, out_dir, logger):\n    return {'weights': model.state_dict(), 'samples': 1}\n"
)
STATS = (
    "import os\ndef stats(params, env):\n    return {'scale': SCALE * params['by'], 'files': len(os.listdir(env['DATA_ROOT']))}\n"
)


def prepared(session: Session, **given: Any) -> Prepared:
    names = ("model", "training", "federation", "model_config", "executor", "persistor", "train", "requirements", "checkpoint")
    return prepare(Request(name="job", shards_dir=None, **{**dict.fromkeys(names), **given}), session)


def commands_of(job: Job) -> Any:
    (agent,) = [part for part in job.config("config_fed_client.json")["components"] if part["id"] == "agent"]
    return agent["args"]["commands"]


def module_of(job: Job) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "model_def"}
    exec(job.files["scripts/model_def.py"].decode(), namespace)
    return namespace


def test_a_command_ships_with_what_it_needs_beside_the_model(notebook: Notebook, session: Session, tmp_path: Path) -> None:
    notebook.run(MODEL)
    assert notebook.run("%%reson_command stats\n" + STATS).result.success
    job = prepared(session).job
    assert commands_of(job) == {"stats": "stats"}
    assert module_of(job)["stats"]({"by": 2}, {"DATA_ROOT": tmp_path}) == {"scale": 6, "files": 0}
    assert job.files["scripts/model_def.py"].decode().count("SCALE = 3") == 1


def test_several_are_captured_by_name_and_a_name_once_more_replaces_its_own(notebook: Notebook, session: Session) -> None:
    notebook.run(MODEL)
    for name, value in (("b-two", 1), ("a", 1), ("b-two", 2)):
        assert notebook.run(f"%%reson_command {name}\ndef {name[0]}_run(params):\n    return {value}\n").result.success
    assert list(session.captures) == ["model", "command b-two", "command a"]
    job = prepared(session).job
    assert list(commands_of(job).items()) == [("a", "a_run"), ("b-two", "b_run")]
    assert module_of(job)["b_run"]({}) == 2


def test_the_job_does_not_depend_on_the_order_in_which_commands_were_captured(notebook: Notebook, session: Session) -> None:
    notebook.run(MODEL)
    cells = ["%%reson_command a\ndef a(params):\n    return 1\n", "%%reson_command b\ndef b(params):\n    return 2\n"]
    digests = set()
    for order in (cells, cells[::-1]):
        session.forget("command")
        for cell in order:
            notebook.run(cell)
        digests.add(prepared(session).job.digest)
    assert len(digests) == 1


def test_the_card_says_how_it_is_called(notebook: Notebook) -> None:
    (card,) = notebook.run("%%reson_command clear-cache\ndef clear(params):\n    return 1\nclear({})\n").cards
    assert card.splitlines() == [
        "Reson: captured the command clear-cache from In[1], 2 lines ship",
        "  ships       def clear",
        '  called      clear on the sites, by run.command("clear-cache", {...})',
        "  stays here  line 4: clear({})",
    ]


def test_a_helper_in_the_cell_does_not_make_it_ambiguous() -> None:
    text = "def helper(x): return x\ndef run(params): return helper(params)\n"
    capture = ship(text, "command", command="show")
    assert (capture.name, capture.key, titles(capture)) == ("run", "command show", ["def helper", "def run"])
    assert "captured the command show" in repr(CaptureCard(capture))


def test_the_function_of_the_commands_name_is_taken_before_others() -> None:
    assert titles(ship("def other(params): ...\ndef show(params): ...\n", "command", command="show")) == ["def show"]
    assert ship("show = lambda params: 1\n", "command", command="show").name == "show"


@pytest.mark.parametrize(
    "signature",
    ["params", "params, env", "params, logger", "p, env, logger", "p, *, logger, env=None", "*given", "p, **rest", "p, x=1"],
)
def test_every_signature_that_a_site_can_call_is_taken(signature: str) -> None:
    assert ship(f"def run({signature}):\n    return 1\n", "command", command="run").command == "run"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "def run(): ...\n",
            r"run\(\) cannot be called as a command: too many positional arguments\n  Write one of: run\(params\)",
        ),
        ("def run(env): ...\n", r"run\(env\) cannot be called as a command: multiple values for argument 'env'"),
        ("def run(params, model): ...\n", "missing a required argument: 'model'"),
        ("def run(*, params): ...\n", "cannot be called as a command"),
        ("async def run(params): ...\n", "run must be a plain function, neither async nor a generator"),
        ("def run(params):\n    yield 1\n", "run must be a plain function"),
        ("class run: ...\n", r"In\[1\]: run is no function but an object of the type type"),
        ("run = 3\n", r"In\[1\]: run is no function but an object of the type int"),
        ("import functools\nrun = functools.partial(print)\n", "run is no function but an object of the type partial"),
        ("x = 3\n", r"In\[1\] defines no function\n  Define the command in this cell: def run\(params\)"),
        ("def a(p): ...\ndef b(p): ...\n", r"several functions that could be the command run: a, b\n(.|\n)*%%reson_command b"),
        ("def run(params): return absent\n", "run needs 'absent', which is not defined anywhere"),
        ("KEY = 'AKIAIOSFODNN7EXAMPLF'\ndef run(params): return KEY\n", "this must not ship"),
        ("from reson_jupyter import submit\ndef run(params): return submit\n", "reson_jupyter is not on the sites"),
    ],
)
def test_what_no_site_could_call_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(CaptureError, match=said):
        ship(text, "command", command="run")


def test_fix_adds_the_import_that_is_missing(notebook: Notebook, session: Session) -> None:
    notebook.shell.user_ns["np"] = numpy
    text = "def mean(params):\n    return float(np.mean(params))\n"
    assert notebook.run("%%reson_command mean --fix\n" + text).result.success
    assert session.captures["command mean"].source.startswith("import numpy as np\n")


@pytest.mark.parametrize(
    ("line", "said"),
    [("", "UsageError: %%reson_command needs the command's name"), ("9lives", "'9lives' cannot be the name of a command")],
)
def test_a_name_is_needed_and_nothing_runs_without(notebook: Notebook, session: Session, line: str, said: str) -> None:
    assert said in notebook.run(f"%%reson_command {line}\nran = 1\ndef f(params): ...\n").text
    assert "ran" not in notebook.shell.user_ns and not session.captures


def test_a_failed_capture_keeps_the_earlier_command_and_says_so(notebook: Notebook, session: Session) -> None:
    notebook.run("%%reson_command a\ndef a(params): return 1\n")
    outcome = notebook.run("%%reson_command a\ndef a(): return 1\n")
    assert "The command a from In[1] no longer holds" in outcome.text
    assert session.captures["command a"].cell == "In[1]"


def test_two_commands_cannot_be_one_function_of_the_kernel(notebook: Notebook, session: Session) -> None:
    notebook.run("%%reson_command a\ndef run(params): return 1\n")
    text = notebook.run("%%reson_command b\ndef run(params): return 2\n").text
    assert "In[2] has given run another meaning, and the command a of In[1] is run" in text
    assert "%reson forget command a" in text and list(session.captures) == ["command a"]


def test_forgetting_drops_one_command_or_all(notebook: Notebook, session: Session) -> None:
    for name in "abc":
        notebook.run(f"%%reson_command {name}\ndef {name}(params): return 1\n")
    assert [capture.command for capture in session.forget("command b")] == ["b"]
    assert list(session.captures) == ["command a", "command c"]
    assert [capture.command for capture in session.forget("command")] == ["a", "c"]
    assert not session.captures and session.forget("command") == ()


def test_what_changed_since_ships_and_is_said(notebook: Notebook, session: Session) -> None:
    for cell in (MODEL, "def helper(x):\n    return x\n", "%%reson_command show\ndef run(params):\n    return helper(1)\n"):
        notebook.run(cell)
    assert not any("since then changed" in note for note in prepared(session).notes)
    notebook.run("def helper(x):\n    return x + 1\n")
    (note,) = [note for note in prepared(session).notes if "since then changed" in note]
    assert note == "the command show was captured in In[3]; since then changed: def helper (In[4]); captured anew"
    assert module_of(prepared(session).job)["run"]({}) == 2
    session.configure(stale_captures="refuse")
    notebook.run("def helper(x):\n    return x + 2\n")
    with pytest.raises(CaptureError, match="the command show was captured in"):
        prepared(session)


def test_a_command_that_no_longer_can_be_called_is_refused(notebook: Notebook, session: Session) -> None:
    for cell in (MODEL, "%%reson_command show\ndef run(params):\n    return 1\n", "def run():\n    return 1\n"):
        notebook.run(cell)
    with pytest.raises(CaptureError, match=r"the capture of run \(In\[2\]\) no longer holds(.|\n)*cannot be called as a command"):
        prepared(session)


def test_a_name_with_two_meanings_is_refused_with_both_cells(notebook: Notebook, session: Session) -> None:
    notebook.run("%%reson_command show\nclass Net: ...\ndef run(params):\n    return Net.__name__\n")
    notebook.run(MODEL)
    session.kernel = None  # so that nothing is captured anew
    with pytest.raises(CaptureError, match=r"'Net' is one thing in In\[2\] \(model\) and another in In\[1\] \(command\)"):
        prepared(session)


def test_functions_that_are_passed_ship_and_replace_the_captured_ones(notebook: Notebook, session: Session) -> None:
    for cell in (MODEL, "%%reson_command old\ndef old(params): return 1\n", STATS):
        notebook.run(cell)
    stats = notebook.shell.user_ns["stats"]
    result = prepared(session, commands={"of-site": stats, "again": stats})
    assert commands_of(result.job) == {"again": "stats", "of-site": "stats"}
    assert result.job.files["scripts/model_def.py"].decode().count("def stats") == 1
    assert "def old" not in result.job.files["scripts/model_def.py"].decode()
    assert "command of-site: stats of In[3]" in result.notes
    assert commands_of(prepared(session, commands={}).job) == {}
    assert commands_of(prepared(session).job) == {"old": "old"}


def test_a_function_of_a_file_ships_alone(session: Session) -> None:
    from tests.runs.models import Line, fl_train, fl_validate

    job = prepared(session, model=Line, train=fl_train, commands={"check": _in_a_file}).job
    assert commands_of(job) == {"check": "_in_a_file"}
    assert module_of(job)["_in_a_file"]({"a": 1}, None) == "a"
    assert fl_validate.__name__ in module_of(job)


def test_commands_ship_where_the_model_does_not(session: Session) -> None:
    config = ModelConfig(model_class="tests.runs.models.SmallNet", model_args={"num_classes": 4})
    job = prepared(session, commands={"check": _in_a_file}, model_config=config).job
    source = job.files["scripts/model_def.py"].decode()
    assert "def _in_a_file" in source and "def rt_train_model" in source and "class SmallNet" not in source


def _in_a_file(params: dict[str, int], logger: Any) -> str:
    return ", ".join(json.loads(json.dumps(params)))


@pytest.mark.parametrize(
    ("commands", "error", "said"),
    [
        ({"a": 3}, CaptureError, "the command 'a' is no function with a name, but 3"),
        ({"a": lambda params: 1}, CaptureError, "the command 'a' is no function with a name"),
        ({"a": print}, CaptureError, "is no function with a name"),
        ({"a b": _in_a_file}, CaptureError, "'a b' cannot be the name of a command"),
        ({3: _in_a_file}, CaptureError, "3 cannot be the name of a command"),
        ([_in_a_file], ConfigError, r"commands is a list, not a dict\n  Pass commands=\{'name': function\}"),
    ],
)
def test_what_is_passed_and_cannot_be_a_command_is_refused(
    notebook: Notebook, session: Session, commands: Any, error: type[Exception], said: str
) -> None:
    notebook.run(MODEL)
    with pytest.raises(error, match=said):
        prepared(session, commands=commands)
