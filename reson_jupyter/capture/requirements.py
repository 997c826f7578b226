"""Imports -> the requirement lines that a site installs, pinned to what this kernel has."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions

from ..errors import JobError

ALWAYS = ("nvflare", "torch")
# The bundle's own modules import one another on a site.
BUNDLED = frozenset({"model_def", "custom_client_executor", "custom_persistor"})


def requirements_for(imports: Iterable[str], extra: Iterable[str] = ()) -> tuple[str, ...]:
    """Returns requirement lines such as "numpy==2.3.1", sorted.

    Args:
        imports: Dotted names of the modules that ship, as in `Capture.imports`.
        extra: Distributions that the job needs besides those, such as "pillow".

    Raises:
        JobError: a distribution that every job needs is not installed here.
    """
    names = {name for module in imports for name in distributions_of(module)}
    return tuple(sorted({_pinned(name) for name in names | {*ALWAYS, *extra}}, key=str.casefold))


def distributions_of(module: str) -> tuple[str, ...]:
    """Returns the installed distributions that a dotted module comes from; none for the standard library and for plain files."""
    top = module.split(".")[0]
    if not top or top in sys.stdlib_module_names or top in BUNDLED:
        return ()
    owners = _owners().get(top, [])
    if not owners and _importable(top):
        # Perhaps it was installed since.
        _owners.cache_clear()
        owners = _owners().get(top, [])
    if len(set(owners)) > 1:
        owners = _owners_of_file(module, owners) or owners
    return tuple(sorted(set(owners)))


def is_known(module: str) -> bool:
    """Whether a site has a module: from the standard library, the bundle, or a distribution that is installed here as well."""
    top = module.split(".")[0]
    return top in sys.stdlib_module_names or top in BUNDLED or bool(distributions_of(module))


def is_local(module: str) -> bool:
    """Whether a module can be imported here but belongs to no installed distribution: a file beside the notebook."""
    return not is_known(module) and _importable(module.split(".")[0])


def _importable(top: str) -> bool:
    try:
        return top in sys.modules or importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        return False


@cache
def _owners() -> dict[str, list[str]]:
    return {package: list(owners) for package, owners in packages_distributions().items()}


def _owners_of_file(module: str, owners: Iterable[str]) -> list[str]:
    """Of several distributions in one namespace (google.*), those that have a file of this module."""
    path = module.replace(".", "/")
    return [
        owner
        for owner in set(owners)
        if any(str(file).startswith((f"{path}/", f"{path}.")) for file in distribution(owner).files or ())
    ]


def _pinned(name: str) -> str:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        message = f"{name} is not installed in this kernel, so its version is not known"
        raise JobError(message, f"Install it: %pip install {name}") from None
    # "+cpu" names a build of this machine, which no index has.
    return f"{found.metadata['Name']}=={found.version.split('+')[0]}"
