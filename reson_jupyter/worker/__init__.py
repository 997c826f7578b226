"""The files that travel to the sites and run there under NVFlare.

They are read as text, need torch and nvflare, and import nothing of reson_jupyter but each other. Those of `CLIENT` are appended
to the executor's module, those of `SERVER` to the persistor's, and those of `ADAPTER` to the model's, whoever wrote those.

Some are imported by this package as well, so that images are read, checked and fetched, and zips unpacked, here as on the sites.
There each is a module and imports from the others, always by `from .name import ...`; at the sites all of a script are one
module, in which these lines have nothing to say and are left out. So a file may use only what stands in the files before it.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Literal

Name = Literal[
    "executor", "edge_executor", "messenger", "common", "process", "agent", "zip_rules", "unpack", "shard_fetch", "shard_cache",
    "site_data", "needs", "preparation",
    "persistor", "site_events", "reporter", "lines", "control", "final_validation", "preflight", "link_store", "link",
    "decode", "download", "image_cache", "shard", "adapter",
]  # fmt: skip
CLIENT: tuple[Name, ...] = ("messenger", "common", "process", "agent")
SERVER: tuple[Name, ...] = ("site_events", "reporter", "common", "lines", "control", "final_validation")
# What is added to these where sites are machines of their own.
CLIENT_FEDERATED: tuple[Name, ...] = ("zip_rules", "unpack", "shard_fetch", "shard_cache", "site_data", "needs", "preparation")
SERVER_FEDERATED: tuple[Name, ...] = ("preflight", "link_store", "link")
ADAPTER: tuple[Name, ...] = ("decode", "download", "image_cache", "shard", "adapter")
_IMPORT = re.compile(r"^from \.\w+ import (\([^)]*\)|.*)\n", re.MULTILINE)


def source(name: Name) -> str:
    """The source text of one worker file, without what it imports from others."""
    return _IMPORT.sub("", files(__name__).joinpath(f"{name}.py").read_text(encoding="utf-8"))
