"""What a session is configured to, as `%reson config` shows it: grouped, and of a secret only whether it is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...backend.store import default_store_url
from ...config import Config, FederationConfig, ResonTechConfig
from ...configuring import OWNER
from ...errors import ConfigError
from ...forms import UNSET, is_given
from ...home import home
from ...secret_fields import SECRETS
from ...session import Session
from ..project_card import project_rows
from .parser import did_you_mean


def config_text(session: Session) -> Iterator[str]:
    """Yields the groups, each a few lines.

    Raises:
        ConfigError: the environment cannot be used; what does not depend on it has been yielded then.
    """
    about = " (settings of your train callback; by themselves they do nothing)" if session.has_startup else ""
    yield _group(f"training{about}", _fields(session.training))
    yield _group("federation", _fields(session.federation))
    yield _group("model", _fields(session.model_config))
    if captures := session.captures:
        yield _group("captured", (f"{key} = {capture.name} of {capture.cell}" for key, capture in captures.items()))
    if project := session.project:
        yield _group("project", (f"{name} = {text}" for name, text in project_rows(project)))
    yield _group("run", _run(session))
    yield _group("target & storage", _places(session))


def field_text(session: Session, name: str) -> str:
    """Returns the line of one field, or of a hyperparameter of the user's own.

    Raises:
        ConfigError: there is no such field, or the environment cannot be used.
    """
    if name in session.training.extra:
        return _line(session.training, name, session.training.extra[name])
    if name not in OWNER:
        near = did_you_mean(name, [*OWNER, *session.training.extra])
        raise ConfigError(f"There is no field {name!r}{near or '.'}", f"To set one of your own: %reson config {name}=VALUE.")
    if name in SECRETS:
        return _secret(session.connection, name)
    config: Config = getattr(session, OWNER[name])
    if name == "store":
        return f"store = {_store(session)}"
    return _line(config, name, getattr(config, name))


def told(value: Any) -> str:
    """Returns a value as it is shown."""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _group(title: str, lines: Iterator[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)])


def _fields(config: Config) -> Iterator[str]:
    return (_line(config, name, value) for name, value in config)


def _line(config: Config, name: str, value: Any) -> str:
    if isinstance(config, FederationConfig) and name in UNSET and not is_given(config, name):
        return f"{name} = (unset: {UNSET[name]})"
    return f"{name} = {'(empty)' if value == '' else told(value)}"


def _run(session: Session) -> Iterator[str]:
    submission = session.submission
    yield f"name = {submission.name or '(unset)'}"
    yield f"shards_dir = {submission.shards_dir or '(unset: the sites have their data themselves)'}"


def _places(session: Session) -> Iterator[str]:
    connection, submission = session.connection, session.submission
    yield f"target = {submission.target}"
    yield f"store = {_store(session)}"
    yield f"stale_captures = {submission.stale_captures}"
    unset = []
    for name, value in connection:
        if name in SECRETS:
            continue
        if value:
            yield f"{name} = {told(value)}"
        else:
            unset.append(name)
    yield f"not set: {', '.join(unset)}"
    for name in SECRETS:
        yield _secret(connection, name)


def _secret(connection: ResonTechConfig, name: str) -> str:
    is_set = bool(getattr(connection, name).get_secret_value())
    return f"{name}: set by {SECRETS[name]}" if is_set else f"{name}: not set ({SECRETS[name]})"


def _store(session: Session) -> str:
    """Where files lie: what a submit takes where nobody named a store."""
    if named := session.store:
        return named
    if session.target == "reson":
        return "(unset: the account's bucket)"
    return f"(unset: {default_store_url(session.connection, home())})"
