"""The files that travel to the sites and run there under NVFlare.

They are read as text and never imported by this package: they need torch and nvflare, and import nothing of reson_jupyter.
`reporter` is appended to the persistor's module and `adapter` to the model's, whoever wrote those.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Literal

Name = Literal["executor", "persistor", "reporter", "adapter"]


def source(name: Name) -> str:
    """The source text of one worker file."""
    return files(__name__).joinpath(f"{name}.py").read_text(encoding="utf-8")
