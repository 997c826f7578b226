"""What other cells give to a capture: definitions, values and imports as the kernel holds them now, or a reason why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from reson_jupyter.capture.capture import Capture
from reson_jupyter.session import Session

from .conftest import Notebook

NET = "%%reson_model\nimport torch.nn as nn\nclass Net(nn.Module):\n    def forward(self, x):\n        return {}\n"


def captured(notebook: Notebook, session: Session, use: str, *before: str) -> Capture:
    for cell in before:
        notebook.run(cell)
    outcome = notebook.run(NET.format(use))
    assert outcome.result.success, outcome.text
    return session.captures["model"]


def refused(notebook: Notebook, use: str, *before: str) -> str:
    for cell in before:
        notebook.run(cell)
    outcome = notebook.run(NET.format(use))
    assert not outcome.result.success
    return outcome.text


def test_helpers_ship_with_what_they_need_themselves(notebook: Notebook, session: Session) -> None:
    cells = (
        "import math",
        "SCALE = 3",
        "def scaled(x):\n    return math.sqrt(x) * SCALE",
        "def twice(x):\n    return scaled(2 * x)",
    )
    capture = captured(notebook, session, "twice(x)", *cells)
    assert [(piece.title, piece.cell) for piece in capture.pieces] == [
        ("import math", "In[1]"),
        ("SCALE", "In[2]"),
        ("def scaled", "In[3]"),
        ("def twice", "In[4]"),
        ("import torch.nn as nn", "In[5]"),
        ("class Net", "In[5]"),
    ]


def test_every_line_knows_its_cell(notebook: Notebook, session: Session) -> None:
    capture = captured(notebook, session, "half(x)", "\n\ndef half(x):\n    return x / 2")
    places = dict(zip(capture.source.splitlines(), capture.module.lines, strict=True))
    assert places["    return x / 2"] == ("In[1]", 4)
    assert places["        return half(x)"] == ("In[2]", 5)


@pytest.mark.parametrize(
    ("cells", "ships"),
    [
        (["K = 64  # features"], "K = 64  # features\n"),
        (["BASE = 16", "K = 4 * BASE"], "K = 64\n"),
        (["for K in range(3): pass"], "K = 2\n"),
        (["K = [1]", "K.append(2)"], "K = [1, 2]\n"),
        (["K = 1", "K = 2"], "K = 2\n"),
        (["K = 1", "K = 2\n1 / 0"], "K = 2\n"),
        (["import torch", "K = 'cuda' if torch.cuda.is_available() else 'cpu'"], "K = 'cuda' if torch.cuda.is_available()"),
        (["import torch", "K = torch.device('cpu')"], "K = torch.device('cpu')\n"),
        (["import torch.nn as nn", "K = {'relu': nn.ReLU}"], "K = {'relu': nn.ReLU}\n"),
        (["from collections import namedtuple", "K = namedtuple('K', 'a b')"], "K = namedtuple('K', 'a b')\n"),
        (["from collections import namedtuple\nP = namedtuple('P', 'a b')", "K = P(1, 2)"], "K = P(a=1, b=2)\n"),
        (
            ["from dataclasses import dataclass\n@dataclass\nclass C:\n    a: int = 1", "K = C()\nK.a = 7"],
            "K = C(a=7)\n",
        ),
        (["import enum\nclass Mode(enum.Enum):\n    A = 1", "K = Mode.A"], "K = Mode.A\n"),
        (["K = lambda x: x + 1"], "K = lambda x: x + 1\n"),
        (["try:\n    import no_such_thing as K\nexcept ImportError:\n    K = None"], "import no_such_thing as K"),
        (["globals()['K'] = 3"], "K = 3\n"),
        (["K = float('inf')"], 'K = float("inf")\n'),
    ],
)
def test_a_value_of_another_cell_ships(notebook: Notebook, session: Session, cells: list[str], ships: str) -> None:
    capture = captured(notebook, session, "K", *cells)
    assert ships in capture.source
    exec(compile(capture.source, "shipped", "exec", dont_inherit=True), {"__name__": "__main__"})


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("import torch\nK = torch.zeros(3)", "a tensor; write its values into the cell"),
        ("import pandas\nK = pandas.DataFrame({'a': [1]})", "a DataFrame; data reaches the sites as shards"),
        ("import numpy\nK = numpy.zeros(3)", "an array; write its values into the cell"),
        ("import io\nK = io.BytesIO()", "an open file; open it where it is needed"),
        ("import torch\nK = torch.nn.Linear(2, 2)", "a Linear object; make it in the constructor"),
        ("K = 'x' * 5000", "a str that is no simple value, or too long"),
    ],
)
def test_a_live_object_is_refused_by_name_with_what_to_do(notebook: Notebook, cell: str, what: str) -> None:
    message = refused(notebook, "K", cell)
    assert "Net needs 'K', which In[1], line" in message and what in message


@pytest.mark.parametrize(
    ("later", "message"),
    [
        ("def helper(x):\n    return 2", None),
        ("helper = 5", None),
        ("Helper.step = lambda self: 3", "Helper.step is not what In[1], line 3 says any more"),
        ("Helper.width = 9", "Helper.width is not what In[1], line 3 says any more"),
        ("def extra(self): ...\nHelper.extra = extra", "Helper.extra is not what In[1], line 3 says any more"),
        ("helper.alpha = 2", "which In[1] defines and In[2], line 1 changes"),
        ("del helper", "which is not defined anywhere"),
        ("def helper(x):\n    return 3\n1 / 0", "which In[2] defines, and In[2] failed"),
        ("def helper(x):\n    return 1\ndef broken(:", None),
        ("1 / 0\ndef helper(x):\n    return 3", None),
    ],
)
def test_what_changed_since_is_followed_or_refused(notebook: Notebook, session: Session, later: str, message: str | None) -> None:
    first = "def helper(x):\n    return 1\nclass Helper:\n    width = 1\n    def step(self):\n        return 1\n"
    if message:
        assert message in refused(notebook, "helper(Helper().step())", first, later)
        return
    source = captured(notebook, session, "helper(Helper().step())", first, later).source
    shipped = {"__name__": "shipped"}
    exec(source, shipped)
    assert repr(shipped["helper"]) == "5" or shipped["helper"](0) == notebook.shell.user_ns["helper"](0)  # type: ignore[operator]


def test_what_was_made_with_an_earlier_meaning_is_refused(notebook: Notebook, session: Session) -> None:
    cells = ("class Base:\n    k = 1", "class Mid(Base):\n    pass")
    assert "class Base" in captured(notebook, session, "Mid", *cells).source
    message = refused(notebook, "Mid", "class Base:\n    k = 2")
    assert "Mid needs 'Base', which In[4] has changed since In[2] made Mid with it" in message
    assert "Run In[2] again." in message
    assert captured(notebook, session, "Mid", cells[1]).source.index("k = 2") > 0


def test_the_same_definition_run_again_changes_nothing(notebook: Notebook, session: Session) -> None:
    capture = captured(notebook, session, "Mid", "class Base:\n    k = 1", "class Mid(Base):\n    pass", "class Base:\n    k = 1")
    assert [piece.title for piece in capture.pieces if piece.kind == "class"] == ["class Base", "class Mid", "class Net"]


def test_a_decorator_of_a_later_cell_comes_before_what_it_decorates(notebook: Notebook, session: Session) -> None:
    text = "def twice(f):\n    return lambda x: f(f(x))"
    capture = captured(notebook, session, "inc(x)", text, "@twice\ndef inc(x):\n    return x + STEP", "STEP = 1", text)
    shipped = {"__name__": "shipped"}
    exec(capture.source, shipped)
    assert shipped["inc"](1) == 3  # type: ignore[operator]


def test_a_name_that_only_the_helper_needs_may_be_of_the_captured_cell(notebook: Notebook, session: Session) -> None:
    notebook.run("def scaled(x):\n    return x * FACTOR")
    notebook.run(
        "%%reson_model\nimport torch\nFACTOR = 3\nclass Net(torch.nn.Module):\n    def forward(self, x): return scaled(x)\n"
    )
    assert "FACTOR = 3\n" in session.captures["model"].source


def test_a_train_function_shares_the_models_module(notebook: Notebook, session: Session) -> None:
    captured(notebook, session, "x")
    outcome = notebook.run(
        "%%reson_train\ndef fl_train_model(payload):\n    return {'weights': Net().state_dict(), 'samples': 1}\n"
    )
    assert outcome.result.success and "class Net" not in session.captures["train"].source


def test_an_executor_imports_the_model(notebook: Notebook, session: Session) -> None:
    captured(notebook, session, "x")
    cell = "from nvflare.apis.executor import Executor\nclass Mine(Executor):\n    def __init__(self, **kw): self.model = Net\n"
    cell += "    def execute(self, task_name, shareable, fl_ctx, abort_signal): return shareable\n"
    assert notebook.run("%%reson_executor\n" + cell).result.success
    assert session.captures["executor"].source.startswith("from model_def import Net\n")


def test_an_import_that_no_cell_has_is_added_on_request(notebook: Notebook, session: Session) -> None:
    notebook.run("exec('import math as m')")
    outcome = notebook.run(NET.format("m.pi").replace("model\n", "model --fix\n", 1))
    assert outcome.result.success and "import math as m (added)" in outcome.cards[0]
    assert "import math as m\n" in session.captures["model"].source


def test_a_cell_whose_capture_was_refused_has_run_all_the_same(notebook: Notebook, session: Session) -> None:
    refused(notebook, "absent")
    notebook.run("absent = 1")
    outcome = notebook.run("%%reson_model\nclass Net2(Net): ...\n")
    assert outcome.result.success and "class Net (In[1])" in outcome.cards[0]


def test_a_file_that_was_run_gives_its_definitions(notebook: Notebook, session: Session, tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text("import math\ndef root(x):\n    return math.sqrt(x)\n")
    capture = captured(notebook, session, "root(x)", f"%run {tmp_path}/helpers.py")
    assert [(piece.title, piece.cell) for piece in capture.pieces][:2] == [
        ("import math", "helpers.py"),
        ("def root", "helpers.py"),
    ]


def test_an_import_that_everybody_means_by_a_name_is_added_on_request(notebook: Notebook, session: Session) -> None:
    assert "add: import torch.nn.functional as F, or put --fix" in refused(notebook, "F.relu(x)")
    outcome = notebook.run(NET.format("F.relu(x)").replace("model\n", "model --fix\n", 1))
    assert outcome.result.success and "import torch.nn.functional as F\n" in session.captures["model"].source


def test_a_usual_name_that_the_cell_itself_misses_gets_the_line_to_add(notebook: Notebook) -> None:
    assert "Reson: add: import torch.nn as nn" in notebook.run("%%reson_model\nclass Net(nn.Module): ...\n").text
