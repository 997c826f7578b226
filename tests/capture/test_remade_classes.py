"""A decorator that gives something else than the class: refused when the cell runs, with what it did and what to write."""

from __future__ import annotations

import pytest

from reson_jupyter.api import build
from reson_jupyter.errors import CaptureError
from reson_jupyter.session import Session

from .conftest import Notebook

NN = "import torch.nn as nn\n"
BODY = (
    "(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(3, 2)\n"
    "    def forward(self, x):\n        return self.fc(x.mean((2, 3)))\n"
)
WRAPS = "def deco(cls):\n    class Wrapped(cls):\n        pass\n    return Wrapped\n"
RENAMED = WRAPS.replace("    return", "    Wrapped.__name__, Wrapped.__qualname__ = cls.__name__, cls.__qualname__\n    return")
SINGLE = "def deco(cls):\n    return cls()\n"
METHOD = (
    "import functools\ndef deco(cls):\n    old = cls.__init__\n    def __init__(self, *values):\n        old(self, *values)\n"
    "    cls.__init__ = __init__\n    return cls\n"
)
USER = (
    "%%reson_model\nclass Outer(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.inner = Net\n"
    "    def forward(self, x):\n        return self.inner(x)\n"
)


def refused(notebook: Notebook, *cells: str) -> str:
    outcomes = [notebook.run(cell) for cell in cells]
    assert not outcomes[-1].result.success
    assert "run it again" not in outcomes[-1].text and "any more" not in outcomes[-1].text
    return outcomes[-1].text


@pytest.mark.parametrize(("deco", "name"), [(WRAPS, "Wrapped"), (RENAMED, "Net")])
def test_another_class_is_refused_at_the_capture(notebook: Notebook, session: Session, deco: str, name: str) -> None:
    said = refused(notebook, f"%%reson_model\n{NN}{deco}@deco\nclass Net{BODY}")
    line = 3 + deco.count("\n")
    assert f"Net cannot ship, because its decorator (In[1], line {line}) has returned another class, {name}" in said
    assert "class NetPlain without the decorator, and below it Net = deco(NetPlain)" in said
    assert "model" not in session.captures


def test_what_the_refusal_says_to_write_ships(notebook: Notebook, session: Session) -> None:
    outcome = notebook.run(f"%%reson_model --class Net\n{NN}{WRAPS}class NetPlain{BODY}Net = deco(NetPlain)\n")
    assert outcome.result.success, outcome.text
    assert "Net = deco(NetPlain)" in build().files["scripts/model_def.py"].decode()


@pytest.mark.parametrize(
    ("deco", "because"),
    [
        (WRAPS, "because its decorator (In[1], line {}) has returned another class, Wrapped"),
        (SINGLE, "because its decorator (In[1], line {}) has made it an object of type Net"),
        (METHOD, "because Net.__init__ is not the one of the class's body (In[1], line {}): its decorator"),
    ],
)
def test_a_class_of_another_cell_is_refused_for_the_same_reason(
    notebook: Notebook, session: Session, deco: str, because: str
) -> None:
    said = refused(notebook, f"{NN}{deco}@deco\nclass Net{BODY}", USER)
    assert f"Outer needs 'Net', {because.format(2 + deco.count(chr(10)))}" in said


def test_a_class_that_goes_by_another_name_is_captured_by_its_cell(notebook: Notebook, session: Session) -> None:
    notebook.run(f"{NN}{WRAPS}class NetPlain{BODY}Net = deco(NetPlain)\n")
    with pytest.raises(CaptureError, match=r"Net is a class that calls itself Wrapped, .*\n  Put %%reson_model --class Net on"):
        build(model=notebook.shell.user_ns["Net"])


def test_an_object_of_the_captured_cell_is_refused_until_it_is_written_as_two(notebook: Notebook, session: Session) -> None:
    said = refused(notebook, USER.replace("class Outer", f"{NN}{SINGLE}@deco\nclass Net{BODY}class Outer"))
    assert "Net cannot ship, because its decorator" in said and "class NetPlain without the decorator" in said
    apart = f"{NN}{SINGLE}class NetPlain{BODY}Net = deco(NetPlain)\nclass Outer"
    outcome = notebook.run(USER.replace("class Outer", apart, 1).replace("%%reson_model", "%%reson_model --class Outer"))
    assert outcome.result.success, outcome.text
    assert "Net = deco(NetPlain)" in build().files["scripts/model_def.py"].decode()


def test_a_method_that_the_decorator_wraps_openly_ships(notebook: Notebook, session: Session) -> None:
    said = refused(notebook, f"%%reson_model\n{NN}{METHOD}@deco\nclass Net{BODY}")
    assert "have it do so with functools.wraps" in said
    openly = METHOD.replace("    def __init__", "    @functools.wraps(old)\n    def __init__")
    assert notebook.run(f"%%reson_model\n{NN}{openly}@deco\nclass Net{BODY}").result.success
    assert "@functools.wraps(old)" in build().files["scripts/model_def.py"].decode()


def test_several_decorators_are_written_as_the_calls_that_they_are(notebook: Notebook, session: Session) -> None:
    keep = "def keep(number):\n    return lambda cls: cls\n"
    said = refused(notebook, f"%%reson_model\n{NN}{WRAPS}{keep}@deco\n@keep(3)\nclass Net{BODY}")
    assert "Net = deco(keep(3)(NetPlain))" in said


@pytest.mark.parametrize("deco", ["def deco(cls):\n    return cls\n", "def deco(cls):\n    cls.extra = 3\n    return cls\n"])
def test_a_decorator_that_returns_the_class_ships(notebook: Notebook, session: Session, deco: str) -> None:
    assert notebook.run(f"%%reson_model\n{NN}{deco}@deco\nclass Net{BODY}").result.success
    assert "@deco\nclass Net" in build().files["scripts/model_def.py"].decode()
