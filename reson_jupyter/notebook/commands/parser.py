"""Lines of magics as argparse reads them, whose mistakes are errors of the cell and not the end of the kernel."""

from __future__ import annotations

import argparse
import difflib
import shlex
import textwrap
from collections.abc import Callable, Collection, Iterable
from typing import Any, NoReturn

from IPython.core.error import UsageError

Verb = Callable[[argparse.Namespace], Any]


class HelpShown(Exception):
    """`--help` was asked for and printed."""


class _Help(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(parser.format_help())
        raise HelpShown


class Parser(argparse.ArgumentParser):
    """A parser with a `--help` of its own, which names the nearest of what it knows for what it does not.

    Attributes:
        about: What it is for, in a phrase.
        arguments: What it takes itself: flags and places in the line.
        verbs: The parsers of its verbs, in the order in which they are told.
    """

    def __init__(self, **options: Any) -> None:
        self.about: str = options["description"]
        self.arguments: list[argparse.Action] = []
        self.verbs: dict[str, Parser] = {}
        self._verbs: Any = None
        description = textwrap.fill(self.about)
        layout = argparse.RawDescriptionHelpFormatter  # leaves the examples as they are
        super().__init__(**{**options, "description": description}, add_help=False, formatter_class=layout)
        self.add_argument("-h", "--help", action=_Help, nargs=0, help="show this help")

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        """Does as argparse does, and remembers what was added."""
        action = super().add_argument(*names, **options)
        self.arguments.append(action)
        return action

    def add_verb(self, name: str, function: Verb | None, about: str, *examples: str, metavar: str = "VERB") -> Parser:
        """Adds a verb: of its line, `carry_out` is its function, and `refuse` tells a mistake that only the function sees.

        Args:
            name: Its word in the line.
            function: What carries it out; None if it only has verbs of its own.
            about: What it is for, in a phrase.
            examples: Lines that use it.
            metavar: What a verb of this parser is called in its help.
        """
        if self._verbs is None:
            self._verbs = self.add_subparsers(required=True, metavar=metavar)
        epilog = "\n".join(["for example:", *(f"  {line}" for line in examples)]) if examples else None
        verb: Parser = self._verbs.add_parser(name, prog=f"{self.prog} {name}", help=about, description=about, epilog=epilog)
        verb.set_defaults(carry_out=function, refuse=verb.error)
        self.verbs[name] = verb
        return verb

    @property
    def flags(self) -> dict[str, argparse.Action]:
        """Every flag it takes, in each of its spellings."""
        return {flag: action for action in self.arguments for flag in action.option_strings}

    @property
    def places(self) -> list[argparse.Action]:
        """What it takes by its place in the line."""
        return [action for action in self.arguments if not action.option_strings]

    def parse_line(self, line: str) -> argparse.Namespace:
        """Returns what a magic's line says. Raises `UsageError`, or `HelpShown` if it asks for help, which is printed."""
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise UsageError(f"{self.prog}: {error}") from None
        return self.parse_args(words)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Refuses what it does not know, so that the mistake is told with the usage of the verb and not of all verbs."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            flag = next((word.partition("=")[0] for word in rest if word.startswith("-")), "")
            near = did_you_mean(flag, self.flags) or self._as_field(rest) or self._as_out(found, rest)
            self.error(f"unrecognized arguments: {' '.join(rest)}{near}")
        return found, rest

    def _as_field(self, rest: Iterable[str]) -> str:
        """The end of a sentence on a first word of the form KEY=VALUE; "" if there is none."""
        word = next((word for word in rest if word.partition("=")[0].isidentifier() and "=" in word), "")
        key, _, value = word.partition("=")
        if f"--{key}" in self.flags:
            return f"; did you mean --{key} {shlex.quote(value)}?"
        return f"; fields are set by %reson config {shlex.quote(word)}" if word else ""

    def _as_out(self, found: argparse.Namespace, rest: Iterable[str]) -> str:
        """The end of a sentence on a word that may be what is to be written; "" if --out names that, or there is no such flag."""
        word = next((word for word in rest if not word.startswith("-")), "")
        is_open = "--out" in self.flags and found.out == self.get_default("out")
        return f"; did you mean --out {shlex.quote(word)}?" if word and is_open else ""

    def error(self, message: str) -> NoReturn:
        """Raises a `UsageError`."""
        raise UsageError(f"{message}\n{self.format_usage().strip()}\nMore: {self.prog} --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """What argparse asks of every value that must be one of some; its own message is a long list of all of them."""
        if isinstance(action.choices, Collection) and value not in action.choices:
            known = ", ".join(map(str, action.choices))
            near = did_you_mean(value, action.choices) or f"; there are: {known}"
            raise argparse.ArgumentError(None, f"there is no {_called(action)} {value!r}{near}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns the end of a sentence that names what is nearest to a word; "" if nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _called(action: argparse.Action) -> str:
    name = action.option_strings[0] if action.option_strings else action.metavar or action.dest
    return str(name).lower()
