"""The card of the session: what is captured and configured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .card import Card
from .errors import ConfigError

if TYPE_CHECKING:
    from .config import Config
    from .session import Session

_TO_CAPTURE = (
    "put %%reson_model on the cell that defines the model, or %%reson_startup on that of startup(client); "
    "or %reson project load FOLDER"
)


def session_card(session: Session) -> Card:
    """Returns the card of a session as it is now."""
    there = ", ".join(held(session).values())
    rows = [("captured", there or f"nothing: {_TO_CAPTURE}")]
    rows += [("not captured", f"{refusal.key} of {refusal.cell}: {refusal.message}") for refusal in session.refusals.values()]
    parts = {"training": session.training, "federation": session.federation, "model": session.model_config}
    rows += [(name, text) for name, config in parts.items() if (text := _changes(config))]
    try:
        submission = session.submission
        rows += [(name, getattr(submission, name)) for name in ("name", "shards_dir", "target") if getattr(submission, name)]
        rows += [("store", submission.store)] if submission.store else []
    except ConfigError as error:
        rows.append(("problem", str(error)))
    return Card("The session of this kernel", [*rows, ("change it", "%reson config KEY=VALUE; all of it: %reson config")])


def held(session: Session) -> dict[str, str]:
    """Returns what is captured or loaded, by key, as people call it: "model Net of In[4]", "project mnist"."""
    captures = {key: f"{capture.title} of {capture.cell}" for key, capture in session.captures.items()}
    project = session.project
    return {"project": project.title, **captures} if project else captures


def gone(before: Mapping[str, str], session: Session) -> list[str]:
    """Returns what a session held and holds no longer, as people call it; `before` is what `held` gave then."""
    return [text for key, text in before.items() if key not in held(session)]


def _changes(config: Config) -> str:
    """What differs from the defaults."""
    changed = config.model_dump(exclude_unset=True) | (config.model_extra or {})
    return ", ".join(f"{name}={value!r}" for name, value in changed.items())
