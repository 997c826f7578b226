"""Which classes and functions a job is made of: what was passed, else what is captured, as the kernel holds it now."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .capture.capture import Capture
from .capture.objects import capture_object, made_beside
from .capture.roles.contract import ROLES, Role, accepts_num_classes, require_kind
from .capture.stale import changes, renewed
from .config import ModelConfig
from .errors import CaptureError
from .request import Request
from .session import Session

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Model:
    """The model of a job: its dotted path on the sites, and the class here."""

    path: str
    live: type[torch.nn.Module]
    accepts_num_classes: bool


@dataclass(frozen=True)
class Parts:
    """What a job is made of.

    Attributes:
        captures: What ships, by role; commands by "command" and their name.
        functions: The contract functions that ship, by purpose ("train", "validate").
        model: The model.
        notes: What the user should know of it.
    """

    captures: Mapping[str, Capture]
    functions: Mapping[str, str]
    model: Model
    notes: tuple[str, ...]

    @property
    def commands(self) -> dict[str, Capture]:
        """The commands that ship, by their names, in the order of these."""
        found = (capture for capture in self.captures.values() if capture.role == "command")
        return {capture.command: capture for capture in sorted(found, key=lambda capture: capture.command)}

    @property
    def default_training(self) -> bool:
        """Whether the default image classification trains."""
        return "train" not in self.functions and "executor" not in self.captures


def parts_of(request: Request, session: Session) -> Parts:
    """Finds what a job is made of.

    Raises:
        CaptureError: there is no model, or something cannot be shipped as the kernel holds it now.
    """
    config = request.model_config or session.model_config
    captures, notes = captures_of(request, session, [role for role in ROLES if role != "startup"])
    if "." in config.model_class:
        captures.pop("model", None)  # the class is named, not shipped
    functions: dict[str, str] = {
        function.purpose: function.name
        for role in ("model", "train")
        if role in captures
        for function in captures[role].functions
    }
    model = _model(captures.get("model"), config)
    if "model" not in captures:
        package = model.path.split(".")[0]
        notes.append(f"model: {model.path} does not ship; every site and the server must be able to import {package}")
    return Parts(captures, functions, model, (*notes, *_about(captures, functions)))


def _model(captured: Capture | None, config: ModelConfig) -> Model:
    """The captured model, or the one that the config names by a path which every site can import."""
    module, _, name = config.model_class.rpartition(".")
    if module:
        try:
            live = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            hint = "The sites import it by that path, and so does this kernel for run.model(); install it here too."
            raise CaptureError(f"model_class {config.model_class!r} cannot be imported here: {error}", hint) from None
        return Model(config.model_class, require_kind(live, "model"), accepts_num_classes(live))
    if captured is None:
        hint = (
            "Put %%reson_model on the first line of the cell that defines it and run that cell, or pass model=Net. "
            "Of Scaleout Edge: put %%reson_startup on the cell that defines startup(client), or %reson project load FOLDER."
        )
        raise CaptureError("there is no model", hint)
    if name and name != captured.name:
        raise CaptureError(f"model_class is {name!r}, but the model is {captured.name}", "Leave model_class empty.")
    live = require_kind(captured.live, "model")
    return Model(f"model_def.{captured.name}", live, captured.accepts_num_classes)


def captures_of(request: Request, session: Session, roles: Collection[str]) -> tuple[dict[str, Capture], list[str]]:
    """Returns captures by key, of the objects that were passed, else of what the session has; and what changed since.

    Args:
        request: What the user asks for.
        session: What gives the rest.
        roles: Which of the session's captures count.

    Raises:
        CaptureError: something cannot be shipped as the kernel holds it now.
    """
    given = _given(request)
    known = {
        key: capture
        for key, capture in session.captures.items()
        if capture.role in roles and (key in given or capture.role != "command" or request.commands is None)
    }
    used = {key: capture for key, capture in known.items() if key not in given or given[key][2] is capture.live}
    _renew(used, session)
    captures = {key: session.captures[key] for key in known}
    for key, (role, command, value) in given.items():
        if key not in captures or captures[key].live is not value:
            captures[key] = capture_object(value, role, session.kernel, made_beside(role, captures), command)
    return captures, [note for capture in captures.values() for note in capture.renewed]


def _given(request: Request) -> dict[str, tuple[Role, str, Any]]:
    """The objects that were passed: by key the role, the command's name, and the object; commands replace all captured ones."""
    roles: dict[Role, Any] = {
        "model": request.model,
        "train": request.train,
        "executor": request.executor,
        "persistor": request.persistor,
    }
    given: dict[str, tuple[Role, str, Any]] = {role: (role, "", value) for role, value in roles.items() if value is not None}
    return given | {f"command {name}": ("command", name, function) for name, function in (request.commands or {}).items()}


def _renew(captures: Mapping[str, Capture], session: Session) -> None:
    """Brings captures up to what the kernel holds now, or refuses them, as the session is set."""
    new = renewed(captures, session.kernel) if session.kernel else {}
    said = {key: changes(captures[key], capture) for key, capture in new.items()}
    if said and session.submission.stale_captures == "refuse":
        hint = "Run that cell again, or let a submit capture anew: %reson config stale_captures=recapture"
        raise CaptureError("\n  ".join(said.values()), hint)
    for key, capture in new.items():
        session.set_capture(replace(capture, renewed=(*captures[key].renewed, f"{said[key]}; captured anew")))


def _about(captures: Mapping[str, Capture], functions: Mapping[str, str]) -> list[str]:
    """What trains, and whose classes take the place of the defaults."""
    cells = {function.name: capture.cell for capture in captures.values() for function in capture.functions}
    notes = [f"{key}: {capture.name} of {capture.cell}" for key, capture in captures.items() if key != "train"]
    if "executor" in captures:
        return notes
    train = functions.get("train")
    return [*notes, f"training: {train} of {cells[train]}" if train else "training: the default image classification"]
