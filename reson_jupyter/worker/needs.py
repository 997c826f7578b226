"""Whether a site has the programs that a run needs.

This file travels to the sites below the executor's module, as preparation.py does; its names follow the same rules.
"""

import importlib.metadata as _reson_metadata
import platform as _reson_platform
import re as _reson_re
import sys as _reson_sys
from typing import Any as _reson_Any

try:
    from packaging import requirements as _reson_requirements
    from packaging import version as _reson_version
except ImportError:  # NVFlare does not need it, though torch's friends do
    _reson_requirements = _reson_version = None  # type: ignore[assignment]

_reson_OLDEST_PYTHON = (3, 10)
_reson_OLDEST_NVFLARE = (2, 7)


class _reson_Needs:
    """What of the requirements is there.

    A package that is missing, or does not fit a range that somebody chose, ends in a failure; another build of the same version,
    or a version near the pinned one, mostly does not.

    Args:
        requirements: As "torch==2.9.0" or "numpy>=2; python_version > '3.9'".

    Attributes:
        packages: {name: version}, "" for one that is not there.
        problems: What will break the run, in sentences without their ends.
        notes: What may.
    """

    def __init__(self, requirements: list[str]) -> None:
        self.packages: dict[str, str] = {}
        self.problems: list[str] = []
        self.notes: list[str] = []
        if _reson_sys.version_info < _reson_OLDEST_PYTHON:
            self.problems.append(f"its Python is {_reson_platform.python_version()}, and the run needs 3.10 or later")
        for line in requirements:
            self._look(line)
        missing = [name for name, version in self.packages.items() if not version]
        if missing:
            many = len(missing) > 1
            it = "them" if many else "it"
            said = f"the package{'s' * many} {' and '.join(missing)} {'are' if many else 'is'} missing"
            self.problems.append(f"{said} (install {it} there, or leave {it} out of the requirements)")

    def _look(self, line: str) -> None:
        if _reson_requirements is None:
            name = _reson_re.match(r"[\w.-]*", line)[0]
            self.packages[name] = _reson_version_of(name)
            return
        wanted = _reson_requirements.Requirement(line)
        if wanted.marker and not wanted.marker.evaluate():
            return
        has = self.packages[wanted.name] = _reson_version_of(wanted.name)
        if has and not wanted.specifier.contains(has, prereleases=True):
            text = f"{wanted.name} is {has} there, and the run needs {wanted.specifier}"
            (self.notes if _reson_is_near(has, wanted.specifier) else self.problems).append(text)


def _reson_version_of(name: str) -> str:
    try:
        return _reson_metadata.version(name)
    except _reson_metadata.PackageNotFoundError:
        return ""


def _reson_is_near(has: str, specifier: _reson_Any) -> _reson_Any:
    """Whether a version, where one is pinned, is not the one but has the same first number."""
    pins = [one for one in specifier if one.operator == "==" and not one.version.endswith("*")]
    if len(pins) != 1 or len(specifier) != 1:
        return False
    return _reson_version.Version(has).major == _reson_version.Version(pins[0].version).major
