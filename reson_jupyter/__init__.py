"""Train a PyTorch model across sites whose data must not move, without leaving the notebook.

In a notebook: `%load_ext reson_jupyter`, put `%%reson_model` on the cell that defines the model, then
`%reson submit --name NAME --shards FOLDER`. The same from Python:

    import reson_jupyter as reson
    run = reson.submit(model=Net, name="digits", shards_dir="shards")
    model = run.wait().model()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._version import __version__
from .api import attach, build, check, compare, delete, preview, rerun, runs, submit
from .backend.federation import Federation, federation, start_federation, stop_federation
from .backend.job import Job
from .backend.rehearsal import Rehearsal
from .backend.run.compare import Comparison
from .backend.run.handle import Run
from .config import FederationConfig, ModelConfig, ResonTechConfig, TrainingConfig
from .data.cache import image_cache
from .data.making import make_shards
from .data.shards import check_shards
from .errors import Detached, RehearsalFailed, ResonError, RunFailed, RunTimeout
from .events import Event, RunState
from .preview import Preview
from .session import Session
from .session import current_session as session

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = [
    "Comparison",
    "Detached",
    "Event",
    "Federation",
    "FederationConfig",
    "Job",
    "ModelConfig",
    "Preview",
    "Rehearsal",
    "RehearsalFailed",
    "ResonError",
    "ResonTechConfig",
    "Run",
    "RunFailed",
    "RunState",
    "RunTimeout",
    "Session",
    "TrainingConfig",
    "__version__",
    "attach",
    "build",
    "check",
    "check_shards",
    "compare",
    "delete",
    "federation",
    "image_cache",
    "make_shards",
    "panel",
    "preview",
    "rerun",
    "runs",
    "session",
    "start_federation",
    "stop_federation",
    "submit",
]


def panel() -> None:
    """Shows what is captured and configured as forms under the cell, where there is no sidebar: `%reson panel`."""
    from .notebook.panel import show_panel

    show_panel()


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """Registers the magics and the live view: `%load_ext reson_jupyter`."""
    from .notebook import load

    load(ipython)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where JupyterLab finds the extension in a development install."""
    return [{"src": "labextension", "dest": "reson-jupyter"}]
