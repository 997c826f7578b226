"""What a page can ask for: each command is answered once, whatever it holds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from ... import api
from ...config import check_length
from ...config.written import value_of
from ...errors import ConfigError, ResonError
from ...session import Session
from ..activity import Activity
from ..comparison_bundle import COMPARISON, comparison_bundle
from ..live.results import results
from ..rehearsal_card import RehearsalCard
from .data import DataPart
from .pages import Page, Pages
from .problems import problem_of
from .runs import RunsPart

Text = Annotated[str, Field(max_length=1000)]


class _Args(BaseModel):
    """What comes with a command: just these fields, of just these kinds."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _Nothing(_Args):
    """Nothing comes with it."""


class _Fields(_Args):
    fields: dict[str, JsonValue] = Field(min_length=1, max_length=100)


class _Rows(_Args):
    field: Text
    set: dict[str, str] = Field(max_length=100)
    drop: list[str] = Field(max_length=100)


class _Key(_Args):
    key: Text


class _Run(_Args):
    run: Text


class _Runs(_Args):
    runs: list[Text] = Field(min_length=1, max_length=50)


class _Model(_Args):
    model: Text


class _Command(_Args):
    id: Text
    op: Text
    args: dict[str, JsonValue]


@dataclass(frozen=True)
class _Op:
    """How a command is carried out: at once, beside everything else, or as the one thing that goes on."""

    args: type[_Args]
    work: Callable[[Any], Any]
    where: Literal["here", "beside", "activity"] = "here"


class Commands:
    """Carries out what pages ask for; may be called on any thread and never raises.

    Args:
        session: What they change.
        pages: Who gets the answers.
        activity: What takes its time.
        data: The shards.
        runs: The runs.
    """

    def __init__(self, session: Session, pages: Pages, activity: Activity, data: DataPart, runs: RunsPart) -> None:
        self._session = session
        self._pages = pages
        self._activity = activity
        self._runs = runs
        self._ops: Mapping[str, _Op] = {
            "here": _Op(_Nothing, lambda _: None),
            "snapshot": _Op(_Nothing, lambda _: None),
            "configure": _Op(_Fields, self._configure),
            "set_rows": _Op(_Rows, self._set_rows),
            "forget": _Op(_Key, self._forget),
            "check": _Op(_Nothing, _check, "activity"),
            "preview": _Op(_Nothing, _preview, "activity"),
            "submit": _Op(_Nothing, lambda _: {"run": api.submit().id}, "activity"),
            "check_shards": _Op(_Nothing, lambda _: data.look(), "activity"),
            "stop": _Op(_Nothing, lambda _: activity.stop()),
            "abort": _Op(_Run, self._abort, "beside"),
            "runs": _Op(_Nothing, lambda _: runs.look(), "beside"),
            "compare": _Op(_Runs, _compare, "beside"),
            "result": _Op(_Model, _result),
        }

    def handle(self, page: Page, content: object) -> None:
        """Carries out one command and answers it."""
        self._pages.hear(page)
        try:
            command, op, args = self._read(content)
        except Exception as error:
            self._refuse(page, _id_of(content), error)
            return
        if command.op == "snapshot":
            self._pages.tell_all(page)

        def work() -> Callable[[], None]:
            try:
                value = op.work(args)
            except (Exception, SystemExit) as error:  # a module of the user's own may end the process when it is imported
                refused = error
                return lambda: self._refuse(page, command.id, refused)
            return lambda: self._pages.post(page, {"kind": "reply", "id": command.id, "ok": True, "value": value})

        try:
            if op.where == "activity":
                self._activity.start(command.op, work, lambda stopped: self._refuse(page, command.id, stopped))
            elif op.where == "beside":
                threading.Thread(target=lambda: work()(), name=f"reson {command.op}", daemon=True).start()
            else:
                work()()
        except ResonError as error:
            self._refuse(page, command.id, error)

    def _read(self, content: object) -> tuple[_Command, _Op, _Args]:
        try:
            command = _Command.model_validate(content)
            op = self._ops.get(command.op)
            if op is None:
                raise _not_understood(f"there is no command {command.op[:40]!r}")
            return command, op, op.args.model_validate(command.args)
        except ValidationError as error:
            problem = error.errors(include_input=False, include_url=False, include_context=False)[0]
            raise _not_understood(f"{'.'.join(map(str, problem['loc'])) or 'it'}: {problem['msg']}") from None

    def _refuse(self, page: Page, identity: str, error: BaseException) -> None:
        self._pages.post(page, {"kind": "reply", "id": identity, "ok": False, "error": problem_of(error)})

    def _configure(self, args: _Fields) -> None:
        _check_names(args.fields)
        self._session.configure(**args.fields)

    def _set_rows(self, args: _Rows) -> None:
        """Values come as they were written: a page has no integers beyond 2^53, and no 1.0."""
        _check_names(args.set)
        entries = {name: value_of(text.strip()) for name, text in args.set.items()}
        self._session.configure_rows(args.field, entries, args.drop)

    def _forget(self, args: _Key) -> None:
        self._session.forget(args.key)

    def _abort(self, args: _Run) -> None:
        if run := self._runs.find(args.run):
            run.abort()
        else:
            api.abort(args.run)
        self._runs.mark_stopping(args.run)


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        check_length(name)
        if not name.isidentifier():
            raise ConfigError(f"{name!r} is no name: use letters, digits and _", fields={name: "use letters, digits and _"})


def _check(_: _Args) -> dict[str, str]:
    rehearsal = api.check()
    return _document("Check", RehearsalCard(rehearsal)._repr_html_())


def _preview(_: _Args) -> dict[str, str]:
    preview = api.preview()
    return _document(preview.title, preview._repr_html_())


def _compare(args: _Runs) -> dict[str, Any]:
    comparison = api.compare(*args.runs)
    document = _document(comparison.title, comparison._repr_html_())
    return document | {"comparison": comparison_bundle(comparison)[COMPARISON]}


def _result(args: _Model) -> dict[str, str]:
    bundle: dict[str, str] | None = results.find(args.model)
    if bundle is None:
        raise ResonError("The kernel does not have the result of that run any more.", "Attach to the run: reson.attach(ID).")
    return bundle


def _document(title: str, html: str) -> dict[str, str]:
    return {"title": title, "html": html}


def _id_of(content: object) -> str:
    identity = content.get("id") if isinstance(content, dict) else None
    return identity if isinstance(identity, str) and len(identity) <= 1000 else ""


def _not_understood(why: str) -> ResonError:
    hint = "Reload the page: it may be older or newer than the kernel's extension."
    return ResonError(f"The kernel does not understand this command: {why}.", hint)
