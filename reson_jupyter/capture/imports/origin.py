"""Where a module comes from: Python itself, an installed distribution, or a file of the user's. Nothing is imported for it."""

from __future__ import annotations

import json
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import PathFinder
from importlib.metadata import Distribution, distributions
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit
from urllib.request import url2pathname

_PACKAGES = frozenset({"site-packages", "dist-packages"})
_LIBRARIES = frozenset(
    folder
    for kind in ("stdlib", "platstdlib", "purelib", "platlib")
    for given in [Path(sysconfig.get_path(kind))]
    for folder in (given, given.resolve())
)


@dataclass(frozen=True)
class Found:
    """A module as this kernel has it, or as it would be imported.

    Attributes:
        name: Its dotted name.
        file: Its file; None where it has none: a namespace package, a builtin module, one that was made in this kernel.
        folders: Where its submodules are looked for; None when it is no package.
        live: The module, if this kernel has loaded it.
    """

    name: str
    file: Path | None
    folders: tuple[str, ...] | None = None
    live: ModuleType | None = None

    @property
    def is_namespace(self) -> bool:
        """Whether it is a folder without `__init__.py`, to which several places may add."""
        return self.file is None and self.folders is not None


def find(name: str, folders: Iterable[str] | None = None) -> Found | None:
    """Finds a module without importing it or its parents.

    Args:
        name: Its dotted name.
        folders: Where the package that it belongs to looks for submodules; None for a name without a dot.
    """
    if name in sys.modules:
        live = sys.modules[name]
        file, path = getattr(live, "__file__", None), getattr(live, "__path__", None)
        if live is None:  # how a module is kept from being imported
            return None
        return Found(name, Path(file) if isinstance(file, str) else None, None if path is None else tuple(path), live)
    path = None if folders is None else list(folders)
    for finder in sys.meta_path:
        spec = finder.find_spec(name, path) if hasattr(finder, "find_spec") else None
        if spec is not None:
            file = Path(spec.origin) if spec.has_location and spec.origin else None
            return Found(name, file, None if (inner := spec.submodule_search_locations) is None else tuple(inner))
    return None


def locate(module: str) -> Found | None:
    """Finds the outermost part of a dotted name that is no namespace package: "PIL" of "PIL.Image"; None if there is none."""
    found: Found | None = None
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        found = find(".".join(parts[:count]), found.folders if found else None)
        if found is None or not found.is_namespace:
            return found
    return found


def is_users(found: Found) -> bool:
    """Whether a module is a file of the user's, as opposed to a part of Python or of an installed distribution."""
    if found.file is None or found.name == "__main__":
        return False
    return not in_libraries(found.file) and owner_by_file(found) is None


def is_hidden_by_library(top: str) -> bool:
    """Whether Python itself or its library folders have a module of this name as well.

    Which of the two is imported depends on where the scripts folder stands on the path: at its end in a simulated site, before
    the libraries in a deployed one, where it would also take the place of the module that others mean.
    """
    if top in sys.stdlib_module_names:
        return True
    folders = [folder for folder in sys.path if in_libraries(Path(folder or "."))]
    spec = PathFinder.find_spec(top, folders)
    return spec is not None and spec.has_location


def owner_by_file(found: Found) -> str | None:
    """Returns the distribution that a file outside the library folders belongs to: an editable one, or one with its own folder.

    In the folder of an editable project not everything is a part of the distribution: a notebook's helpers may lie there, too.
    """
    if found.file is None or in_libraries(found.file):
        return None
    top, file = found.name.split(".")[0], found.file.resolve()
    root = file.parents[found.name.count(".") + (file.name == "__init__.py")]
    for editable in _editables(tuple(sys.path)):
        if file.is_relative_to(editable.folder) and (top in editable.tops or root in editable.roots - {editable.folder}):
            return editable.name
    inside = file.relative_to(root).as_posix()
    for record in root.glob("*.dist-info/RECORD"):
        if any(line.partition(",")[0] == inside for line in record.read_text("utf-8").splitlines()):
            return Distribution.at(record.parent).metadata["Name"]
    return None


def direct_url(distribution: Distribution) -> dict[str, dict[str, str]]:
    """Returns what the installer noted of an install from a folder, a file, a URL or a repository; {} for one from an index."""
    # Conda notes the folder in which its own builders made the package.
    if (distribution.read_text("INSTALLER") or "").strip() == "conda":
        return {}
    return dict(json.loads(distribution.read_text("direct_url.json") or "{}"))


@dataclass(frozen=True)
class _Editable:
    """An editable install: its project's folder, its top-level modules as far as noted, and what it put on the path."""

    name: str
    folder: Path
    tops: frozenset[str]
    roots: frozenset[Path]


@lru_cache(maxsize=1)
def _editables(path: tuple[str, ...]) -> tuple[_Editable, ...]:
    """The editable installs on a `sys.path`; a new one shows only after a restart, as it does for imports."""
    return tuple(
        _editable(distribution, str(noted["url"]))
        for distribution in distributions(path=list(path))
        if (noted := direct_url(distribution)).get("dir_info", {}).get("editable")
    )


def _editable(distribution: Distribution, url: str) -> _Editable:
    name = distribution.metadata["Name"]
    tops = {name.lower().replace("-", "_").replace(".", "_"), *(distribution.read_text("top_level.txt") or "").split()}
    roots = {
        Path(line).resolve()
        for file in distribution.files or ()
        if file.suffix == ".pth" and (noted := Path(str(file.locate()))).is_file()
        for line in noted.read_text("utf-8").splitlines()
        if line.strip() and not line.startswith(("import ", "import\t", "#"))
    }
    folder = Path(url2pathname(urlsplit(url).path)).resolve()
    return _Editable(name, folder, frozenset(tops), frozenset(roots))


def in_libraries(file: Path) -> bool:
    """Whether a file is a part of Python or lies in its folders of installed packages."""
    # Some installers put links there that lead to their cache; the link's own place counts as well.
    return any(
        not _PACKAGES.isdisjoint(path.parts) or any(path.is_relative_to(folder) for folder in _LIBRARIES)
        for path in (file, file.resolve())
    )
