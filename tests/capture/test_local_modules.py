"""The user's own modules travel word for word, those that are imported and no others."""

from __future__ import annotations

import importlib
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from reson_jupyter.capture.imports.local_modules import LocalFile, local_files, ships_in
from reson_jupyter.errors import CaptureError

from .local_trees import Tree, paths, run

PACKAGE = {
    "mymodels/__init__.py": "from .registry import REGISTRY\n",
    "mymodels/registry.py": "REGISTRY = {}\n",
    "mymodels/blocks.py": """\
        from __future__ import annotations

        from typing import TYPE_CHECKING

        import torch.nn as nn

        from . import ops
        from .heads import *

        if TYPE_CHECKING:
            from .typing_only import Shape


        class Block(nn.Module):
            def __init__(self, width: int = 4) -> None:
                super().__init__()
                self.conv = ops.conv(width)
                self.head = Head(width, 2)

            def forward(self, x: Shape):
                from mymodels.deep.late import late

                return late(self.head(self.conv(x).mean((2, 3))))
        """,
    "mymodels/ops.py": "import torch\n\n\ndef conv(width):\n    return torch.nn.Conv2d(3, width, 3)\n",
    "mymodels/heads.py": "from torch.nn import Linear as Head\n\n__all__ = ['Head']\n",
    "mymodels/typing_only.py": "raise ImportError('only for type checkers')\n",
    "mymodels/deep/__init__.py": "",
    "mymodels/deep/late.py": "from ..registry import REGISTRY\n\n\ndef late(x):\n    return x, len(REGISTRY)\n",
    "mymodels/unused.py": "raise RuntimeError('nobody imports this')\n",
    "mymodels/weights.json": "{}",
    "mymodels/.secret.py": "KEY = 1\n",
    "notes.py": "",
}
CLOSURE = [
    "mymodels/__init__.py",
    "mymodels/blocks.py",
    "mymodels/deep/__init__.py",
    "mymodels/deep/late.py",
    "mymodels/heads.py",
    "mymodels/ops.py",
    "mymodels/registry.py",
]


@pytest.mark.parametrize(
    "statement",
    [
        "from mymodels.blocks import Block",
        "from mymodels import blocks",
        "import mymodels.blocks",
        "import mymodels.blocks as b",
        "from mymodels.blocks import *",
        "import importlib\nblocks = importlib.import_module('mymodels.blocks')",
        "def build():\n    from mymodels.blocks import Block\n    return Block()",
        "try:\n    from mymodels.blocks import Block\nexcept ImportError:\n    Block = None",
    ],
)
def test_what_an_import_reaches_ships_and_nothing_else_of_the_folder(tree: Tree, statement: str) -> None:
    tree(PACKAGE)
    assert paths(statement) == CLOSURE


def test_files_ship_word_for_word_with_their_origin_and_the_foreign_modules_that_they_import(tree: Tree) -> None:
    folder = tree(PACKAGE)
    files = {file.path: file for file in local_files("from mymodels.blocks import Block")}
    assert files["mymodels/blocks.py"] == LocalFile(
        "mymodels/blocks.py",
        (folder / "mymodels/blocks.py").read_text(),
        folder / "mymodels/blocks.py",
        ("torch.nn", "typing"),
    )
    assert files["mymodels/deep/__init__.py"].text == ""


def test_the_files_work_in_a_clean_process(tree: Tree, tmp_path: Path) -> None:
    tree(PACKAGE)
    cell = "import torch\nfrom mymodels.blocks import Block\n\n\ndef out():\n    return Block(5)(torch.zeros(2, 3, 8, 8))\n"
    scripts = tmp_path / "scripts"
    for path, text in {file.path: file.text for file in local_files(cell)}.items() | {("model_def.py", cell)}:
        (scripts / path).parent.mkdir(parents=True, exist_ok=True)
        (scripts / path).write_text(text, encoding="utf-8")
    code = f"import sys; sys.path.append({str(scripts)!r}); import model_def; print(tuple(model_def.out()[0].shape))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.stdout.strip(), done.stderr) == ("(2, 2)", "")


def test_looking_imports_nothing(tree: Tree) -> None:
    tree({"lazy/__init__.py": "raise RuntimeError('imported')\n", "lazy/inner.py": "raise RuntimeError('imported')\n"})
    assert paths("def f():\n    import lazy.inner\n") == ["lazy/__init__.py", "lazy/inner.py"]
    assert "lazy" not in sys.modules


def test_a_cell_without_local_imports_ships_no_files() -> None:
    assert local_files("import torch, json, PIL.Image\nfrom numpy import *\nimport nobody_has_this\nx = 1\n") == ()


def test_a_single_file_ships_and_a_module_that_a_name_is_taken_from_is_not_taken_for_a_package(tree: Tree) -> None:
    tree({"helpers.py": "import numpy as np\nWIDTH = 3\n"})
    assert paths("from helpers import WIDTH, np") == ["helpers.py"]


def test_folders_without_init_are_packages_too(tree: Tree) -> None:
    tree({"lab/vision/nets.py": "from ..shared import tools\n", "lab/shared/tools.py": "import numpy\n"})
    assert paths("from lab.vision import nets") == ["lab/shared/tools.py", "lab/vision/nets.py"]


def test_it_can_be_told_which_imports_are_of_files_that_ship(tree: Tree) -> None:
    tree({"lab/nets.py": "", "deep/__init__.py": ""})
    files = local_files("from lab import nets\nimport deep\nimport numpy")
    assert [name for name in ("lab", "lab.nets", "lab.netsuite", "deep", "deep.x", "numpy", "la") if ships_in(name, files)] == [
        "lab",
        "lab.nets",
        "deep",
        "deep.x",
    ]


def test_a_namespace_that_is_shared_with_an_installed_distribution_is_told_apart(tree: Tree) -> None:
    tree({"google/mine.py": "from google import protobuf\n"})
    if "google" in sys.modules:
        sys.modules["google"].__path__._recalculate()
    file, *others = local_files("from google import mine, protobuf\nimport google.protobuf")
    assert (file.path, file.imports, others) == ("google/mine.py", ("google.protobuf",), [])


def test_modules_that_import_each_other_ship_once(tree: Tree) -> None:
    tree({"ring/__init__.py": "", "ring/a.py": "from . import b\n", "ring/b.py": "import ring.a\nfrom ring import b\n"})
    assert paths("import ring.a") == ["ring/__init__.py", "ring/a.py", "ring/b.py"]


def test_a_name_of_a_package_is_a_submodule_only_if_the_package_has_nothing_else_under_it(tree: Tree) -> None:
    tree({"zoo/__init__.py": "def resnet():\n    return 1\n", "zoo/resnet.py": "", "zoo/vit.py": ""})
    assert paths("from zoo import resnet, vit") == ["zoo/__init__.py", "zoo/vit.py"]


def test_a_star_takes_the_submodules_that_all_names(tree: Tree) -> None:
    files = {"stars/__init__.py": "__all__ = ['a']\n", "stars/a.py": "", "stars/b.py": ""}
    tree(files)
    unloaded = [file.path for file in local_files("from stars import *")]
    assert unloaded == paths("from stars import *") == ["stars/__init__.py", "stars/a.py"]


def test_imports_that_a_file_can_do_without_are_named_only_if_they_are_here(tree: Tree) -> None:
    tree(
        {
            "maybe.py": """\
                from contextlib import suppress
                try:
                    import numpy
                    import nobody_has_this
                except ImportError:
                    nobody_has_this = None
                with suppress(ImportError):
                    import nobody_has_that
                def late():
                    import nobody_has_it
                """
        }
    )
    (file,) = local_files("import maybe")
    assert file.imports == ("contextlib", "nobody_has_it", "numpy")


def test_of_modules_that_are_imported_by_computed_names_those_that_are_loaded_ship(tree: Tree) -> None:
    tree(
        {
            "plug/__init__.py": """\
                import importlib
                def load(name):
                    return importlib.import_module(f".{name}", __name__)
                """,
            "plug/one.py": "",
            "plug/two.py": "",
        }
    )
    run("import plug\nplug.load('one')")
    assert paths("import plug") == ["plug/__init__.py", "plug/one.py"]


def test_files_of_any_line_ends_and_a_byte_order_mark_ship_as_python_reads_them(tree: Tree) -> None:
    folder = tree({"marked.py": ""})
    (folder / "marked.py").write_bytes(b"\xef\xbb\xbfname = 'Zo\xc3\xab'\r\n")
    (file,) = local_files("import marked")
    assert file.text == "name = 'Zoë'\n"


@pytest.mark.parametrize(
    ("files", "cell", "said"),
    [
        ({}, "\nfrom .blocks import Block", r"In\[4\], line 2: a relative import has no meaning(.|\n)*full name"),
        ({"model_def.py": ""}, "import model_def", r"In\[4\], line 1: model_def is a file of yours(.|\n)*Rename"),
        (
            {"custom_persistor/__init__.py": "", "custom_persistor/x.py": ""},
            "import custom_persistor.x",
            "custom_persistor is a file of yours",
        ),
        ({"user.py": "import reson_jupyter\n"}, "import user", r"user.py, line 1: reson_jupyter is not on the sites"),
        ({"user.py": "x = 1\n%matplotlib inline\n"}, "import user", r"user.py, line 2: invalid syntax(.|\n)*IPython"),
        ({"fast.cpython.so": "", "fast.so": "no source"}, "import fast", r"fast.so is no Python source"),
        ({"big.py": "x = '" + "A" * 1_000_000 + "'\n", "a.py": "import big\n"}, "import a", r"1,000,0\d\d bytes(.|\n)*big.py"),
        (
            {"statistics.py": ""},
            "import statistics",
            "statistics is a file of yours, but also the name of",
        ),
        ({"yaml/__init__.py": ""}, "import yaml", "yaml is a file of yours, but also the name of an installed or standard"),
    ],
)
def test_what_cannot_ship_is_refused_with_what_to_do(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, str], cell: str, said: str
) -> None:
    tree(files)
    for name in ("statistics", "yaml", "model_def", "custom_persistor"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        if any(path.startswith(name) for path in files):
            importlib.import_module(name)
    with pytest.raises(CaptureError, match=said):
        local_files(cell, "In[4], line {}".format)
    monkeypatch.undo()


def test_an_import_from_the_bundle_means_the_bundle_even_if_a_file_of_that_name_lies_about(tree: Tree) -> None:
    tree({"model_def.py": "x = 1\n"})
    assert local_files("from model_def import Net") == ()


def test_a_compiled_module_that_a_file_can_do_without_stays_behind(tree: Tree) -> None:
    tree({"quick/__init__.py": "try:\n    from . import _fast\nexcept ImportError:\n    _fast = None\n", "quick/_fast.so": ""})
    assert [file.path for file in local_files("import quick")] == ["quick/__init__.py"]


def test_a_module_in_a_zip_is_refused(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tree({}) / "lib.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped.py", "x = 1\n")
    monkeypatch.syspath_prepend(archive)
    with pytest.raises(CaptureError, match=r"zipped.py lies in lib.zip(.|\n)*Unpack lib.zip"):
        paths("import zipped")
    sys.modules.pop("zipped")


def test_a_file_in_another_encoding_is_refused(tree: Tree) -> None:
    (tree({}) / "old.py").write_bytes(b"# -*- coding: latin-1 -*-\nname = 'Zo\xeb'\n")
    with pytest.raises(CaptureError, match=r"old.py is written in iso-8859-1(.|\n)*Save it as UTF-8"):
        local_files("import old")


def test_a_file_that_is_gone_is_refused(tree: Tree) -> None:
    folder = tree({"gone.py": ""})
    run("import gone")
    (folder / "gone.py").unlink()
    with pytest.raises(CaptureError, match=r"gone.py cannot be read"):
        local_files("import gone")
