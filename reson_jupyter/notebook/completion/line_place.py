"""Where in a line a cursor is, and so what can come next, read off the parser that carries the line out."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass

from ..commands.parser import Parser
from .suggestions import suggested

_PATHS = ("DIR", "FILE", "SOURCE")
_HELP = ("-h", "--help")
_NO_VERB = Parser(prog="", description="")


@dataclass(frozen=True)
class Offer:
    """What a word can become.

    Attributes:
        begun: What is there of the word.
        texts: What it can become, the likely first.
        paths: Whether it can become a path, too.
    """

    begun: str
    texts: list[str]
    paths: bool = False


NOTHING = Offer("", [])


def offer(parser: Parser, text: str) -> Offer:
    """Returns what can come at the end of a line.

    Args:
        parser: The parser of the line.
        text: The line up to the cursor, without the magic's name.
    """
    try:
        words = shlex.split(text)
    except ValueError:  # a quote is open
        return NOTHING
    begun = words.pop() if words and not text[-1].isspace() else ""
    place = _Place(parser)
    for word in words:
        place.pass_by(word)
    texts, paths = place.offer(begun)
    return Offer(begun, [found for found in dict.fromkeys(texts) if found.startswith(begun) and found != begun], paths)


class _Place:
    """A place in a line, from its beginning on."""

    def __init__(self, parser: Parser) -> None:
        self._parser = self._root = parser
        self._verbs: list[str] = []
        self._given: list[str] = []
        self._flags: set[str] = set()
        self._open: argparse.Action | None = None

    def pass_by(self, word: str) -> None:
        """Goes beyond a word."""
        flag = self._parser.flags.get(word)
        if self._open is not None:
            self._open = None
        elif flag is not None:
            self._flags.update(flag.option_strings)
            self._open = flag if flag.nargs is None else None
        elif self._parser.verbs:
            # After a verb that there is not, nothing can follow.
            self._parser = self._parser.verbs.get(word, _NO_VERB)
            self._verbs.append(word)
        else:
            self._given.append(word)

    def offer(self, begun: str) -> tuple[list[str], bool]:
        """What can stand here, and whether a path can."""
        if self._open is not None:
            return self._values(self._open), self._open.metavar in _PATHS
        flag, equals, _ = begun.partition("=")
        action = self._parser.flags.get(flag)
        if equals and action is not None:
            return [f"{flag}={value}" for value in self._values(action)], action.metavar in _PATHS
        flags = [name for name in self._parser.flags if name not in self._flags and (begun or name not in _HELP)]
        if begun.startswith("-"):
            return flags, False
        here = self._here()
        values = [*self._parser.verbs, *(self._values(here) if here else [])]
        return [*values, *flags], here is not None and here.metavar in _PATHS

    def _here(self) -> argparse.Action | None:
        """The argument that takes what stands here."""
        places = self._parser.places
        if not places:
            return None
        last = places[-1]
        return places[len(self._given)] if len(self._given) < len(places) else last if last.nargs == "*" else None

    def _values(self, action: argparse.Action) -> list[str]:
        if action.choices is not None:
            return [str(choice) for choice in action.choices]
        if action.metavar == "VERB":
            return self._topics()
        return suggested(str(action.metavar), self._verbs, self._given)

    def _topics(self) -> list[str]:
        """What `%reson help` can tell of."""
        parser = self._root
        for word in self._given:
            if word not in parser.verbs:
                return []
            parser = parser.verbs[word]
        return list(parser.verbs)
