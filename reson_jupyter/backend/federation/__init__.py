"""A federation at hand: NVFlare's server and some sites on this machine, to try the real thing and to test against it."""

from __future__ import annotations

from .handle import Federation
from .start import federation, start_federation, stop_federation

__all__ = ["Federation", "federation", "start_federation", "stop_federation"]
