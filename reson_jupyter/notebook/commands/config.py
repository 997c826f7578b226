"""`%reson config`, `forget`, `panel`: what is captured and configured."""

from __future__ import annotations

import argparse

from ...capture.roles.contract import ROLES
from ...session import current_session
from ..panel import show_panel
from .assignments import assignments
from .config_text import config_text
from .parser import Parser


def add_config_verbs(parser: Parser) -> None:
    """Adds the verbs to the parser of `%reson`."""
    config = parser.add_verb(
        "config", _config, "set fields of the configs, or show them",
        "%reson config batch_size=64 num_rounds=3 dropout=0.1", "%reson config 'model_args={\"width\": 64}'",
        "%reson config batch_size=None      (puts it back)", "%reson config                      (shows all)",
    )  # fmt: skip
    config.add_argument("fields", nargs="*", metavar="KEY=VALUE", help="any field, or a hyperparameter of your own")

    parser.add_verb("panel", _panel, "show the same as forms, where there is no sidebar")

    forget = parser.add_verb(
        "forget", _forget, "drop what was captured for a role; the default takes its place again",
        "%reson forget train", "%reson forget command clear_cache",
    )  # fmt: skip
    forget.add_argument("role", choices=ROLES, metavar="ROLE", help=f"one of {', '.join(ROLES)}")
    forget.add_argument("name", metavar="COMMAND", nargs="?", help="which command (default: all of them)")


def _config(arguments: argparse.Namespace) -> None:
    session = current_session()
    if arguments.fields:
        given = assignments(arguments.fields)
        session.configure(**given)
        own = sorted(given.keys() & session.training.extra.keys())
        if own:
            print(f"{', '.join(own)}: of your own, for your train function")
        return
    for group in config_text(session):
        print(group)


def _panel(_: argparse.Namespace) -> None:
    show_panel()


def _forget(arguments: argparse.Namespace) -> None:
    key = f"{arguments.role} {arguments.name}" if arguments.name else arguments.role
    dropped = current_session().forget(key)
    for captured in dropped:
        print(f"forgot the {captured.title} of {captured.cell}")
    if not dropped:
        print(f"no {key} was captured")
