"""Imports -> the requirement lines that a site needs, pinned to what this kernel has."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, distribution, distributions, packages_distributions

from packaging.utils import canonicalize_name

from ...errors import JobError
from .origin import direct_url, find, is_users, locate, owner_by_file
from .requirements_file import differences

ALWAYS = ("nvflare", "torch")
# Names of a build for one kind of hardware, as torch and its relatives have them.
_BUILD = re.compile(r"(cpu|cu\d+|rocm[\d.]*|xpu)$")
# The bundle's own modules import one another on a site.
BUNDLED = frozenset({"model_def", "custom_client_executor", "custom_persistor", "reson_edge"})
# Packages whose names a job brings along, of whatever release this kernel has them.
PROVIDED = frozenset({"scaleout", "scaleoututil"})


@dataclass(frozen=True)
class Requirements:
    """What a site is to have.

    Attributes:
        lines: The lines of the requirements file.
        notes: Sentences for people: what a site may not find on an index, or where their own file differs from this kernel.
    """

    lines: tuple[str, ...]
    notes: tuple[str, ...]


def requirements_for(imports: Iterable[str], extra: Iterable[str] = (), own: Sequence[str] | None = None) -> Requirements:
    """Returns requirement lines such as "numpy==2.3.1", sorted; or the user's own, with what they differ in.

    Args:
        imports: Dotted names of the modules that ship, as in `Capture.imports`.
        extra: Distributions that the job needs besides those, such as "pillow".
        own: The lines of the user's own file; they are left as they are.

    Raises:
        JobError: a distribution that every job needs is not installed here.
    """
    imported = {name for module in imports for name in distributions_of(module)}
    if own is not None:
        return Requirements(tuple(own), tuple(differences(own, {*imported, *extra, "torch"}, _version)))
    names = {canonicalize_name(name) for name in (*imported, *ALWAYS, *extra)}
    pins = sorted((_pinned(name) for name in names), key=lambda pin: pin[0].casefold())
    return Requirements(tuple(line for line, _ in pins), tuple(note for _, note in pins if note))


def distributions_of(module: str) -> tuple[str, ...]:
    """Returns the installed distributions that a dotted module comes from; none for the standard library and for plain files."""
    top = module.split(".")[0]
    if not top or top in sys.stdlib_module_names or top in BUNDLED | PROVIDED:
        return ()
    found = locate(module)
    if found and is_users(found):
        return ()
    if found and (owner := owner_by_file(found)):
        return (owner,)
    owners = _owners().get(top, [])
    if not owners and found:
        # Perhaps it was installed since.
        _owners.cache_clear()
        owners = _owners().get(top, [])
    if len(set(owners)) > 1:
        owners = _owners_of_file(module, owners) or owners
    return tuple(sorted(set(owners)))


def is_known(module: str) -> bool:
    """Whether a site has a module: from the standard library, the bundle, or a distribution that is installed here as well."""
    top = module.split(".")[0]
    return top in sys.stdlib_module_names or top in BUNDLED | PROVIDED or bool(distributions_of(module))


def is_local(module: str) -> bool:
    """Whether a module can be imported here but belongs to no installed distribution: a file beside the notebook."""
    return not is_known(module) and find(module.split(".")[0]) is not None


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


def _installed(name: str) -> Distribution | None:
    """The distribution of a name; what a build left beside the notebook (`*.egg-info`) counts only if there is no other."""
    return max(distributions(name=name), key=lambda found: found.read_text("RECORD") is not None, default=None)


def _version(name: str) -> str | None:
    found = _installed(name)
    return found.version if found else None


def _pinned(name: str) -> tuple[str, str]:
    """The line that gives a site what this kernel has, and a sentence where it may not."""
    found = _installed(name)
    if found is None:
        message = f"{name} is not installed in this kernel, so its version is not known"
        raise JobError(message, f"Install it: %pip install {name}")
    name, version = found.metadata["Name"], found.version
    # The part behind "+" names a build of this machine, which no index has.
    public, _, build = version.partition("+")
    noted = direct_url(found)
    url, commit = str(noted.get("url", "")), noted.get("vcs_info", {}).get("commit_id")
    if commit and not url.startswith("file:"):
        inside = f"#subdirectory={noted['subdirectory']}" if "subdirectory" in noted else ""
        line = f"{name} @ {noted['vcs_info']['vcs']}+{url}@{commit}{inside}"
        return line, f"{name} {version} was installed from {url}; what the sites need is written as that commit there"
    line = f"{name}=={public}"
    needs = f"what the sites need is written as {public}"
    if noted.get("dir_info", {}).get("editable"):
        return line, f"{name} {version} is an editable install of {url}; the sites need it installed as it is there"
    if url:
        return line, f"{name} {version} was installed from {url}; {needs}, which an index may not have"
    if build and _BUILD.match(build) and ".dev" not in public:
        return line, f"{name} {version} is a build for this machine; {needs}"
    if build or ".dev" in public:
        return line, f"{name} {version} is no release; {needs}, which an index may not have"
    return line, ""
