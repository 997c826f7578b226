"""Names of a project's files that mean something else at a site."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from ...capture.imports.requirements import PROVIDED

_TAKEN = sys.stdlib_module_names | PROVIDED | {"torch", "numpy", "nvflare"}


def is_taken(path: str) -> bool:
    """Whether a file at the top of a project, or the package there that it makes, is called like a module that every site has."""
    first, _, rest = path.partition("/")
    return (first if rest == "__init__.py" else first.removesuffix(".py") if not rest and first.endswith(".py") else "") in _TAKEN


def name_notes(paths: Iterable[str]) -> Iterator[str]:
    """Yields sentences about names that may mean something else at a site."""
    seen: dict[str, str] = {}
    for path in paths:
        if is_taken(path):
            module = path.split("/")[0].removesuffix(".py")
            yield f"{path}: the sites have another module {module}, and `import {module}` may get either; better rename it"
        if (twin := seen.setdefault(path.casefold(), path)) != path:
            yield f"{twin} and {path} are one file where a site's disk does not tell capitals from small letters"
