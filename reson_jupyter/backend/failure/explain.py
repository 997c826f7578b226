"""A worker's traceback told in the notebook's terms: the cell and line to look at, the cause if it is a known one, and its fix.

What comes in is text, written by other machines' interpreters: `traceback.format_exc()`, the error log of a site, or what is left
of them after they were cut. What cannot be read is passed on as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...source_map import SourceMap
from ..job import PACKAGES, PROJECT, SCRIPTS
from .known import Code, known

DEFAULT_TRAINING = "the default training"

_FILE = re.compile(r'File "(?P<path>[^"\n]+)", line (?P<line>[0-9]{1,9})')
_FRAME = re.compile(r"^(?P<indent> *)" + _FILE.pattern + r"(?:, in (?P<function>.*))?$")
_HEADER = re.compile(r"(?:^|\s)(?P<original>Original )?(?:Exception Group )?Traceback \(most recent call last\):$")
_LINK = re.compile(r"^(?:During handling of the above exception, another|The above exception was the direct cause of)")
_FOLDED = re.compile(r"^\[Previous line repeated \d+ more times?\]$")
_GROUP_MARK = "Exception Group Traceback"
_GROUP_LINE = re.compile(r"^( +)[|+] ?(.*)$")
_GROUP_RULE = re.compile(r"^[-+ ]*-{8,}")
# NVFlare puts a job's scripts into .../app_site-1/custom/ or .../app/custom/; a module of the user's may be called custom too.
_SHIPPED = re.compile(r"^(?:.*(?P<app>/app[^/]*)|.*)/custom/(?P<name>.+)$")
# What ships beside code for Scaleout Edge is not the user's.
_OURS = tuple(f"{name}/" for name in sorted(PACKAGES))
_OF_PROJECT = f"{PROJECT}/"
_INSTALLED = ("/site-packages/", "/dist-packages/", "/lib/python", "/lib64/python")


@dataclass(frozen=True)
class Frame:
    """One call of a traceback.

    Attributes:
        source: "In[4]" for a cell, "mymodels/blocks.py" for a module of the user's that shipped, else as the traceback calls it.
        line: The line in it (1-based); in the default training there is none to look at: 0.
        function: The function's name; "" in a SyntaxError.
        text: The line's source, stripped; "" if the traceback has none.
        own: Whether it is the user's own code.
    """

    source: str
    line: int
    function: str
    text: str
    own: bool

    @property
    def where(self) -> str:
        """Such as "In[4], line 9"."""
        return f"{self.source}, line {self.line}" if self.line else self.source


@dataclass(frozen=True)
class Explained:
    """A failure as a user can act on it.

    Attributes:
        message: One line, such as "RuntimeError: mat1 and mat2 shapes cannot be multiplied (8x512 and 256x10)".
        where: The innermost frame of the user's own code, the place to look at; None if none of it is in the traceback.
        calls: The frames of the exception in call order, those of libraries too; none if none of them is the user's.
        cause: What is behind it, in a sentence, if that is known; else "".
        fix: What to do about it; else "".
        traceback: The whole traceback; shipped lines are called by their cell and line.
    """

    message: str
    where: Frame | None = None
    calls: tuple[Frame, ...] = ()
    cause: str = ""
    fix: str = ""
    traceback: str = ""

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The frames of the user's own code, in call order."""
        return tuple(frame for frame in self.calls if frame.own)

    @property
    def sentence(self) -> str:
        """Place and message in one line."""
        return f"{self.where.where}: {self.message}" if self.where else self.message

    @property
    def advice(self) -> str:
        """Cause and fix as text; "" if neither is known."""
        return " ".join(part for part in (self.cause, self.fix) if part)


def explain(message: str, traceback: str, sources: Mapping[str, SourceMap]) -> Explained:
    """Explains a failure; never raises.

    Args:
        message: What was said of it, its first line usually "ValueError: bad luck"; "" takes it from the traceback.
        traceback: The text of the traceback, with everything chained to it; may be cut, or "".
        sources: Where the lines of the shipped scripts come from, by file name; those of a project by their path in the job.
    """
    blocks = list(_blocks(traceback, sources))
    told = message.strip().split("\n")[0].strip()
    index = _told_of(blocks, told)
    inside = _inside(blocks, index)
    exception = [*blocks[index : index + 1], *([inside] if inside else [])]
    if inside and inside.original and inside.said:
        told = inside.said[0]  # the message itself says no more than "Caught ValueError in DataLoader worker process 0."
    elif not told and exception:
        told = "".join(exception[0].said[:1])
    calls = _calls(exception) or _calls_around(blocks, index)
    where = next((frame for frame in reversed(calls) if frame.own), None)
    said = "\n".join([message, *(line for block in exception for line in block.said)])
    cause, fix = known(told, said, where.text if where else "", _code(blocks, where, sources))
    return Explained(told, where, calls, cause, fix, _rewritten(traceback, sources))


@dataclass
class _Block:
    """One exception of a traceback's text: its frames, and the lines that the exception itself says."""

    depth: int = 0
    original: bool = False
    frames: list[Frame] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    awaits_source: bool = False

    @property
    def has_own(self) -> bool:
        return any(frame.own for frame in self.frames)


def _blocks(text: str, sources: Mapping[str, SourceMap]) -> Iterator[_Block]:
    """The exceptions in the order of the text: what an exception follows from comes before it, what a group holds after it."""
    block: _Block | None = None
    linked = False
    for depth, line in _lines(text):
        header = _HEADER.search(line)
        if header or (block is None and _FRAME.match(line)):
            # An original traceback stands in the message of another; what is linked to it stands there too.
            original = bool(header and header["original"]) or (linked and block is not None and block.original)
            if block:
                yield block
            block, linked = _Block(depth, original), False
        if block is None or header:
            continue
        if _LINK.match(line):
            linked = True
        elif not linked:
            _take(block, line, sources)
    if block:
        yield block


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines, each with how deep it stands in groups of exceptions, without the marks of these groups."""
    grouped = _GROUP_MARK in text
    for line in text.replace("\r\n", "\n").split("\n"):
        mark = _GROUP_LINE.match(line) if grouped else None
        if not mark:
            yield 0, line
        elif not _GROUP_RULE.match(mark[2]):
            yield len(mark[1]), mark[2]


def _take(block: _Block, line: str, sources: Mapping[str, SourceMap]) -> None:
    """Adds a line to the exception that it belongs to."""
    frame = _FRAME.match(line)
    if frame:
        source, number, own = _place(frame["path"], int(frame["line"]), sources)
        block.frames.append(Frame(source, number, (frame["function"] or "").strip(), "", own))
        block.awaits_source = True
        return
    text, source_follows, block.awaits_source = line.strip(), block.awaits_source, False
    if source_follows and line.startswith("    "):
        block.frames[-1] = replace(block.frames[-1], text=text)
    elif text and not _FOLDED.match(text) and (block.said or not line.startswith("    ")):  # else more source, or ^^^^ below it
        block.said.append(text)


def _told_of(blocks: list[_Block], message: str) -> int:
    """The index of the exception that a message tells of; else of the last that is not inside another."""
    for index in reversed(range(len(blocks))):
        name = re.sub(r"^(?:\w+\.)+(?=\w+(?::|$))", "", "".join(blocks[index].said[:1]))
        if name and name[:200] in message:
            return index
    return max(range(len(blocks)), key=lambda i: (not blocks[i].original, -blocks[i].depth, i), default=0)


def _inside(blocks: list[_Block], index: int) -> _Block | None:
    """The exception that another holds, as the member of a group or the original in its message; the first in the user's code."""
    found: list[_Block] = []
    for block in blocks[index + 1 :]:
        if not (block.original and not blocks[index].original) and block.depth <= blocks[index].depth:
            break
        found.append(block)
    return next((block for block in found if block.has_own), found[0] if found else None)


def _calls(blocks: Sequence[_Block]) -> tuple[Frame, ...]:
    """The frames of exceptions, if some of them are the user's."""
    return tuple(frame for block in blocks for frame in block.frames) if any(block.has_own for block in blocks) else ()


def _calls_around(blocks: list[_Block], index: int) -> tuple[Frame, ...]:
    """The frames of what an exception follows from, the nearest first, or else of what follows from it; with the user's only."""
    others = [*reversed(blocks[:index]), *blocks[index + 1 :]]
    return next((calls for block in others if (calls := _calls([block]))), ())


def _place(path: str, line: int, sources: Mapping[str, SourceMap]) -> tuple[str, int, bool]:
    """What people call a line of a file, and whether the user wrote it."""
    plain = path.replace("\\", "/")
    shipped = _SHIPPED.match(plain)
    # A run's folder may itself lie below a folder called lib/python.
    told = f"/{shipped['name']}" if shipped and shipped["app"] else plain
    if not shipped or any(folder in told for folder in _INSTALLED):
        return path, line, False
    name = shipped["name"]
    if name.startswith(_OURS):
        return name, line, False
    if place := sources[name].place(line) if name in sources else None:
        return *place, True
    if name not in SCRIPTS:
        return name, line, True
    if name not in sources:
        return name, line, False
    return (DEFAULT_TRAINING, 0, False) if name == "model_def.py" else (name, line, False)


def _code(blocks: Sequence[_Block], where: Frame | None, sources: Mapping[str, SourceMap]) -> Code:
    """What kind of code failed at a place; without one, what the run's is."""
    files = {span.cell for name, lines in sources.items() if name.startswith(_OF_PROJECT) for span in lines.spans}
    called = any(frame.source.startswith(_OURS) for block in blocks for frame in block.frames)
    if where is None:
        return Code.PROJECT if files else Code.CALLBACKS if called else Code.MODEL
    if where.source in files or (called and where.source.startswith(_OF_PROJECT)):
        return Code.PROJECT
    return Code.CALLBACKS if called else Code.MODEL


def _rewritten(text: str, sources: Mapping[str, SourceMap]) -> str:
    def rewrite(match: re.Match[str]) -> str:
        source, line, _ = _place(match["path"], int(match["line"]), sources)
        return f'File "{source}", line {line or match["line"]}'

    return _FILE.sub(rewrite, text)
