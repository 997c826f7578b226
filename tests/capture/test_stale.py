"""A submit ships what the kernel holds then: captures that it has left behind are captured anew, or refused, and it says so."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from reson_jupyter.api import build
from reson_jupyter.errors import CaptureError
from reson_jupyter.prepare import prepare
from reson_jupyter.request import Request
from reson_jupyter.session import Session

from .conftest import Notebook

HELPER = "def helper(x):\n    return x * 1\n"
MODEL = (
    "%%reson_model\nimport torch.nn as nn\nWIDTH = 1 + 2\nclass Net(nn.Module):\n    def __init__(self):\n"
    "        super().__init__()\n        self.fc = nn.Linear(WIDTH, 2)\n"
    "    def forward(self, x):\n        return self.fc(helper(x.mean((2, 3))))\n"
)
PLAIN = MODEL.replace("%%reson_model\n", "")


def shipped() -> str:
    return build().files["scripts/model_def.py"].decode()


def notes(session: Session) -> tuple[str, ...]:
    return prepare(Request("n", None, *[None] * 9), session).notes


@pytest.fixture
def after(notebook: Notebook, session: Session) -> Notebook:
    """A notebook whose model, with a helper of another cell, is captured."""
    for cell in (HELPER, MODEL):
        assert notebook.run(cell).result.success
    return notebook


@pytest.mark.parametrize(
    "cell",
    ["1 + 1", HELPER, PLAIN, "# def helper(x): return 7", "helper(3)", "net = Net()", "WIDTH"],
)
def test_what_changes_nothing_keeps_the_capture(after: Notebook, session: Session, cell: str) -> None:
    before, source = session.captures["model"], shipped()
    assert after.run(cell).result.success
    assert shipped() == source and not any("since then changed" in note for note in notes(session))
    assert session.captures["model"] is before


@pytest.mark.parametrize(
    ("cell", "ships", "said"),
    [
        (HELPER.replace("* 1", "* 2"), "return x * 2", "def helper (In[3])"),
        ("helper = lambda x: x + 5", "helper = lambda x: x + 5", "helper (In[3])"),
        ("WIDTH = 3.0", "WIDTH = 3.0", "WIDTH (In[3])"),
        (
            PLAIN.replace("(WIDTH, 2)", "(3, 2)"),
            "nn.Linear(3, 2)",
            "class Net (In[3])",
        ),
    ],
)
def test_what_changed_since_ships_and_is_said(after: Notebook, session: Session, cell: str, ships: str, said: str) -> None:
    after.run(cell)
    (note,) = [note for note in notes(session) if "since then changed" in note]
    assert said in note and note.startswith("the model Net was captured in In[2]") and note.endswith("captured anew")
    assert ships in shipped()
    assert session.captures["model"].live is after.shell.user_ns["Net"]


def test_a_session_that_refuses_stale_captures_names_what_changed(after: Notebook, session: Session) -> None:
    session.configure(stale_captures="refuse")
    shipped()
    after.run(HELPER.replace("* 1", "* 2"))
    before = session.captures["model"]
    with pytest.raises(CaptureError, match=r"captured in In\[2\]; since then changed: def helper \(In\[3\]\)"):
        build()
    assert session.captures["model"] is before


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("Net.forward = lambda self, x: x", "Net.forward is not what In[2], line 4 says any more"),
        ("helper.alpha = 1", "which In[1] defines and In[3], line 1 changes"),
        ("import torch\nhelper = torch.nn.Linear(2, 2)", "it is a Linear object"),
    ],
)
def test_what_cannot_ship_any_more_is_refused(after: Notebook, session: Session, cell: str, reason: str) -> None:
    after.run(cell)
    with pytest.raises(CaptureError) as caught:
        build()
    assert "the capture of Net (In[2]) no longer holds" in str(caught.value) and reason in str(caught.value)


def test_a_train_function_is_held_against_the_kernel_too(after: Notebook, session: Session) -> None:
    after.run("%%reson_train\ndef fl_train(model, env, out_dir, logger):\n    return {'samples': helper(1)}\n")
    after.run("def fl_train(model, env, out_dir, logger):\n    return {'samples': helper(2)}\n")
    assert "helper(2)" in shipped() and "helper(1)" not in shipped()


def test_a_class_that_was_never_captured_ships_by_name_with_what_it_needs(notebook: Notebook, session: Session) -> None:
    for cell in (HELPER, PLAIN, HELPER.replace("* 1", "* 3")):
        notebook.run(cell)
    source = build(notebook.shell.user_ns["Net"]).files["scripts/model_def.py"].decode()
    assert "return x * 3" in source and "nn.Linear(WIDTH, 2)" in source
    assert session.captures == {}


def test_an_object_that_the_kernel_no_longer_has_under_its_name_is_refused(after: Notebook, session: Session) -> None:
    old = after.shell.user_ns["Net"]
    after.run(PLAIN.replace("WIDTH, 2", "WIDTH, 3"))
    with pytest.raises(CaptureError, match="Net is not what its module __main__ now has under that name"):
        build(old)


def test_what_was_captured_anew_is_said_until_the_cell_runs_again(after: Notebook, session: Session) -> None:
    after.run(HELPER.replace("* 1", "* 2"))
    for _ in range(2):
        assert [note for note in notes(session) if "def helper (In[3])" in note and note.endswith("captured anew")]
    after.run(MODEL)
    assert not any("captured anew" in note for note in notes(session))


@pytest.mark.parametrize(
    "change",
    [
        "models.Net.forward = lambda self, x: x",
        "models.SCALE = 5",
        "from pathlib import Path; Path('models.py').write_text(Path('models.py').read_text() + 'SCALE = 3')",
    ],
)
def test_a_class_of_a_file_is_held_against_the_file(
    notebook: Notebook, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    text = PLAIN.replace("WIDTH = 1 + 2", "WIDTH = 3\nSCALE = 2").replace("helper(x.mean((2, 3)))", "x.mean((2, 3)) * SCALE")
    (tmp_path / "models.py").write_text(text)
    os.utime(tmp_path / "models.py", (1, 1))
    notebook.run("import models")
    models = notebook.shell.user_ns["models"]
    try:
        assert "SCALE = 2" in build(models.Net).files["scripts/model_def.py"].decode()
        assert notebook.run(change).result.success
        with pytest.raises(CaptureError, match=r"models\.py"):
            build(models.Net)
    finally:
        del sys.modules["models"]
