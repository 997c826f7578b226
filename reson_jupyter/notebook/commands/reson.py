"""`%reson`: one line magic with subcommands, each a thin skin over the Python call of the same name."""

from __future__ import annotations

from functools import cache
from typing import Any

from IPython.core.magic import Magics, line_magic, magics_class

from .config import add_config_verbs
from .data import add_data_verbs
from .help import Subject, add_help_verb
from .parser import HelpShown, Parser
from .project import add_project_verbs
from .runs import add_run_verbs
from .submit import add_submit_verbs

_SUBJECTS = (
    ("configure", add_config_verbs),
    ("try and submit", add_submit_verbs),
    ("runs", add_run_verbs),
    ("data and sites", add_data_verbs),
    ("Scaleout Edge", add_project_verbs),
)


@magics_class
class ResonMagics(Magics):
    """%reson."""

    @line_magic
    def reson(self, line: str) -> Any:
        """Configure, submit, follow: `%reson help` lists the subcommands, `%reson submit --help` tells of one."""
        return run_line(line)


def run_line(line: str) -> Any:
    """Carries out one `%reson` line; returns what the subcommand makes: a run, a job, a table, or nothing.

    Raises:
        UsageError: the line cannot be understood.
        ResonError: it cannot be carried out.
    """
    try:
        arguments = reson_parser().parse_line(line if line.strip() not in ("", "-h", "--help") else "help")
        return arguments.carry_out(arguments)
    except HelpShown:
        return None


@cache
def reson_parser() -> Parser:
    """Returns the parser of `%reson`, with all its verbs."""
    parser = Parser(prog="%reson", description="Train the captured model across sites.")
    subjects = []
    for title, add in _SUBJECTS:
        before = set(parser.verbs)
        add(parser)
        subjects.append(Subject(title, tuple(verb for name, verb in parser.verbs.items() if name not in before)))
    add_help_verb(parser, subjects)
    return parser
