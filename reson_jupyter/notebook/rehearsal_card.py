"""The card of a rehearsal: its steps, what was measured, and where it failed."""

from __future__ import annotations

from html import escape
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from ..api import on_rehearsal
from ..backend.job import Job
from ..backend.progress import Failure
from ..backend.rehearsal import Facts, Rehearsal
from ..card import html_root
from ..units import scaled, size
from .away import is_away
from .live.cell_text import cell_text
from .live.failure_card import FailureCard

_SHOWN_OUTPUT = 2_000  # characters
_CELL = "text-align:left;vertical-align:top;padding:2px 10px 2px 0"


class RehearsalCard:
    """What a front end shows of a rehearsal, as text or as HTML."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self._rehearsal = rehearsal
        explained = rehearsal.explained
        self._failure = FailureCard(explained, lambda label: _shipped_text(rehearsal.job, label)) if explained else None

    def __repr__(self) -> str:
        rows = [*self._steps(), *self._facts()]
        width = max(len(label) for _, label, _ in rows)
        table = (f"  {mark:1} {label:{width}}  {text}".rstrip() for mark, label, text in rows)
        return "\n".join([*([repr(self._failure)] if self._failure else []), self._headline(), *table])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr>{''.join(f'<td style={_CELL!r}>{escape(text)}</td>' for text in row)}</tr>"
            for row in [*self._steps(), *self._facts()]
        )
        parts = [self._failure._repr_html_()] if self._failure else []
        parts += [f"<b>{escape(self._headline())}</b>", f"<table><tbody>{rows}</tbody></table>"]
        if printed := self._rehearsal.output.strip()[-_SHOWN_OUTPUT:]:
            parts.append(f"<details><summary>What it printed</summary><pre>{escape(printed)}</pre></details>")
        return html_root("".join(parts))

    def _headline(self) -> str:
        failure = self._rehearsal.failure
        told = f"rehearsal failed at {failure.step!r}" if failure else self._rehearsal.sentence
        return f"Reson: {told}, nothing was sent"

    def _steps(self) -> list[tuple[str, str, str]]:
        """Mark, name, and time of every step that was begun."""
        rehearsal = self._rehearsal
        rows = [
            ("✓", step.name, f"{step.seconds:.2f} s" + (f"  {step.detail}" if step.detail else "")) for step in rehearsal.steps
        ]
        if rehearsal.failure:
            rows.append(("✗", rehearsal.failure.step, rehearsal.failure.message))
        elif rehearsal.unfinished:
            rows.append(("…", rehearsal.unfinished, "not finished"))
        return rows

    def _facts(self) -> list[tuple[str, str, str]]:
        facts = self._rehearsal.facts
        rows = [("", "model", _size(facts))] if facts.parameters else []
        if facts.metrics:
            metrics = (f"{name} {'not finite' if value is None else f'{value:.4g}'}" for name, value in facts.metrics.items())
            rows.append(("", "metrics", ", ".join(metrics)))
        requirements = self._rehearsal.job.files["requirements/requirements.txt"].decode().split("\n")
        rows.append(("", "requires", ", ".join(filter(None, requirements)) or "nothing"))
        return rows + [("", "note", note) for note in self._rehearsal.notes]


class _Live:
    """One line that replaces itself while a rehearsal goes on; then the card of its failure, if it has failed."""

    def step(self, name: str) -> None:
        if is_away():
            return
        print(f"\r{f'rehearsing: {name} ...':40}", end="", flush=True)

    def over(self, rehearsal: Rehearsal) -> None:
        if is_away():
            return
        print(f"\r{'':40}\r", end="", flush=True)
        if not rehearsal.ok:
            display(RehearsalCard(rehearsal))


_live = _Live()


def show_rehearsals(shell: InteractiveShell) -> None:
    """Has a shell show the progress and the failures of rehearsals, and draw a `Rehearsal` as its card."""
    on_rehearsal(_live)
    formatters: Any = shell.display_formatter.formatters if shell.display_formatter else {}
    formatters["text/html"].for_type(Failure, lambda failure: FailureCard(failure.explained, cell_text)._repr_html_())
    formatters["text/html"].for_type(Rehearsal, lambda rehearsal: RehearsalCard(rehearsal)._repr_html_())
    formatters["text/plain"].for_type(Rehearsal, lambda rehearsal, printer, _: printer.text(repr(RehearsalCard(rehearsal))))


def _size(facts: Facts) -> str:
    """Such as "1.2 M parameters, 4.9 MB down + 4.9 MB up per round and site"."""
    text = f"{scaled(facts.parameters)} parameters"
    if facts.bytes_up:
        text += f", {size(facts.bytes_down)} down + {size(facts.bytes_up)} up per round and site"
    elif facts.bytes_down:
        text += f", {size(facts.bytes_down)} down per round and site"
    return text


def _shipped_text(job: Job, label: str) -> str | None:
    """The text of a cell as far as it shipped, each line in its place; a file of the user's shipped whole."""
    if f"scripts/{label}" in job.files:
        return job.files[f"scripts/{label}"].decode(errors="replace")
    lines: dict[int, str] = {}
    for name, source in job.sources.items():
        # A project that lies at the sites is not in the job.
        text = job.files.get(f"scripts/{name}", b"").decode(errors="replace").splitlines()
        for span in source.spans:
            if span.cell == label:
                lines |= {span.line + number: text[span.first - 1 + number] for number in range(min(span.count, len(text)))}
    return "\n".join(lines.get(number, "") for number in range(1, max(lines, default=0) + 1)) or None
