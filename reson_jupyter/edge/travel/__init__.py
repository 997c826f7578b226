"""The package `reson_edge`, which travels to the sites; it imports nothing of reson_jupyter."""

from pathlib import Path

from .client import EdgeClient, StoppedException
from .connection import ConnectToApiResult, GrpcConnectionOptions
from .context import LoggingContext
from .helpers import get_helper, load_metadata, save_metadata, save_metrics
from .model import FileChunk, ScaleoutModel
from .precedence import take_precedence

__all__ = [
    "ConnectToApiResult",
    "EdgeClient",
    "FileChunk",
    "GrpcConnectionOptions",
    "LoggingContext",
    "ScaleoutModel",
    "StoppedException",
    "get_helper",
    "load_metadata",
    "save_metadata",
    "save_metrics",
]

# In a kernel, where this package has another name, Scaleout's own packages come first.
if __name__ == "reson_edge":
    take_precedence(Path(__file__).parent.parent)
