"""Lines of magics as argparse reads them, whose mistakes are errors of the cell and not the end of the kernel."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from IPython.core.error import UsageError


class HelpShown(Exception):
    """`--help` was asked for and printed."""


class _Help(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(parser.format_help())
        raise HelpShown


class Parser(argparse.ArgumentParser):
    """A parser with a `--help` of its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, add_help=False)
        self.add_argument("-h", "--help", action=_Help, nargs=0, help="show this help")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Refuses what it does not know, so that the mistake is told with the usage of the verb and not of all verbs."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest

    def error(self, message: str) -> NoReturn:
        """Raises a `UsageError`."""
        raise UsageError(f"{message}\n{self.format_usage().strip()}\nMore: %{self.prog} --help")
