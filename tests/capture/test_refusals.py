"""What cannot ship is an error when the cell runs; it names the line and the name, and says what to do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.errors import CaptureError

from .shipping import read_cell, run, ship

NET = "import torch.nn as nn\n"


def refused(text: str, role: Any = "model", kernel: dict[str, Any] | None = None, **options: Any) -> str:
    with pytest.raises(CaptureError) as caught:
        ship(text, role, kernel=kernel, **options)
    return str(caught.value)


def kernel_after(*cells: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells:
        run(cell, namespace)
    return namespace


@pytest.mark.parametrize(
    ("before", "use", "line"),
    [
        ("import torch.nn as nn", "nn.ReLU()", "import torch.nn as nn"),
        ("import math", "math.pi", "import math"),
        ("import torch.nn.functional as F", "F.relu", "import torch.nn.functional as F"),
        ("from torch.utils.data import DataLoader", "DataLoader", "from torch.utils.data import DataLoader"),
        ("from torch import Tensor as T", "T", "from torch import Tensor as T"),
        ("from dataclasses import field", "field", "from dataclasses import field"),
    ],
)
def test_an_import_that_no_cell_has_is_refused_with_the_line_to_add(before: str, use: str, line: str) -> None:
    text = f"import torch\n\nclass Net(torch.nn.Module):\n    def forward(self, x):\n        return {use}\n"
    name = use.split(".")[0]
    message = refused(text, kernel=kernel_after(before))
    assert f"In[1], line 5, column 16: Net needs {name!r}, which no cell imports" in message
    assert f"add: {line}" in message


def test_a_helper_whose_text_nobody_has_is_refused_with_the_cell_it_belongs_into() -> None:
    kernel = kernel_after("def conv_block(i, o): return i")
    message = refused(NET + "class Net(nn.Module):\n    block = conv_block(1, 2)\n", kernel=kernel)
    assert "In[1], line 3, column 13: Net needs 'conv_block', which no cell defines" in message
    assert "Define conv_block in this cell." in message


def test_a_live_object_of_another_cell_is_refused_by_name_and_type() -> None:
    kernel = kernel_after("import torch\nweights = torch.rand(3)")
    message = refused(NET + "class Net(nn.Module):\n    w = weights\n", kernel=kernel)
    assert "Net needs 'weights', which no cell defines; it is a tensor; write its values into the cell" in message


def test_a_name_that_exists_nowhere_is_refused() -> None:
    message = refused(NET + "class Net(nn.Module):\n    def forward(self, x):\n        return missing + 1\n")
    assert "line 4, column 16: Net needs 'missing', which is not defined anywhere" in message


def test_all_missing_names_are_reported_at_once() -> None:
    message = refused(
        NET
        + "class Net(nn.Module):\n    def forward(self, x):\n        return a + b\ndef fl_train(model, env, out_dir): return c\n"
    )
    assert [name for name in "abc" if f"needs {name!r}" in message] == ["a", "b", "c"]
    assert "line 5, column 43: fl_train needs 'c'" in message


def test_a_missing_name_is_reported_where_it_is_read_not_where_a_local_has_its_name() -> None:
    text = (
        NET + "class Net(nn.Module):\n    def one(self):\n        x = 1\n        return x\n    def two(self):\n        return x\n"
    )
    assert "line 7, column 16: Net needs 'x'" in refused(text)


@pytest.mark.parametrize("name", ["display", "get_ipython"])
def test_what_exists_only_in_notebooks_is_refused(name: str) -> None:
    message = refused(NET + f"class Net(nn.Module):\n    def forward(self, x):\n        return {name}()\n")
    assert f"Net needs {name!r}, which exists only in notebooks" in message


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("for k in range(3): pass", "2"),
        ("while (k := 1) > 2: pass", "1"),
        ("if __name__ == '__main__':\n    k = 1", "1"),
        ("if True:\n    k = 'a'\n    [].clear()", "'a'"),
        ("with open('/dev/null') as f: k = f.read()", "''"),
    ],
)
def test_a_simple_value_that_a_running_statement_sets_ships_as_a_value(setting: str, value: str) -> None:
    capture = ship(NET + setting + "\nclass Net(nn.Module):\n    def forward(self, x): return k\n")
    assert f"k = {value}\n" in capture.source and setting not in capture.source


def test_a_live_object_that_a_running_statement_sets_is_refused() -> None:
    message = refused(NET + "with open('/dev/null') as k: pass\nclass Net(nn.Module):\n    def forward(self, x): return k\n")
    assert "which In[1], line 2, in a statement that runs something, makes; it is an open file" in message


def test_a_name_that_a_running_statement_sets_and_deletes_names_the_line() -> None:
    text = NET + "if True:\n    k = 1\n    [].clear()\ndel k\nclass Net(nn.Module):\n    def forward(self, x): return k\n"
    message = refused(text)
    assert "which gets its value in line 2, in a statement that runs something (line 4)" in message
    assert "Give k its value in a plain assignment" in message


def test_a_name_for_type_checkers_only_is_refused_when_the_code_needs_it() -> None:
    text = (
        "from typing import TYPE_CHECKING\n"
        + NET
        + "if TYPE_CHECKING:\n    from math import pi\nclass Net(nn.Module):\n    def f(self): return pi\n"
    )
    assert "which line 3 imports for type checkers only" in refused(text)


def test_a_value_from_a_shell_line_is_refused() -> None:
    message = refused(NET + "files = !ls\nclass Net(nn.Module):\n    def f(self): return files\n")
    assert "line 2: `files = !ls` belongs to files, which ships; sites have no IPython" in message


@pytest.mark.parametrize("magic", ["%time y = 1", "!nvidia-smi", "y = %pwd", "x?"])
def test_a_magic_inside_what_ships_is_refused(magic: str) -> None:
    message = refused(NET + f"class Net(nn.Module):\n    def forward(self, x):\n        {magic}\n        return x\n")
    assert "line 4: `" in message and "belongs to Net, which ships" in message


def test_a_magic_in_a_function_inside_a_block_is_refused() -> None:
    text = NET + "if True:\n    def k():\n        !ls\n        return 1\nclass Net(nn.Module):\n    def f(self): return k()\n"
    assert "line 4: `!ls` belongs to k" in refused(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [("import torch\nclass Net(:\n", 2), ("x = (\n", 1), ("class Net:\npass\n", 2), ("%who\nx = 'a\n", 2)],
)
def test_a_syntax_error_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(CaptureError, match=rf"^In\[1\], line {line}: "):
        read_cell(text)


def test_a_cell_without_a_model_is_refused() -> None:
    assert (
        refused(NET + "class Net: ...\n")
        == "In[1] defines no subclass of torch.nn.Module\n  Define the model's class in this cell."
    )


def test_several_possible_models_are_refused_with_the_option_that_chooses() -> None:
    text = NET + "class G(nn.Module): ...\nclass D(nn.Module): ...\n"
    assert refused(text) == "In[1] defines several classes that could be the model: G, D\n  Say which: %%reson_model --class D"
    assert ship(text, name="G").name == "G"


def test_a_class_that_the_cell_does_not_define_is_refused() -> None:
    assert "In[1] defines no Nett\n  Give --class a class of this cell: Net." in refused(
        NET + "class Net(nn.Module): ...\n", name="Nett"
    )


def test_a_class_of_the_wrong_kind_is_refused() -> None:
    assert "A cannot be the model: it is no subclass of torch.nn.Module" in refused(NET + "class A: ...\n", name="A")


def test_a_model_that_was_overwritten_by_its_instance_is_refused() -> None:
    message = refused(NET + "class Net(nn.Module): ...\nNet = Net()\n", name="Net")
    assert "pass the class Net, not an instance of it" in message


def test_a_class_inside_a_running_statement_is_refused() -> None:
    text = NET + "for width in (1, 2):\n    class Net(nn.Module): ...\n"
    assert "Net is defined inside a statement that runs something" in refused(text, name="Net")


def test_a_file_beside_the_notebook_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_own_blocks.py").write_text("import torch\nclass Block(torch.nn.Module): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    capture = ship(NET + "from my_own_blocks import Block\nclass Net(Block): ...\n", name="Net")
    sys.modules.pop("my_own_blocks")
    assert [file.path for file in capture.files] == ["my_own_blocks.py"] and capture.imports == ("torch",)


def test_this_package_itself_does_not_ship() -> None:
    message = refused(NET + "class Net(nn.Module):\n    def f(self):\n        import reson_jupyter\n")
    assert "line 4: reson_jupyter is not on the sites" in message


def test_a_relative_import_is_refused() -> None:
    assert "line 4: a relative import" in refused(NET + "class Net(nn.Module):\n    def f(self):\n        from . import x\n")


def test_an_executor_that_uses_the_model_imports_it() -> None:
    model = ship(NET + "class Net(nn.Module): ...\n", label="In[2]")
    text = "from nvflare.apis.executor import Executor\nclass Mine(Executor):\n    def __init__(self, **kw): ...\n"
    text += "    def execute(self, task_name, shareable, fl_ctx, abort_signal):\n        return Net()\n"
    capture = ship(text, "executor", kernel={"__name__": "__main__", "Net": model.live}, beside=model)
    assert "from model_def import Net\n" in capture.source
