"""What a card shows of failures, as plain data: it travels to the page, and the report in the notebook is drawn from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TypedDict

from ..progress import Failure, RunProgress
from .explain import Explained, Frame

# Gives the whole text of a cell by its label ("In[4]"), the magic's line included, or None if it is not known.
CellText = Callable[[str], str | None]

_AROUND = 2  # lines shown before and after the one to look at
_SHOWN_CARDS = 3
_SHOWN_CALLS = 8
_FOLDED_CALLS = 30
_SHOWN_SITES = 3
_TRACEBACK = 20_000  # characters
_PACKAGE = re.compile(r"^.*/(?:site|dist)-packages/(?P<path>.+)$")
_PYTHON = re.compile(r"^.*/lib(?:64)?/python[^/]*/(?P<path>.+)$")


class Step(TypedDict):
    """A call in the user's code with its source lines, or several in libraries, folded. An only call has no title.

    `lines` are [number, text, whether it is the line of the call]; `folded` is "" for a call in the user's code.
    """

    title: str
    lines: list[tuple[int, str, bool]]
    folded: str


class Card(TypedDict):
    """One failure. `who` is such as "site-1, round 2"; texts that are not known are "".

    `traceback` is cut at its start where it is long.
    """

    who: str
    headline: str
    message: str
    steps: list[Step]
    cause: str
    fix: str
    traceback: str


class Cards(TypedDict):
    """The cards of a run, the first cause first, and how many errors are on none of them."""

    cards: list[Card]
    more: int


def cards_of(run: RunProgress, cell_text: CellText | None = None) -> Cards:
    """Returns the cards of the errors that a run reported since they were last reset; the same error of many sites is one."""
    failures = _to_show(run)
    shown = _shown(failures)
    cards = [card_of(group[0].explained, cell_text, _who(group, run.num_rounds)) for group in shown]
    return Cards(cards=cards, more=len(failures) - sum(map(len, shown)))


def on_cards(run: RunProgress) -> list[Failure]:
    """Returns the failures that the cards tell, so that nothing else has to."""
    return [failure for group in _shown(_to_show(run)) for failure in group]


def headline(explained: Explained) -> str:
    """Returns a failure in a few words, such as "RuntimeError at In[4], line 9 (forward)"."""
    return _headline(explained)[0]


def _to_show(run: RunProgress) -> list[Failure]:
    return [failure for failure in run.failures[run.errors_from :] if not _is_in_table(run, failure)]


def _shown(failures: list[Failure]) -> list[list[Failure]]:
    """What has a card, by card."""
    groups: dict[tuple[str, str, str], list[Failure]] = {}
    # What has a traceback is nearly always the cause of what has none.
    first = next((failure for failure in failures if failure.traceback), None)
    for failure in sorted(failures, key=lambda failure: failure is not first):
        groups.setdefault(_kind(failure), []).append(failure)
    return list(groups.values())[:_SHOWN_CARDS]


def _is_in_table(run: RunProgress, failure: Failure) -> bool:
    """Whether the table of what the sites have says all there is to say of a failure."""
    site = run.sites.get(failure.site or "")
    return site is not None and bool(site.cannot_train) and site.cannot_train in failure.message and not failure.traceback


def card_of(explained: Explained, cell_text: CellText | None = None, who: str = "") -> Card:
    """Returns what a card shows of a failure.

    A cell whose line is not the one that failed (it was changed, or is another notebook's) is not shown.
    """
    headline, message = _headline(explained)
    return Card(
        who=who,
        headline=headline,
        message=message,
        steps=list(_steps(explained, cell_text)),
        cause=explained.cause,
        fix=explained.fix,
        traceback=explained.traceback[-_TRACEBACK:],
    )


def _kind(failure: Failure) -> tuple[str, str, str]:
    """The same for sites that fail alike."""
    said = failure.message.replace(failure.site, "") if failure.site else failure.message
    return failure.where, re.sub(r"\d+", "", said), failure.explained.cause


def _who(group: Sequence[Failure], num_rounds: int) -> str:
    sites = list(dict.fromkeys(failure.site or "the server" for failure in group))
    more = len(sites) - _SHOWN_SITES
    named = ", ".join(sites[:_SHOWN_SITES]) + (f" and {more} more" if more > 0 else "")
    rounds = sorted({failure.round + 1 for failure in group if failure.round is not None})
    if not rounds:
        return named
    if rounds[0] > num_rounds > 0:
        return f"{named}, final validation"
    return f"{named}, round {rounds[0]}" if len(rounds) == 1 else f"{named}, rounds {rounds[0]} to {rounds[-1]}"


def _headline(explained: Explained) -> tuple[str, str]:
    """The exception's name and its place in one line, and what the exception says."""
    name, colon, said = explained.message.partition(": ")
    if not name.replace(".", "").isidentifier():
        name, said = "It failed", explained.message
    elif not colon:
        name = name.removesuffix(":")
    return (f"{name} at {_call(explained.where)}" if explained.where else name), said


def _call(frame: Frame) -> str:
    """Such as "In[4], line 9 (forward)"."""
    return f"{frame.where} ({frame.function})" if frame.function and frame.function != "<module>" else frame.where


def _steps(explained: Explained, cell_text: CellText | None) -> Iterator[Step]:
    """The way from the first call of the user's shown to the failure; only the last shows the lines around it."""
    own = explained.frames
    shown = own[-_SHOWN_CALLS:]
    if len(own) > len(shown):
        yield Step(title="…", lines=[], folded=_listed(own[: -len(shown)]))
    first = next((index for index, frame in enumerate(explained.calls) if shown and frame is shown[0]), 0)
    for is_own, calls in groupby(explained.calls[first:] if shown else (), key=lambda frame: frame.own):
        if is_own:
            for frame in calls:
                around = _AROUND if frame is explained.where else 0
                title = _call(frame) if len(own) > 1 else ""  # the headline has it
                yield Step(title=title, lines=_lines(frame, around, cell_text), folded="")
        else:
            folded = list(calls)
            yield Step(title=_summary(folded), lines=[], folded=_listed(folded))


def _lines(frame: Frame, around: int, cell_text: CellText | None) -> list[tuple[int, str, bool]]:
    lines = ((cell_text(frame.source) if cell_text and around else None) or "").split("\n")
    if not 0 < frame.line <= len(lines) or lines[frame.line - 1].strip() != frame.text:
        return [(frame.line, frame.text, True)] if frame.text else []
    first, last = max(1, frame.line - around), min(len(lines), frame.line + around)
    return [(number, lines[number - 1].rstrip(), number == frame.line) for number in range(first, last + 1)]


def _summary(calls: Sequence[Frame]) -> str:
    """Such as "3 calls in torch"."""
    libraries = dict.fromkeys(_library(frame.source) for frame in calls)
    return f"{len(calls)} {'call' if len(calls) == 1 else 'calls'} in {', '.join(libraries)}"


def _library(path: str) -> str:
    plain = path.replace("\\", "/")
    if package := _PACKAGE.match(plain):
        return package["path"].partition("/")[0].removesuffix(".py")
    return "Python" if _PYTHON.match(plain) else plain.rpartition("/")[2]


def _listed(calls: Sequence[Frame]) -> str:
    """The last calls, each with its line, without the folders that lead to the library."""
    rows = [f"… and {len(calls) - _FOLDED_CALLS} more before"] if len(calls) > _FOLDED_CALLS else []
    for frame in calls[-_FOLDED_CALLS:]:
        installed = _PACKAGE.match(frame.source) or _PYTHON.match(frame.source)
        source = installed["path"] if installed else frame.source
        place = f"{source}, line {frame.line}" if frame.line else source
        rows += [f"{place} ({frame.function})" if frame.function else place, *([f"    {frame.text}"] if frame.text else [])]
    return "\n".join(rows)
