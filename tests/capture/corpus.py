"""Realistic cells, each with what a site must be able to do with what ships of it.

A file in `cells/` is a cell under lines that begin with "#:": `holds` is an expression that must be true with the shipped module
as `m`, `stays` is text that must not ship, `role` is "model" unless it is said.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from reson_jupyter.capture.roles.contract import Role


@dataclass(frozen=True)
class Case:
    """A cell, an expression that must hold with the shipped module as `m`, and text that must not ship."""

    name: str
    text: str
    holds: str
    stays: tuple[str, ...] = ()
    role: Role = "model"


def _cases() -> Iterator[Case]:
    folder = Path(__file__).parent / "cells"
    newer = folder.glob("python312/*.cell") if sys.version_info >= (3, 12) else ()  # no older Python can read them
    for file in sorted([*folder.glob("*.cell"), *newer]):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        head = [line.removeprefix("#: ").rstrip("\n") for line in lines if line.startswith("#: ")]
        facts = dict(line.split(": ", 1) for line in head)
        stays = tuple(facts["stays"].split(" | ")) if "stays" in facts else ()
        yield Case(file.stem, "".join(lines[len(head) :]), facts["holds"], stays, cast(Role, facts.get("role", "model")))
    # Text that an editor might change on saving a file.
    yield Case(
        "no line end, form feed and non-ascii names",
        "import torch.nn as nn\n\x0c\nGRÖßE = 3\nclass Nét(nn.Module):\n    def forward(self, x): return x + GRÖßE, ' 日本'",
        "m.Nét()(1) == (4, ' 日本')",
    )
    yield Case(
        "windows line ends",
        "import torch.nn as nn\r\n!dir\r\nclass Net(nn.Module):\r\n    def forward(self, x):\r\n        return 'a'\r\n",
        "m.Net()('b') == 'a'",
        ("dir",),
    )


CASES = tuple(_cases())
