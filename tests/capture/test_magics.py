"""The cell magics in a real shell: the cell runs as it would alone, then it is captured."""

from __future__ import annotations

import textwrap

import pytest

from reson_jupyter.errors import CaptureError
from reson_jupyter.session import Session

from .conftest import Notebook
from .shipping import cell_lines

MODEL = "import torch.nn as nn\nclass Net(nn.Module):\n    def forward(self, x):\n        return x\n"


def test_a_model_cell_defines_the_class_and_captures_it(notebook: Notebook, session: Session) -> None:
    outcome = notebook.run("%%reson_model\n" + MODEL)
    assert outcome.result.success
    capture = session.captures["model"]
    assert capture.live is notebook.shell.user_ns["Net"]
    assert (capture.name, capture.cell, cell_lines(capture.module)) == ("Net", "In[1]", (2, 0, 0, 3, 4, 5))


def test_the_card_says_what_ships_and_what_stays(notebook: Notebook) -> None:
    (card,) = notebook.run(
        "%%reson_model\n%who\nimport os\nA = '<b>'\n" + MODEL.replace("return x", "return A") + "print(A)\n"
    ).cards
    assert card.splitlines() == [
        "Reson: captured the model Net from In[1], 5 lines ship",
        "  ships       A, class Net",
        "  imports     import torch.nn as nn",
        "  stays here  line 2: %who",
        "  stays here  line 3: import os",
        "  stays here  line 9: print(A)",
        *[line for line in card.splitlines() if line.startswith("  warning")],
    ]


def test_the_card_tells_the_models_size(notebook: Notebook) -> None:
    text = "import torch.nn as nn\nclass Net(nn.Linear):\n    def __init__(self): super().__init__(3, 250)\n"
    (card,) = notebook.run("%%reson_model\n" + text + "    def forward(self, x): return super().forward(x.mean((2, 3)))\n").cards
    assert "  size     1.0 k parameters, 4.0 kB down + 4.0 kB up per round and site" in card


def test_a_model_that_the_default_training_cannot_use_is_warned_of_when_the_cell_runs(notebook: Notebook) -> None:
    text = "%%reson_model\nimport torch.nn as nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    text += "        self.fc = nn.Linear(7, 2)\n    def forward(self, x): return self.fc(x.flatten(1))\n"
    (card,) = notebook.run(text).cards
    assert "until you capture a train function, and Net cannot take images of 224 × 224 pixels: fc = Linear(in_features=7" in card
    train = "def fl_train(model, env, out_dir, logger):\n    return {'weights': model.state_dict(), 'samples': len(env)}\n"
    (card,) = notebook.run(text + train).cards
    assert "warning" not in card


def test_the_card_is_escaped_html_too(notebook: Notebook) -> None:
    (html,) = notebook.run("%%reson_model\n" + MODEL + "print('<script>&')\n").html
    assert "&lt;script&gt;&amp;" in html and "<script>" not in html


def test_a_long_cell_gets_a_short_card(notebook: Notebook) -> None:
    (card,) = notebook.run("%%reson_model\n" + MODEL + "print(1)\n" * 30).cards
    assert "and 22 more" in card and len(card.splitlines()) < 15


def test_output_and_last_expression_appear_as_usual(notebook: Notebook) -> None:
    notebook.run("1")
    outcome = notebook.run("%%reson_model\n" + MODEL + "print('printed')\n6 * 7\n")
    assert "printed\nOut[2]: 42\n" in outcome.text
    assert outcome.result.result == 42
    assert notebook.shell.user_ns["_"] == 42 and notebook.shell.user_ns["Out"][2] == 42


def test_a_semicolon_hides_the_last_expression(notebook: Notebook) -> None:
    outcome = notebook.run("%%reson_model\n" + MODEL + "6 * 7;\n")
    assert [card.split()[0] for card in outcome.cards] == ["Reson:"]


def test_the_cell_runs_once(notebook: Notebook) -> None:
    notebook.run("calls = []")
    notebook.run("%%reson_model\n" + MODEL + "calls.append(1)\n")
    assert notebook.shell.user_ns["calls"] == [1]


def test_a_cell_that_raises_is_not_captured_and_shows_its_own_traceback_once(notebook: Notebook, session: Session) -> None:
    notebook.run("1")
    outcome = notebook.run("%%reson_model\n" + MODEL + "\n1 / 0\n")
    assert isinstance(outcome.result.error_in_exec, ZeroDivisionError)
    assert outcome.text.count("ZeroDivisionError: division by zero") == 1
    assert "Cell In[2], line 7" in outcome.text and "run_cell_magic" not in outcome.text
    assert session.captures == {}


def test_a_later_error_is_shown_again(notebook: Notebook) -> None:
    notebook.run("%%reson_model\n1 / 0\n")
    assert notebook.run("1 / 0").text.count("ZeroDivisionError: division by zero") == 1


def test_a_syntax_error_is_shown_once_and_with_the_line_of_the_cell(notebook: Notebook, session: Session) -> None:
    outcome = notebook.run("%%reson_model\n" + MODEL + "x = = 1\n")
    assert isinstance(outcome.result.error_in_exec, SyntaxError)
    assert outcome.text.count("SyntaxError: invalid syntax") == 1
    assert "line 6" in outcome.text
    assert session.captures == {}


def test_a_failed_capture_keeps_the_earlier_one_and_says_so(notebook: Notebook, session: Session) -> None:
    notebook.run("%%reson_model\n" + MODEL)
    kept = session.captures["model"]
    outcome = notebook.run("%%reson_model\nimport torch.nn as nn\nclass Net(nn.Module):\n    x = lambda: absent\n")
    assert isinstance(outcome.result.error_in_exec, CaptureError)
    assert outcome.text.splitlines() == [
        "CaptureError: In[2], line 4, column 17: Net needs 'absent', which is not defined anywhere",
        "  Define absent in the cell.",
        "  The model Net from In[1] no longer holds, as the kernel has something else now: mend this cell, or run In[1] again.",
    ]
    assert session.captures["model"] is kept


def test_ipython_syntax_stays_in_the_notebook(notebook: Notebook, session: Session) -> None:
    head = "%%reson_model\n!echo it\\'s\nfiles = !ls\nhere = %pwd\n%timeit -n 1 -r 1 \\\n    1 + 1\nlen?\nif files:\n    !ls\n"
    assert notebook.run(head + MODEL).result.success
    capture = session.captures["model"]
    assert capture.source.startswith("import torch.nn as nn\n")
    assert [line for line in cell_lines(capture.module) if line] == [10, 11, 12, 13]
    assert "line 5: %timeit -n 1 -r 1 \\" in capture.left_behind


def test_top_level_await_works_and_stays(notebook: Notebook, session: Session) -> None:
    assert notebook.run("%%reson_model\nimport asyncio\nawait asyncio.sleep(0)\n" + MODEL).result.success
    assert "asyncio" not in session.captures["model"].source


def test_a_value_that_was_awaited_ships_as_a_value(notebook: Notebook, session: Session) -> None:
    text = "async def one(): return 1\nvalue = await one()\n" + MODEL.replace("return x", "return value")
    assert notebook.run("%%reson_model\n" + text).result.success
    assert "value = 1\n" in session.captures["model"].source and "await" not in session.captures["model"].source


def test_lines_are_counted_from_the_top_of_the_cell_under_another_magic(notebook: Notebook, session: Session) -> None:
    outcome = notebook.run("\n%%time\n%%reson_model --class Net\n\n" + MODEL)
    assert outcome.result.success
    assert [line for line in cell_lines(session.captures["model"].module) if line] == [5, 6, 7, 8]


def test_another_magic_may_stand_below(notebook: Notebook, session: Session) -> None:
    assert notebook.run("%%reson_model\n%%capture\n" + MODEL).result.success
    assert [line for line in cell_lines(session.captures["model"].module) if line] == [3, 4, 5, 6]


def test_a_cell_that_is_not_python_is_refused(notebook: Notebook) -> None:
    assert "line 2: the text below %%bash is not for Python" in notebook.run("%%reson_model\n%%bash\ntrue\n").text


def test_an_earlier_future_import_ships_with_the_cell_it_still_holds_for(notebook: Notebook, session: Session) -> None:
    notebook.run("from __future__ import annotations")
    assert notebook.run("%%reson_model\n" + MODEL.replace("(self, x)", "(self, x: Missing)")).result.success
    assert session.captures["model"].source.startswith("from __future__ import annotations\n")


def test_a_train_cell_ships_beside_the_model(notebook: Notebook, session: Session) -> None:
    notebook.run("%%reson_model\n" + MODEL)
    text = "def fl_train(model, env, out_dir, logger):\n    return {'weights': Net().state_dict(), 'samples': 1}\n"
    (card,) = notebook.run("%%reson_train\n" + text).cards
    assert "called   fl_train to train" in card
    assert session.captures["train"].functions[0].contract == "model"


EXECUTOR = (
    "class A(Executor):\n    def __init__(self, **given): super().__init__()\n"
    "class B(A):\n    def execute(self, task_name, shareable, fl_ctx, abort_signal): return shareable\n"
)
PERSISTOR = (
    "class P(ModelPersistor):\n    def __init__(self, model): super().__init__()\n"
    "    def load_model(self, fl_ctx): ...\n    def save_model(self, model, fl_ctx): ...\n"
)


def test_executors_and_persistors_have_their_magics(notebook: Notebook, session: Session) -> None:
    notebook.run("%%reson_executor\nfrom nvflare.apis.executor import Executor\n" + EXECUTOR)
    base = "from nvflare.app_common.abstract.model_persistor import ModelPersistor\n"
    notebook.run("%%reson_persistor --class P\n" + base + PERSISTOR)
    assert {role: capture.name for role, capture in session.captures.items()} == {"executor": "B", "persistor": "P"}


@pytest.mark.parametrize("name", ["reson_model", "reson_train", "reson_executor", "reson_persistor", "reson_command"])
def test_help_is_shown_and_nothing_runs(notebook: Notebook, name: str) -> None:
    outcome = notebook.run(f"%%{name} --help\nran = 1\n")
    assert f"usage: %%{name} [-h]" in outcome.text
    assert ("--class NAME" in outcome.text) == (name not in ("reson_train", "reson_command"))
    assert "ran" not in notebook.shell.user_ns


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("reson_model", "model"),
        ("reson_train", "train"),
        ("reson_startup", "startup"),
        ("reson_command", "command clear_cache"),
    ],
)
def test_the_example_in_the_help_is_a_cell_that_is_captured(notebook: Notebook, session: Session, name: str, key: str) -> None:
    _, _, example = notebook.run(f"%%{name} --help\nran = 1\n").text.partition("for example:\n")
    assert notebook.run(textwrap.dedent(example)).result.success
    assert key in session.captures


def test_an_unknown_option_is_a_usage_error_and_nothing_runs(notebook: Notebook) -> None:
    outcome = notebook.run("%%reson_model --clas Net --bad\nran = 1\n")
    assert "UsageError: unrecognized arguments: --bad" in outcome.text
    assert "ran" not in notebook.shell.user_ns


def test_a_usage_error_of_a_magic_inside_is_shown_once(notebook: Notebook) -> None:
    assert notebook.run("%%reson_model\n%no_such_magic\n").text.count("UsageError") == 1


def test_hooks_run_once_for_a_cell(notebook: Notebook) -> None:
    calls: list[object] = []
    hooks = notebook.shell.events
    hooks.register("post_run_cell", calls.append)
    hooks.register("pre_run_cell", calls.append)
    notebook.run("%%reson_model\n" + MODEL)
    hooks.unregister("post_run_cell", calls.append)
    hooks.unregister("pre_run_cell", calls.append)
    assert len(calls) == 2


def test_source_of_captured_classes_is_found_with_the_lines_of_the_cell(notebook: Notebook) -> None:
    notebook.run("%%reson_model\n" + MODEL)
    assert notebook.shell.user_ns["Net"].forward.__code__.co_firstlineno == 4
