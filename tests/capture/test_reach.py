"""What ships of a cell and what stays."""

from __future__ import annotations

from .shipping import cell_lines, imports, ship, titles

NET = "import torch.nn as nn\n"


def test_only_the_imports_that_are_used_ship() -> None:
    head = "import os, torch.nn as nn, sys\nfrom typing import (\n    Any,\n    Optional,  # one\n)\n"
    capture = ship(head + "class Net(nn.Module):\n    a: Optional[int] = 1\n")
    assert imports(capture) == ["import torch.nn as nn", "from typing import Optional"]
    assert cell_lines(capture.module)[:2] == (1, 4)
    assert capture.imports == ("torch.nn", "typing")


def test_an_import_statement_that_is_used_wholly_keeps_its_layout() -> None:
    text = "from torch.nn import (\n    Linear,  # dense\n    Module,\n)\n"
    assert ship(text + "class Net(Module):\n    layer = Linear\n").source.startswith(text)


def test_every_import_of_a_package_ships_because_each_may_load_a_submodule() -> None:
    capture = ship("import torch.nn\nimport torch.utils.data\nimport torch\nclass Net(torch.nn.Module): ...\n")
    assert imports(capture) == ["import torch.nn", "import torch.utils.data", "import torch"]


def test_definitions_keep_the_order_of_the_cell() -> None:
    capture = ship(NET + "class Net(nn.Module):\n    def forward(self, x): return late(x) + A\ndef late(x): return x\nA = 1\n")
    assert titles(capture) == ["class Net", "def late", "A"]


def test_what_runs_stays_and_is_named_with_its_line() -> None:
    capture = ship(NET + "class Net(nn.Module): ...\nprint('x' * 2)\nfor i in range(2):\n    pass\nnet = Net()\n%who_ls\n")
    assert capture.left_behind == (
        "line 3: print('x' * 2)",
        "line 4: for i in range(2):",
        "line 6: net = Net()",
        "line 7: %who_ls",
    )


def test_comments_and_formatting_inside_a_definition_are_kept() -> None:
    text = "class Net( nn.Module ):  # mine\n\n    # first\n    def forward( self,x ):\n        return   x # same\n"
    assert ship(NET + text).source == NET + "\n\n" + text


def test_a_value_that_a_statement_which_stays_behind_has_changed_ships_as_it_is_now() -> None:
    capture = ship(NET + "SIZES = [1]\nSIZES.append(2)\nclass Net(nn.Module):\n    sizes = SIZES\n")
    assert "SIZES = [1, 2]\n" in capture.source and capture.warnings == ()


def test_a_loop_that_sets_a_shipped_name_again_leaves_its_last_value() -> None:
    capture = ship(NET + "best = 0\nfor best in range(3):\n    pass\nclass Net(nn.Module):\n    b = best\n")
    assert "best = 2\n" in capture.source and capture.warnings == ()


def test_a_change_to_a_value_that_has_no_source_is_a_warning() -> None:
    capture = ship(NET + "import torch\nW = torch.zeros(2)\nfor i in (0, 1): W[i] = i\nclass Net(nn.Module):\n    w = W\n")
    assert capture.warnings == ("In[1], line 4 changes W and stays behind; the sites have W without that change",)


def test_reading_a_shipped_value_is_no_warning() -> None:
    assert ship(NET + "NAMES = ['a']\nprint(NAMES.index('a'))\nclass Net(nn.Module):\n    n = NAMES\n").warnings == ()


def test_a_future_import_of_an_earlier_cell_ships_as_a_line_of_ours() -> None:
    from reson_jupyter.capture.across.inputs import Kernel
    from reson_jupyter.capture.capture import capture_cell
    from reson_jupyter.capture.text.cell import parse

    from .shipping import run

    text = NET + "class Net(nn.Module):\n    def forward(self, x: Missing): return x\n"
    namespace = run("from __future__ import annotations\n" + text)
    capture = capture_cell("model", parse(text, future_annotations=True), Kernel(namespace))
    assert capture.source.startswith("from __future__ import annotations\n\nimport torch.nn as nn\n")
    assert cell_lines(capture.module)[:3] == (0, 0, 1)


def test_line_numbers_begin_where_the_cell_says() -> None:
    from reson_jupyter.capture.across.inputs import Kernel
    from reson_jupyter.capture.capture import capture_cell
    from reson_jupyter.capture.text.cell import parse

    from .shipping import run

    text = "\n" + NET + "class Net(nn.Module): ...\n"
    capture = capture_cell("model", parse(text, first_line=2), Kernel(run(text)))
    assert [line for line in cell_lines(capture.module) if line] == [3, 4]


def test_a_helper_that_only_an_unshipped_function_uses_stays() -> None:
    capture = ship(NET + "def plot(): return style()\ndef style(): return 1\nclass Net(nn.Module): ...\n")
    assert titles(capture) == ["class Net"]


def test_an_optional_import_that_is_not_installed_is_no_requirement_but_a_warning() -> None:
    block = "try:\n    import nobody_has_this\nexcept ImportError:\n    nobody_has_this = None\n"
    (warning,) = ship(NET + block + "class Net(nn.Module):\n    x = nobody_has_this\n").warnings
    assert warning == "In[1], line 3 imports nobody_has_this, which is not installed here; the sites will not have it either"
