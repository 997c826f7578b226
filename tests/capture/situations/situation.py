"""What a situation is, and how its file reads.

A file is the cells of a notebook with lines "# %%" between them, then the files that lie beside the notebook, each under a line
"# %% file <name>". Lines on top that begin with "#:" say what must come of them, with " | " between several:

    situation: its name, in a line
    evaluates: an expression for a site; `m` is the shipped module, `e` the executor's, `p` the persistor's. The notebook is held
        to the same value, with its own names in the place of the module's.
    gives: the value, as Python writes it
    gives a site: the same where a site's value is another than the notebook's
    refused: what the message of the refusal says; then nothing ships, or what had been captured before
    raises: names of the user's own errors, in the order in which the cells raise them
    card: what the cards of the captures, and the notes of a submit, say
    ships, stays: what the shipped module says, and what it does not say
    extension: "loaded by a cell", where it is not there from the first cell on
    left behind: "yes", where the kernel has left the capture behind by the end, so that a submit captures anew
    fails today: what is wrong
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_NEXT = "\n# %%"
_FILE = " file "
_SAYS = (
    "situation",
    "evaluates",
    "gives",
    "gives a site",
    "refused",
    "raises",
    "card",
    "ships",
    "stays",
    "extension",
    "left behind",
    "fails today",
)


@dataclass(frozen=True)
class Situation:
    """Cells of a notebook, the files beside it, and what must come of them: the lines on top of a file."""

    cells: tuple[str, ...]
    files: Mapping[str, str]
    says: Mapping[str, str]

    @property
    def name(self) -> str:
        """The situation in a line."""
        return self.says["situation"]

    def parts(self, key: str) -> list[str]:
        """What one of the lines on top says, none if it is not there."""
        return self.says[key].split(" | ") if key in self.says else []


def read(file: Path) -> Situation:
    """Reads a situation.

    Raises:
        ValueError: A line on top says nothing that is known, or it is not said what must come of the cells.
    """
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    head = [line.removeprefix("#: ").rstrip("\n") for line in lines if line.startswith("#: ")]
    says = dict(line.split(": ", 1) for line in head)
    if set(says) - set(_SAYS) or len(says) < len(head) or ("evaluates" in says) != ("gives" in says):
        raise ValueError(f"{file}: {head}")
    if not {"evaluates", "refused"} & set(says):
        raise ValueError(f"{file}: neither a value nor a refusal")
    first, *others = "".join(lines[len(head) :]).removesuffix("\n").split(_NEXT)
    cells = [first, *(text.removeprefix("\n") for text in others if not text.startswith(_FILE))]
    named = [text.removeprefix(_FILE).partition("\n") for text in others if text.startswith(_FILE)]
    return Situation(tuple(cells), {name: f"{text}\n" for name, _, text in named}, says)
