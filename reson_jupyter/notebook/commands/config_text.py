"""What a session is configured to, as `%reson config` shows it: grouped, and of a secret only whether it is there."""

from __future__ import annotations

from collections.abc import Iterator

from ...backend.store import default_store_url
from ...config import Config, FederationConfig, ResonTechConfig
from ...home import home
from ...secret_fields import SECRETS
from ...session import Session
from ..project_card import project_rows


def config_text(session: Session) -> Iterator[str]:
    """Yields the groups, each a few lines.

    Raises:
        ConfigError: the environment cannot be used; what does not depend on it has been yielded then.
    """
    yield _group("training", _fields(session.training))
    yield _group("federation", _fields(session.federation))
    yield _group("model", _fields(session.model_config))
    if captures := session.captures:
        yield _group("captured", (f"{key} = {capture.name} of {capture.cell}" for key, capture in captures.items()))
    if project := session.project:
        yield _group("project", (f"{name} = {text}" for name, text in project_rows(project)))
    yield _group("run", _run(session))
    yield _group("target & storage", _places(session))


def _group(title: str, lines: Iterator[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)])


def _fields(config: Config) -> Iterator[str]:
    for name, value in config:
        is_unset = isinstance(config, FederationConfig) and name == "min_clients" and name not in config.model_fields_set
        yield f"{name} = {'(unset: every site)' if is_unset else '(empty)' if value == '' else value}"


def _run(session: Session) -> Iterator[str]:
    submission = session.submission
    yield f"name = {submission.name or '(unset)'}"
    yield f"shards_dir = {submission.shards_dir or '(unset: the sites have their data themselves)'}"


def _places(session: Session) -> Iterator[str]:
    connection, submission = session.connection, session.submission
    yield f"target = {submission.target}"
    yield f"store = {submission.store or _usual_store(submission.target, connection)}"
    yield f"stale_captures = {submission.stale_captures}"
    unset = []
    for name, value in connection:
        if name in SECRETS:
            continue
        if value:
            yield f"{name} = {', '.join(value) if isinstance(value, tuple) else value}"
        else:
            unset.append(name)
    yield f"not set: {', '.join(unset)}"
    for name, variable in SECRETS.items():
        is_set = bool(getattr(connection, name).get_secret_value())
        yield f"{name}: set by {variable}" if is_set else f"{name}: not set ({variable})"


def _usual_store(target: str, connection: ResonTechConfig) -> str:
    """What a submit takes where nobody named a store."""
    if target == "reson":
        return "(unset: the account's bucket)"
    return f"(unset: {default_store_url(connection, home())})"
