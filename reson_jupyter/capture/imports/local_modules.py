"""The user's own modules that shipped source imports, with what these import of each other: files that travel word for word."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType

from ...errors import CaptureError
from ..text.names import bound_in, bound_name, parsed
from .local_text import read_text
from .origin import Found, find, is_hidden_by_library, is_users
from .requirements import BUNDLED, PROVIDED
from .statements import Import, imports_in
from .unchanged import changed_part, compiled_otherwise, is_stale

MOST_BYTES = 1_000_000
_RELOAD = "importlib.reload it (or restart) and run the cells that import from it again."


@dataclass(frozen=True)
class LocalFile:
    """A file of the user's that ships.

    Attributes:
        path: Its place below the scripts folder, such as "mymodels/blocks.py".
        text: What stands in it.
        origin: Where it lies on this machine.
        imports: Dotted names of the modules that it imports when it runs and that are no files of the user's, sorted.
    """

    path: str
    text: str
    origin: Path
    imports: tuple[str, ...]

    @property
    def module(self) -> str:
        """Its dotted name."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def ships_in(module: str, files: Iterable[LocalFile]) -> bool:
    """Whether a dotted name is that of one of the files, of a package around one, or of something inside one."""
    return any(f"{module}.".startswith(f"{file.module}.") or file.module.startswith(f"{module}.") for file in files)


def local_files(
    source: str, place: Callable[[int], str] = "line {}".format, namespace: Mapping[str, object] | None = None
) -> tuple[LocalFile, ...]:
    """Returns the files of the user's own that `source` needs, sorted by path; () when it imports none.

    Args:
        source: The text of the module that ships.
        place: Says where a line of `source` stands, such as "In[4], line 3".
        namespace: What the kernel has under the names that `source` imports. One that was imported before its module was
            reloaded is refused: the kernel holds the old code, and the file has the new.

    Raises:
        CaptureError: a file cannot be shipped, or is not what this kernel holds.
    """
    closure = _Closure()
    closure.follow(_Text(source, parsed(source), place, namespace or {}))
    files = sorted(closure.files.values(), key=lambda file: file.path)
    _require_small({file.path: len(file.text.encode()) for file in files})
    return tuple(LocalFile(file.path, file.text, file.origin, tuple(sorted(file.foreign))) for file in files)


@dataclass(frozen=True)
class _Text:
    """A text whose imports are followed: a file's, or that of what is captured, which has no path.

    Attributes:
        held: What the kernel has under the names of its module.
        foreign: The modules it imports that are no files of the user's.
    """

    text: str
    tree: ast.Module
    place: Callable[[int], str]
    held: Mapping[str, object]
    package: str = ""
    path: str = ""
    origin: Path = Path()
    foreign: set[str] = field(default_factory=set)

    @cached_property
    def bound(self) -> Counter[str]:
        """How many of its top-level statements bind a name."""
        return Counter(name for statement in self.tree.body for name in bound_in([statement]))

    def binds(self, name: str) -> bool:
        """Whether it may bind a name when it runs; a star import, `__getattr__` and `globals()` may bind any."""
        return name in self.bound or "*" in self.bound or "__getattr__" in self.bound or "globals()" in self.text


class _Closure:
    """The files that are reached, by the dotted name of their module."""

    def __init__(self) -> None:
        self.files: dict[str, _Text] = {}
        self._todo: list[_Text] = []

    def follow(self, start: _Text) -> None:
        """Takes up whatever a text imports, and what that imports in turn."""
        self._todo.append(start)
        while self._todo:
            text = self._todo.pop()
            for wanted in imports_in(text.tree, text.package):
                self._resolve(wanted, text)

    def _resolve(self, wanted: Import, text: _Text) -> None:
        if wanted.module and _is_provided(wanted.module):
            text.foreign.add(wanted.module)
            return
        if wanted.module is None:
            # Which module it is gets computed: it can only be one that its package has brought into this kernel.
            top = f"{text.path.split('/')[0]}."
            for name in sorted(name for name in sys.modules if name.startswith(top)):
                self._walk(name, wanted, text)
            return
        if wanted.module.startswith("."):
            if text.path:
                return  # fails here as well, so nothing can depend on it
            raise CaptureError(
                f"{text.place(wanted.line)}: a relative import has no meaning in a module of its own", "Import by the full name."
            )
        found = self._walk(wanted.module, wanted, text)
        if found and found.name in self.files:
            self._take_names(found, wanted, text)
        elif found and found.is_namespace:
            for name in (f"{found.name}.{alias.name}" for alias in wanted.names if alias.name != "*"):
                inner = self._walk(name, wanted, text)
                if inner is None or inner.name not in self.files:
                    text.foreign.add(name)
        elif found or not wanted.optional:
            text.foreign.add(wanted.module)

    def _walk(self, dotted: str, wanted: Import, text: _Text) -> Found | None:
        """Goes down a dotted name and takes the user's files on the way.

        Returns:
            The module, or the installed package that it is in; None if there is none.
        """
        found: Found | None = None
        parts = dotted.split(".")
        for count in range(1, len(parts) + 1):
            if found and found.folders is None:
                return None
            found = find(".".join(parts[:count]), found.folders if found else None)
            if found is None:
                return None
            if found.is_namespace:
                continue
            # An import of the bundle's own that this kernel has not run means the bundle's, whatever lies beside the notebook.
            if not is_users(found) or (found.name in BUNDLED and found.live is None):
                _refuse_foreign(found, wanted, text)
                return found
            if found.name not in self.files:
                file = _read(found, wanted, text)
                if file is None:
                    return None
                self.files[found.name] = file
                self._todo.append(file)
        return found

    def _take_names(self, found: Found, wanted: Import, text: _Text) -> None:
        """Takes the submodules among the names that are imported from a module, and makes sure that it has the others."""
        file, live = self.files[found.name], vars(found.live) if found.live else {}
        for name in _exported(wanted, file, live):
            value = live.get(name)
            if found.folders is not None and (value is None or isinstance(value, ModuleType)):
                self._walk(f"{found.name}.{name}", wanted, text)
            if not (value is None or isinstance(value, ModuleType) or file.binds(name)):
                raise CaptureError(f"{text.place(wanted.line)}: {file.path} has no {name} any more", _RELOAD)
        for alias in wanted.names if wanted.at_top and found.live else ():
            bound = bound_name(alias)
            if text.bound[bound] == 1 and is_stale(bound, text.held, alias.name, live):
                raise CaptureError(
                    f"{text.place(wanted.line)}: {bound} was imported before {file.path} was loaded again, "
                    "so this kernel still has the old one",
                    "Run the cells that import it again." if not text.path else _RELOAD.replace("it", text.path, 1),
                )


def _is_provided(module: str) -> bool:
    """Whether the job brings a module along that is no file of the user's."""
    top = module.split(".")[0]
    return top in PROVIDED and not ((found := find(top)) and is_users(found))


def _read(found: Found, wanted: Import, text: _Text) -> _Text | None:
    """The text of a user's module; None where it has none that could ship but the importer goes on without it.

    Raises:
        CaptureError: it cannot ship.
    """
    where, top = text.place(wanted.line), found.name.split(".")[0]
    if top in BUNDLED:
        raise CaptureError(
            f"{where}: {top} is a file of yours, but also the name of one of the scripts that every job has", "Rename your file."
        )
    if top in PROVIDED or is_hidden_by_library(top):
        raise CaptureError(
            f"{where}: {top} is a file of yours, but also the name of an installed or standard module, "
            "and a site may import that one instead",
            f"Rename {top}.",
        )
    assert found.file is not None  # a user's module has one
    is_package = found.file.name == "__init__.py"
    path = found.name.replace(".", "/") + ("/__init__.py" if is_package else ".py")
    if wanted.optional and found.file.suffix != ".py":
        return None
    content = read_text(found.file, path, where)
    if found.live and (part := changed_part(content, path, found.live)):
        raise CaptureError(f"{path} has changed since this kernel imported it: {part} differs", _RELOAD)
    if found.live and compiled_otherwise(content, found.live):
        raise CaptureError(f"{path} has changed since this kernel imported it", _RELOAD)
    package = found.name if is_package else found.name.rpartition(".")[0]
    held = vars(found.live) if found.live else {}
    origin = found.file.absolute()
    return _Text(content, parsed(content), lambda line: f"{path}, line {line}", held, package, path, origin)


def _exported(wanted: Import, file: _Text, live: Mapping[str, object]) -> Iterator[str]:
    """The names that an import takes from a module; of a star those that `__all__` lists."""
    for alias in wanted.names:
        if alias.name != "*":
            yield alias.name
        elif isinstance(listed := live.get("__all__"), list | tuple):
            yield from map(str, listed)
        else:
            nodes = (node.value for node in file.tree.body if isinstance(node, ast.Assign) and "__all__" in bound_in([node]))
            constants = (inner.value for node in nodes for inner in ast.walk(node) if isinstance(inner, ast.Constant))
            yield from (value for value in constants if isinstance(value, str))


def _refuse_foreign(found: Found, wanted: Import, text: _Text) -> None:
    if text.path and found.name.split(".")[0] == "reson_jupyter":
        raise CaptureError(
            f"{text.place(wanted.line)}: {wanted.module} is not on the sites", "Keep reson_jupyter out of what ships."
        )


def _require_small(sizes: Mapping[str, int]) -> None:
    total = sum(sizes.values())
    if total > MOST_BYTES:
        biggest = max(sizes, key=sizes.__getitem__)
        raise CaptureError(
            f"the files of yours that would ship are {total:,} bytes, more than {MOST_BYTES:,}; "
            f"the biggest is {biggest} with {sizes[biggest]:,}",
            "Keep data out of Python files, import less of them, or install the package on every site.",
        )
