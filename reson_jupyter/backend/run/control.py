"""What a running run is asked to do, and what its sites answer."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ...card import html_root
from ...errors import RunError, RunTimeout
from ...events import EventType, RunState
from ...names import printable
from ...table import html_table
from ..failure.explain import explain
from ..progress import RunProgress
from ..record import RunRecord
from ..site_state import SiteProgress
from ..targets.base import Target
from .follow import Follower
from .info import WORKING

LogLevel = Literal["debug", "info", "warning", "error"]

_LEVELS = ("debug", "info", "warning", "error")
_NOT_YET = (RunState.PENDING, RunState.UPLOADING, RunState.QUEUED)
_TITLES = ("site", "answer", "seconds")
_NOBODY = "no site was asked"
_SHOWN = 500  # characters of an answer
# For what a site does at once.
_PROMPT = 15.0


@dataclass(frozen=True, repr=False)
class Answer:
    """What one site answered.

    Attributes:
        site: The site.
        ok: Whether it did what it was asked to.
        value: What the function returned there.
        error: In one line why there is no value; "" if there is one.
        traceback: Of the function's exception, with the notebook's lines called by their cell; "" for any other error.
        seconds: How long the answer took.
        where: The place of the exception in the user's code, such as "In[4], line 9"; "" if there is none.
    """

    site: str
    ok: bool
    value: Any
    error: str
    traceback: str
    seconds: float
    where: str = ""

    def __repr__(self) -> str:
        return f"<{printable(self.site)}: {self.summary}>"

    @property
    def summary(self) -> str:
        """The value, or the error with its place, in one line that is not too long to be shown."""
        text = repr(self.value) if self.ok else f"{self.where}: {self.error}" if self.where else self.error
        return printable(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")


class Answers(dict[str, Answer]):
    """The answers of the sites, by their names."""

    def __repr__(self) -> str:
        width = max(map(len, self), default=0)
        return "\n".join(f"{printable(site):{width}}  {answer.summary}" for site, answer in self.items()) or _NOBODY

    def _repr_html_(self) -> str:
        rows = [(printable(site), answer.summary, f"{answer.seconds:.1f}") for site, answer in self.items()]
        shown = html_table(_TITLES, rows, ("seconds",)) if self else _NOBODY
        return html_root(shown, style="overflow-x:auto")


class Control:
    """Puts requests to a run and waits for what becomes of them."""

    def __init__(self, record: RunRecord, target: Target, follower: Follower) -> None:
        self._record = record
        self._target = target
        self._follower = follower
        self._progress = follower.progress

    def command(self, name: str, params: Mapping[str, Any], sites: str | Iterable[str] | None, timeout: float) -> Answers:
        """See `Run.command`."""
        self._must_go_on()
        if not isinstance(name, str) or not name:
            raise RunError(f"{name!r} is not the name of a command", "run.command('name') takes the name it was captured by.")
        self._chosen(sites)
        plain = _as_json(name, params)
        left = self._await_sites([sites] if isinstance(sites, str) else sites and list(sites), timeout)
        # A target may have called its sites otherwise when they came.
        return self._ask("command", self._chosen(sites), left, command=name, params=plain)

    def skip_round(self, site: str) -> None:
        """See `Run.skip_round`."""
        self._must_run()
        chosen = self._chosen(site)
        with self._follower.lock:
            reason = why_not_skip(self._progress, site)
        if reason:
            raise RunError(f"{site} cannot skip this round: {reason}", "To end the whole run, call run.abort().")
        self._obeyed(self._ask("skip", chosen, _PROMPT))

    def set_log_level(self, level: LogLevel, site: str | None) -> None:
        """See `Run.set_log_level`."""
        self._must_run()
        if level not in _LEVELS:
            raise RunError(f"{level!r} is not a log level", f"The levels are: {', '.join(_LEVELS)}.")
        self._obeyed(self._ask("log_level", self._chosen(site), _PROMPT, level=level))

    def reset_errors(self) -> None:
        """See `Run.reset_errors`."""
        self._must_run()
        with self._follower.lock:
            known = len(self._progress.events)

        def is_reset() -> bool:
            return any(event.type == EventType.ERRORS_RESET for event in self._progress.events[known:])

        self._request("reset_errors", None)
        if not self._follower.wait_for(is_reset, _PROMPT):
            self._must_run()
            raise RunTimeout(f"nobody confirmed within {_PROMPT:.0f} s that the errors are reset", "Look at run.errors() later.")

    def _ask(self, op: str, sites: list[str], timeout: float, **more: Any) -> Answers:
        asked = time.monotonic()
        request = self._request(op, sites, **more)
        arrived: dict[str, float] = {}

        def all_answered() -> bool:
            for site in self._progress.answers.get(request, {}):
                arrived.setdefault(site, time.monotonic() - asked)
            return arrived.keys() >= set(sites)

        self._follower.wait_for(all_answered, timeout)
        with self._follower.lock:
            given = dict(self._progress.answers.get(request, {}))
        waited = time.monotonic() - asked
        silent = self._silent(waited)
        return Answers({site: self._answer(site, given.get(site, silent), arrived.get(site, waited)) for site in sites})

    def _answer(self, site: str, data: Mapping[str, Any], seconds: float) -> Answer:
        if data["ok"]:
            return Answer(site, True, data.get("value"), "", "", seconds)
        told = explain(data["error"], data.get("traceback", ""), self._progress.sources)
        return Answer(site, False, None, told.message, told.traceback, seconds, told.where.where if told.where else "")

    def _silent(self, waited: float) -> dict[str, Any]:
        """What stands for the answer of a site that gave none."""
        state = self._progress.state
        if state.done:
            return {"ok": False, "error": f"the run ended ({state.value}) before the site answered"}
        return {"ok": False, "error": f"no answer within {waited:.0f} s; the site may still be at it"}

    def _request(self, op: str, sites: list[str] | None, **more: Any) -> str:
        request = secrets.token_hex(8)
        self._target.request(self._record, {"id": request, "op": op, "sites": sites, **more})
        return request

    def _await_sites(self, named: Iterable[str] | None, timeout: float) -> float:
        """Waits until the sites are in their first round, where alone they have a model; returns the seconds that are left.

        Those that are late keep the others from being asked for half of the time at most.
        """
        until = time.monotonic() + timeout

        def in_round() -> list[bool]:
            run = self._progress
            late = not (run.state.done or run.rounds_done)
            return [not late or _has_come(run.sites[site]) for site in named or run.sites if site in run.sites]

        if not self._follower.wait_for(lambda: any(in_round()), timeout):
            raise self._not_yet(f" after {timeout:g} s", "Ask again later, or with a longer timeout.")
        self._follower.wait_for(lambda: all(in_round()), (until - time.monotonic()) / 2)
        self._must_go_on()
        return until - time.monotonic()

    def _must_go_on(self) -> None:
        state = self._progress.state
        if state.done:
            raise RunError(f"run {self._record.id} is over ({state.value}): there is nobody left to ask")

    def _must_run(self) -> None:
        self._must_go_on()
        if self._progress.state in _NOT_YET:
            raise self._not_yet("", "Try again once it is running.")

    def _not_yet(self, when: str, hint: str) -> RunError:
        state = self._progress.state.value
        return RunError(f"run {self._record.id} is {state}: its sites are not there yet{when}", hint)

    def _chosen(self, sites: str | Iterable[str] | None) -> list[str]:
        known = list(self._progress.sites)
        chosen = known if sites is None else [sites] if isinstance(sites, str) else list(dict.fromkeys(sites))
        unknown = [site for site in chosen if site not in known]
        if unknown:
            raise RunError(f"the run has no site {', '.join(map(repr, unknown))}", f"Its sites are: {', '.join(known)}.")
        if not chosen:
            raise RunError("no site was named", f"The run's sites are: {', '.join(known)}.")
        return chosen

    @staticmethod
    def _obeyed(answers: Answers) -> None:
        """Raises `RunError` for the sites that did not do as they were told."""
        refused = [f"{site}: {answer.summary}" for site, answer in answers.items() if not answer.ok]
        if refused:
            raise RunError("; ".join(refused), "The other sites did it." if len(refused) < len(answers) else None)


def _has_come(site: SiteProgress) -> bool:
    """Whether a site is in its first round, or will not come to it."""
    return site.round is not None or site.problem is not None or bool(site.cannot_train)


def why_not_skip(run: RunProgress, site: str) -> str:
    """Returns why a site cannot leave the task it is at, with the round going on; "" if it can."""
    this = run.sites[site]
    if this.phase not in WORKING or this.round is None:
        return f"it is at no task just now ({this.phase})"
    if this.round >= run.num_rounds:
        return ""  # no round needs the validation of the final model
    left = [name for name in run.sites if name != site and _can_contribute(run, name, this.round)]
    if len(left) >= run.min_clients:
        return ""
    needed = "1 site" if run.min_clients == 1 else f"{run.min_clients} sites"
    return f"round {this.round + 1} needs {needed} (min_clients), and without {site} it would have {len(left)}"


def _can_contribute(run: RunProgress, name: str, number: int) -> bool:
    """Whether a round has, or may still get, what a site contributes to it."""
    entry, site = run.rounds.get(number), run.sites[name]
    if entry and name in entry.contributions:
        return True
    failed = {failure.round for failure in run.failures if failure.site == name}
    if site.round != number:
        return not failed  # nobody knows whether it is still there
    return site.phase in (*WORKING, "returned") and number not in failed and not (entry and name in entry.rejected)


def _as_json(name: str, params: Mapping[str, Any]) -> Any:
    try:
        if not isinstance(params, Mapping):
            raise TypeError(f"they are a {type(params).__name__}, not a dict")
        text = json.dumps(dict(params), allow_nan=False, ensure_ascii=False)
        text.encode()  # half a character would be refused on the way
        return json.loads(text)
    except (TypeError, ValueError) as error:
        raise RunError(
            f"the params of {name!r} cannot be sent: {error}",
            "They must be a dict of what JSON holds: numbers, texts, lists, dicts.",
        ) from None
