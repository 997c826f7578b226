"""Where this machine keeps what outlives a kernel."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """Returns the folder where runs and caches lie: RESON_HOME, or the platform's user data folder."""
    configured = os.environ.get("RESON_HOME")
    folder = Path(configured).expanduser() if configured else platformdirs.user_data_path("reson_jupyter")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder.resolve()
