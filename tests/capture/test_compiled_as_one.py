"""A cell magic may have its cell compiled as one text, which gives other bytecode for the same code: it ships all the same."""

from __future__ import annotations

import pytest

from reson_jupyter.api import build
from reson_jupyter.errors import CaptureError
from reson_jupyter.session import Session

from .conftest import Notebook
from .shipping import read_cell

MODEL = (
    "import torch.nn as nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        {}\n"
    "    def forward(self, x):\n        return self.fc(x.mean((2, 3)))\n"
)
NET = MODEL.format("self.fc = nn.Linear(3, 2)")
MAKE = "import torch.nn as nn\ndef make(size):\n    layer = nn.Linear(size, 2)\n    return layer\n"
USER = "%%reson_model\n" + MODEL.format("self.fc = make(3)")
MAGICS = (
    "%%time",
    "%%capture",
    "%%prun -q",
    "%%time\n%%capture",
    "%%capture\n%%time",
    "%%capture\n\n%%prun -q",
    "%%prun -q\n%%time",
)


def shipped() -> str:
    return build().files["scripts/model_def.py"].decode()


@pytest.mark.parametrize("magic", MAGICS)
def test_a_helper_of_a_cell_under_a_magic_ships(notebook: Notebook, session: Session, magic: str) -> None:
    for cell in (f"{magic}\n{MAKE}", USER):
        outcome = notebook.run(cell)
        assert outcome.result.success, outcome.text
    assert "layer = nn.Linear(size, 2)" in shipped() and session.captures["model"].warnings == ()


@pytest.mark.parametrize("magic", ["%%time", "%%prun -q"])
def test_a_class_of_a_cell_under_a_magic_ships_by_name(notebook: Notebook, session: Session, magic: str) -> None:
    notebook.run(f"{magic}\n{NET}")
    assert "nn.Linear(3, 2)" in build(model=notebook.shell.user_ns["Net"]).files["scripts/model_def.py"].decode()


@pytest.mark.parametrize(
    "magics", ["%%reson_model\n%%time", "%%reson_model\n%%time\n%%capture", "%%reson_model\n%%prun -q", "%%time\n%%reson_model"]
)
def test_a_magic_beside_that_of_the_capture_changes_nothing(notebook: Notebook, session: Session, magics: str) -> None:
    outcome = notebook.run(f"{magics}\n{NET}")
    assert outcome.result.success, outcome.text
    before = session.captures["model"]
    assert before.warnings == () and "nn.Linear(3, 2)" in shipped()
    assert session.captures["model"] is before


@pytest.mark.parametrize(
    "imports",
    [
        "if True:\n    import torch.nn as nn\n",
        "try:\n    import torch.nn as nn\nexcept ImportError:\n    nn = None\n",
        "with open('/dev/null'):\n    import torch.nn as nn\n",
        "for _ in range(1):\n    from torch import nn\n",
        "from torch import *\nfrom torch import nn\n",
    ],
)
def test_however_the_cell_imports(notebook: Notebook, session: Session, imports: str) -> None:
    for cell in ("%%time\n" + MAKE.replace("import torch.nn as nn\n", imports), USER):
        outcome = notebook.run(cell)
        assert outcome.result.success, outcome.text
    assert "layer = nn.Linear(size, 2)" in shipped()


@pytest.mark.parametrize("magic", ["%%time", "%%prun -q"])
def test_what_has_changed_since_is_still_seen(notebook: Notebook, session: Session, magic: str) -> None:
    notebook.run(f"{magic}\n{MAKE}")
    assert notebook.run(USER).result.success
    notebook.run("exec('def make(size):\\n    layer = nn.Linear(size, 3)\\n    return layer')")
    with pytest.raises(CaptureError, match=r"make is not what In\[1\], line 3 says any more"):
        build()


def test_names_that_a_text_imports_are_those_of_its_top_level() -> None:
    text = "import a.b, c as d\nfrom e import f as g, h\nfrom i import *\nwith x:\n    import j\n"
    text += "def k():\n    import l\nclass M:\n    import n\n"
    (imported,) = {unit.imported for unit in read_cell(text).units}
    assert imported == {"a", "d", "g", "h", "j"}
