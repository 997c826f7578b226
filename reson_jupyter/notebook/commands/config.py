"""`%reson config`, `forget`, `panel`: what is captured and configured."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from ...capture.roles.contract import ROLES
from ...config import Config, FederationConfig, ModelConfig, SubmitConfig, TrainingConfig, fields_like
from ...configuring import OWNER
from ...names import printable
from ...session import Session, current_session
from ...session_card import gone, held
from ..panel import show_panel
from .assignments import assignments, cut_text, lists_explained
from .config_text import config_text, field_text, told
from .parser import Parser

_HELD = (*ROLES, "project")
_CONFIGS: tuple[type[Config], ...] = (TrainingConfig, FederationConfig, ModelConfig, SubmitConfig)


def add_config_verbs(parser: Parser) -> None:
    """Adds the verbs to the parser of `%reson`."""
    config = parser.add_verb(
        "config", _config, "set fields of the configs, or show all of them",
        "%reson config batch_size=64 num_rounds=3 dropout=0.1", "%reson config 'model_args={\"width\": 64}'",
        "%reson config batch_size=None      (puts it back)", "%reson config batch_size           (shows it)",
        "%reson config                      (shows all)",
    )  # fmt: skip
    config.add_argument(
        "fields",
        nargs="*",
        metavar="KEY=VALUE",
        help="any field that %%reson config shows, or a hyperparameter of your own; KEY shows it",
    )

    parser.add_verb("panel", _panel, "show captures and configs as forms with buttons, where there is no sidebar")

    forget = parser.add_verb(
        "forget", _forget, "drop what was captured for a role, or the project that was loaded",
        "%reson forget train", "%reson forget command clear_cache",
    )  # fmt: skip
    forget.add_argument("role", choices=_HELD, metavar="ROLE", help=f"one of {', '.join(_HELD)}")
    forget.add_argument("name", metavar="COMMAND", nargs="?", help="which command (default: all of them)")


def _config(arguments: argparse.Namespace) -> None:
    session = current_session()
    asked = [word for word in arguments.fields if word.isidentifier()]
    given = assignments(word for word in arguments.fields if word not in asked)
    for name in asked:  # before anything is set
        if name not in given:
            field_text(session, name)
    if given:
        with lists_explained(given):
            session.configure(**given)
        print(printable(", ".join(_set(session, name, value) for name, value in given.items())))
        for line in _own(session, given):
            print(line)
    for name in asked:
        print(printable(field_text(session, name)))
    for group in () if arguments.fields else config_text(session):
        print(group)


def _set(session: Session, name: str, value: Any) -> str:
    if value is None:
        return f"{name}: put back"
    if name == "s3_access_key_id":
        return f"{name}: set"
    config: Config = getattr(session, OWNER.get(name, "training"))
    return f"{name} = {told(session.training.extra[name] if name not in OWNER else getattr(config, name))}"


def _own(session: Session, given: Mapping[str, Any]) -> Iterator[str]:
    """What is no field: if its name is a part of a field's name, somebody may have meant that."""
    own = sorted(given.keys() & session.training.extra.keys())
    alike = {name: fields_like(name, [field for config in _CONFIGS for field in config.model_fields]) for name in own}
    if plain := [name for name in own if not alike[name]]:
        yield f"{', '.join(plain)}: of your own, for your train function"
    for name, fields in alike.items():
        if fields:
            yield f"{name}: of your own, for your train function; the field is {' or '.join(fields)}"
    for name in own:
        if example := cut_text(name, given[name]):
            yield f"{name}: kept as text, as it is no JSON; a list or a dict stands in quotes: {example}"


def _panel(_: argparse.Namespace) -> None:
    show_panel()


def _forget(arguments: argparse.Namespace) -> None:
    key = f"{arguments.role} {arguments.name}" if arguments.name else arguments.role
    session = current_session()
    before = held(session)
    session.forget(key)
    dropped = gone(before, session)
    for text in dropped:
        print(f"forgot the {text}")
    if not dropped:
        print(f"no {key} was {'loaded' if key == 'project' else 'captured'}")
