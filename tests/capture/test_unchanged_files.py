"""A file of the user's ships only if it still says what the kernel holds."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from reson_jupyter.capture.imports.local_modules import local_files
from reson_jupyter.errors import CaptureError

from .local_trees import Tree, paths, run

HELD = """\
    import functools
    from dataclasses import KW_ONLY, dataclass
    from typing import NamedTuple

    import torch
    import torch.nn as nn

    WIDTH = 4
    SIZES = [1, 2]
    REGISTRY = {}
    count = 0
    STEPS: int = 3
    MODE = "a" if WIDTH else "b"
    act = lambda x: x * 2


    def register(f):
        REGISTRY[f.__name__] = f
        return f


    def logged(f):
        @functools.wraps(f)
        def wrapper(*args):
            return f(*args)
        return wrapper


    def plain(f):
        def wrapper(*args):
            return f(*args)
        return wrapper


    @register
    def helper(x, scale=2, *, shift=1):
        global count
        count += 1
        return x * scale + shift if str(x) not in {"alpha", "beta", "gamma", "delta"} else 0


    @torch.no_grad()
    def evaluated(x):
        return x


    @logged
    def noted(x):
        return x


    @plain
    def hidden(x):
        return x


    class Base(nn.Module):
        made = 0

        def __init__(self):
            super().__init__()
            Base.made += 1


    class Block(Base):
        expansion = 4

        @property
        def width(self):
            return 1

        @width.setter
        def width(self, value):
            self.x = value

        @staticmethod
        def make(n=3):
            return [n for _ in range(n)]

        def forward(self, x):
            return helper(x) + (lambda y: y + 1)(x)

        def __hidden(self):
            return 1


    @dataclass(frozen=True)
    class Config:
        width: int
        _: KW_ONLY
        depth: int = 3


    class Point(NamedTuple):
        x: int
        y: int = 0


    if WIDTH > 3:
        def chosen():
            return 3
    else:
        def chosen():
            return 4
    scratch = 1
    del scratch
    """


@pytest.fixture
def held(tree: Tree) -> Callable[[str, str], None]:
    """Imports a file and then changes it."""
    folder = tree({"held.py": HELD})
    import held  # type: ignore[import-not-found]

    held.Base(), held.helper(1), held.SIZES.append(3)

    def change(old: str, new: str) -> None:
        text = (folder / "held.py").read_text()
        assert old in text
        (folder / "held.py").write_text(text.replace(old, new, 1))

    return change


def test_a_file_is_what_the_kernel_holds_however_its_code_was_used_or_its_layout_changed(
    held: Callable[[str, str], None],
) -> None:
    assert [file.path for file in local_files("import held")] == ["held.py"]
    held("WIDTH = 4", "# A comment.\n\nWIDTH = 4  # wide")
    assert [file.path for file in local_files("import held")] == ["held.py"]


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("WIDTH = 4", "WIDTH = 8", "WIDTH"),
        ("STEPS: int = 3", "STEPS: int = 30", "STEPS"),
        ("SIZES = [1, 2]", "SIZES = [1, 20]", "SIZES"),
        ("lambda x: x * 2", "lambda x: x * 3", "<lambda>"),
        ("x * scale + shift", "x * scale - shift", "helper"),
        ("scale=2", "scale=3", "helper"),
        ("scale=2, *", "scale, *", "helper"),
        ("shift=1", "shift=10", "helper"),
        ("def evaluated(x):\n    return x", "def evaluated(x):\n    return -x", "evaluated"),
        ("def noted(x):\n    return x", "def noted(x):\n    return -x", "noted"),
        ("expansion = 4", "expansion = 2", "Block.expansion"),
        ("        return 1\n\n    @width", "        return 2\n\n    @width", "Block.width"),
        ("n for _", "-n for _", "Block.make"),
        ("make(n=3)", "make(n=4)", "Block.make"),
        ("y + 1", "y + 2", "Block.forward"),
        ("def __hidden(self):\n        return 1", "def __hidden(self):\n        return 2", "Block.__hidden"),
        ("def forward(", "def backward(self): ...\n    def forward(", "Block.backward"),
        ("class Block(Base)", "class Block(nn.Module)", "the base of Block"),
        ("class Block(", "class New(Base): ...\n\n\nclass Block(", "New"),
        ("def forward(self, x)", "def forward(self, *, x)", "Block.forward"),
        ("width: int\n", "width: int\n    height: int\n", "Config.height"),
        ("depth: int = 3", "depth: int = 4", "Config.depth"),
        ("x: int\n", "x: int\n    z: int\n", "Point.z"),
        ("return 3\nelse", "return 5\nelse", "chosen"),
    ],
)
def test_a_file_that_changed_since_it_was_imported_is_refused(
    held: Callable[[str, str], None], old: str, new: str, part: str
) -> None:
    held(old, new)
    with pytest.raises(CaptureError) as caught:
        local_files("import held")
    assert caught.value.message == f"held.py has changed since this kernel imported it: {part} differs"
    assert "importlib.reload" in str(caught.value.hint)


def test_what_a_notebook_put_into_a_module_is_not_in_the_file(held: Callable[[str, str], None]) -> None:
    module = sys.modules["held"]
    module.Block.forward = lambda self, x: x
    with pytest.raises(CaptureError, match=r"Block.forward differs"):
        local_files("import held")


def test_a_name_that_the_file_no_longer_has_is_refused(held: Callable[[str, str], None]) -> None:
    namespace = run("from held import act")
    held("act = lambda x: x * 2\n", "")
    with pytest.raises(CaptureError, match=r"In\[2\], line 1: held.py has no act any more"):
        local_files("from held import act", "In[2], line {}".format, namespace)


def test_a_name_that_was_imported_before_its_module_was_reloaded_is_refused(held: Callable[[str, str], None]) -> None:
    cell = "from held import Block, WIDTH as w, noted"
    namespace = run(cell)
    held("y + 1", "y + 20")
    importlib.reload(sys.modules["held"])
    with pytest.raises(CaptureError, match=r"In\[2\], line 1: Block was imported before held.py was loaded again(.|\n)*Run"):
        local_files(cell, "In[2], line {}".format, namespace)
    assert local_files(cell, namespace=run(cell))


def test_a_file_that_imported_from_another_before_that_was_reloaded_is_refused(tree: Tree) -> None:
    folder = tree({"outer.py": "from inner import f\n", "inner.py": "def f():\n    return 1\n"})
    run("import outer")
    importlib.reload(sys.modules["inner"])
    assert len(local_files("import outer")) == 2, "reloaded, but the same"
    (folder / "inner.py").write_text("def f():\n    return 10_000\n")
    importlib.reload(sys.modules["inner"])
    with pytest.raises(CaptureError, match=r"outer.py, line 1: f was imported before inner.py was loaded(.|\n)*reload outer"):
        local_files("import outer")


def test_a_module_that_was_read_from_its_cache_is_what_its_file_says(tree: Tree) -> None:
    folder = tree({"held.py": HELD})
    code = f"import compileall; compileall.compile_dir({str(folder)!r}, quiet=1)"
    for seed in range(6):  # the cache is written by other processes, whose sets have another order
        compiled = subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": str(seed)}, capture_output=True, text=True)
        assert compiled.returncode == 0
        importlib.import_module("held")
        assert len(local_files("import held")) == 1
        del sys.modules["held"]
        for cached in folder.glob("__pycache__/*"):
            cached.unlink()


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("SIZE = 2 ** 3\n", "SIZE = 2 ** 4\n"),
        ("def f(x=2 * 2):\n    return x\n", "def f(x=2 * 3):\n    return x\n"),
        ("class A:\n    class B:\n        def f(self): return 1\n", "class A:\n    class B:\n        def f(self): return 2\n"),
        ("import enum\nclass E(enum.Enum):\n    a = 1\n", "import enum\nclass E(enum.Enum):\n    a = 2\n"),
        ("def f():\n    return 1\n", "\n"),
    ],
)
def test_what_only_the_code_that_python_keeps_can_tell_is_seen(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, was: str, now: str
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    folder = tree({"kept.py": was})
    run("import kept")
    (folder / "kept.py").write_text(now)
    os.utime(folder / "kept.py", (1, 1))  # a time of its own, as any edit has after a second
    with pytest.raises(CaptureError, match=r"kept.py has changed since this kernel imported it"):
        paths("import kept")
    (folder / "kept.py").write_text("# a comment\n" + was)
    assert paths("import kept") == ["kept.py"]
