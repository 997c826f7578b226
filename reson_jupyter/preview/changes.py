"""What differs between a run that was submitted and one that is about to be."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..backend.history.origin import Origin
from ..backend.job import Job
from ..config import Config
from ..errors import ResonError
from ..names import printable
from ..units import size

Kind = Literal["added", "removed", "changed"]
# To find the lines that differ takes long where they are many.
_COMPARED_LINES = 20_000
_LONGEST_VALUE = 80
_SHORT = 12
_WITHOUT = "none"


@dataclass(frozen=True)
class FileChange:
    """One file of the job.

    Attributes:
        path: Its key below the run's prefix.
        kind: Whether it is only there now, was only there then, or is another.
        diff: The lines of a unified diff; () unless it is another.
    """

    path: str
    kind: Kind
    diff: tuple[str, ...] = ()

    @property
    def counts(self) -> tuple[int, int]:
        """Lines that came and lines that went."""
        body = self.diff[2:]
        return sum(line.startswith("+") for line in body), sum(line.startswith("-") for line in body)


@dataclass(frozen=True)
class Changes:
    """What is different.

    Attributes:
        values: Fields of the configs, and where the run goes, in words.
        files: The files.
        data: The sites' data and the weights to start from, in words.
    """

    values: tuple[str, ...] = ()
    files: tuple[FileChange, ...] = ()
    data: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.values or self.files or self.data)


@dataclass(frozen=True)
class Made:
    """A run, submitted or about to be.

    Attributes:
        origin: What made it, without secrets.
        weights: Name and size of the weights that it starts from; None: it has none.
        sites_known: Whether it is known which sites take part.
    """

    origin: Origin
    weights: tuple[str, int] | None
    sites_known: bool = True


def compare(before: Made, now: Made) -> Changes:
    """Returns what is different."""
    data = [*_weights(before.weights, now.weights)]
    if before.sites_known and now.sites_known:
        data += _sites(before.origin.submitted["sites"], now.origin.submitted["sites"])
    return Changes(tuple(_values(before.origin, now.origin)), tuple(_files(before.origin.job, now.origin.job)), tuple(data))


def _files(before: Job, now: Job) -> Iterator[FileChange]:
    for path in sorted(before.files.keys() | now.files.keys()):
        if path not in before.files:
            yield FileChange(path, "added")
        elif path not in now.files:
            yield FileChange(path, "removed")
        elif before.files[path] != now.files[path]:
            yield FileChange(path, "changed", tuple(_diff(path, before.files[path], now.files[path])))


def _diff(path: str, before: bytes, now: bytes) -> Iterator[str]:
    old, new = (data.decode(errors="replace").split("\n") for data in (before, now))
    if len(old) + len(new) > _COMPARED_LINES:
        return iter((f"--- {path}", f"+++ {path}", "@@ too long to be compared line by line @@"))
    return difflib.unified_diff(old, new, path, path, lineterm="")


def _values(before: Origin, now: Origin) -> Iterator[str]:
    for name in ("name", "target", "store"):
        yield from _difference(name, getattr(before.record, name), getattr(now.record, name))
    try:
        old, new = _fields(before), _fields(now)
    except (ResonError, LookupError, ValueError, TypeError, AttributeError):
        yield "the configs of then are in a form that this version does not read"
        return
    for name in dict.fromkeys([*new, *old]):
        yield from _difference(name, old.get(name), new.get(name))


def _fields(origin: Origin) -> dict[str, Any]:
    config = origin.config
    model = config.model.model_dump(mode="json")
    args = {f"model_args.{name}": value for name, value in model.pop("model_args").items()}
    return {**_dumped(config.training), **_dumped(config.federation), **model, **args}


def _dumped(config: Config) -> dict[str, Any]:
    return config.model_dump(mode="json")


def _difference(name: str, before: Any, now: Any) -> Iterator[str]:
    if before != now:
        yield f"{printable(name)} {_shown(before)} -> {_shown(now)}"


def _shown(value: Any) -> str:
    text = _WITHOUT if value in (None, "") else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return printable(text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}...")


def _weights(before: tuple[str, int] | None, now: tuple[str, int] | None) -> Iterator[str]:
    if before != now:
        old, new = (f"{printable(found[0])} ({size(found[1])})" if found else _WITHOUT for found in (before, now))
        yield f"weights to start from: {old} -> {new}"


def _sites(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for site in dict.fromkeys([*now, *before]):
        shown = printable(str(site))
        if site not in before:
            yield f"{shown} is new, with {_data(now[site])}"
        elif site not in now:
            yield f"{shown} is gone, which had {_data(before[site])}"
        elif before[site]["sha256"] != now[site]["sha256"]:
            yield f"{shown}: {_data(before[site])} -> {_data(now[site])}"
        elif before[site]["shard"] != now[site]["shard"]:
            yield f"{shown}: {_data(before[site])} is now called {printable(str(now[site]['shard']))}"


def _data(shard: Mapping[str, Any]) -> str:
    if not shard["sha256"]:
        return "data of its own"
    return f"{printable(str(shard['shard']))} ({printable(str(shard['sha256'])[:_SHORT])})"
