"""What makes a zip unsafe to unpack, told from its directory alone: by the same rules here and on the sites."""

from __future__ import annotations

import zipfile

from ..worker.zip_rules import _reson_find_problems, _reson_is_of_macos
from .problems import Problems

is_of_macos = _reson_is_of_macos


def find_problems(archive: zipfile.ZipFile, problems: Problems) -> None:
    """Notes what makes a zip unsafe to unpack."""
    _reson_find_problems(archive, problems.add)
