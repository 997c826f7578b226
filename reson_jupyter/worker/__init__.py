"""The files that travel to the sites and run there under NVFlare.

They are read as text, need torch and nvflare, and import nothing of reson_jupyter. Only `adapter` is imported by this package as
well, where a model is evaluated, so that images are read as on the sites.
`messenger` and `agent` are appended to the executor's module, `reporter`, `control` and `final_validation` to the persistor's,
and `adapter` to the model's, whoever wrote those.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Literal

Name = Literal["executor", "messenger", "agent", "persistor", "reporter", "control", "final_validation", "adapter"]


def source(name: Name) -> str:
    """The source text of one worker file."""
    return files(__name__).joinpath(f"{name}.py").read_text(encoding="utf-8")
