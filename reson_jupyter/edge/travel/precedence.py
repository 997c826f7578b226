"""On a site, the names `scaleout` and `scaleoututil` mean the packages beside this one, even if others are installed there."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

_TOPS = ("scaleout", "scaleoututil")


class _Beside:
    """Finds the packages beside this one; what is inside them is found through them."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [self.folder]) if name in _TOPS else None


def take_precedence(folder: Path) -> None:
    """Makes the packages in a folder the ones that are imported from now on.

    A simulated site has the folder of its scripts at the end of its path, behind what is installed.
    """
    sys.meta_path.insert(0, _Beside(folder))
    for name, module in list(sys.modules.items()):
        # One of these may be what imports this package just now.
        if name.split(".")[0] in _TOPS and not (getattr(module, "__file__", None) or "").startswith(f"{folder}{os.sep}"):
            del sys.modules[name]
