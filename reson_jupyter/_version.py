"""The package's version, as installed; it is written down in labextension/package.json only."""

from importlib.metadata import version

__version__ = version("reson-jupyter")
