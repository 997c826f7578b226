"""Files beside a notebook, for tests of what a cell imports from them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from reson_jupyter.capture.imports.local_modules import local_files

Tree = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tree]:
    """Writes files into a folder from which this kernel imports; forgets afterwards what it imported of them."""
    folder = tmp_path / "beside the notebook"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)

    def write(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), encoding="utf-8")
        importlib.invalidate_caches()
        return folder

    yield write
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", None) or getattr(sys.modules[name], "__path__", "")):
            del sys.modules[name]


def run(cell: str) -> dict[str, object]:
    """What a kernel has after a cell ran."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec(dedent(cell), namespace)
    return namespace


def paths(cell: str) -> list[str]:
    """What ships with a cell that has run."""
    namespace = run(cell)
    return [file.path for file in local_files(dedent(cell), "In[4], line {}".format, namespace)]
