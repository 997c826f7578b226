"""manifest.ndjson: which samples a shard holds, one JSON object a line.

    {"id": "0001", "uri": "file://images/0001.png", "y": [3], "meta": {"hospital": "A"}}

`id` is unique in the shard; `uri` names a member of the shard, relative to its root, with or without "file://", or is an https
address whose host the run allows; `y` holds class indices, one or (multi-label) several or none; `meta` is free and may be
missing. What is refused here is what the default training refuses on the sites.
"""

from __future__ import annotations

import codecs
import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..worker.download import _rt_fetch_parts, _rt_fetch_shown
from .problems import SHOWN_PROBLEMS, Problems

MAX_LABEL = 999_999
# By "\\", "%" and ":" a path could mean another place on some site than it seems to.
_FORBIDDEN = frozenset("\\%:")


@dataclass(slots=True)
class Sample:
    """One line of a manifest."""

    id: str
    uri: str
    labels: list[int]
    meta: dict[str, Any]
    line: int


@dataclass
class Summary:
    """What a manifest's samples come to.

    Attributes:
        samples: How many there are.
        label_counts: Samples of each label, in order of the labels.
        max_label_id: Id of the first sample with the greatest label; None when no sample has a label.
        multi_label: Whether some sample has more than one label.
        unlabelled: Lines of the first samples without any label, at most 20.
    """

    samples: int = 0
    label_counts: dict[int, int] = field(default_factory=dict)
    max_label_id: str | None = None
    multi_label: bool = False
    unlabelled: list[int] = field(default_factory=list)

    @property
    def max_label(self) -> int | None:
        """The greatest label, or None when no sample has one."""
        return max(self.label_counts, default=None)


def scan_manifest(data: bytes, problems: Problems, image_hosts: Collection[str] | None = None) -> Iterator[Sample]:
    """Yields the samples of a manifest whose lines are right, and notes what is wrong with the others.

    Images are members of the shard; or they have an https address, if its host is one of `image_hosts`. None is for callers that
    read the images themselves, for nothing is downloaded here.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        problems.add("it is written in UTF-16; save it as UTF-8")
        return
    seen: dict[str, int] = {}
    for number, line in enumerate(data.removeprefix(codecs.BOM_UTF8).split(b"\n"), 1):
        if not line.strip():
            continue
        sample = _read_line(line, number, image_hosts)
        if isinstance(sample, str):
            problems.add(f"line {number}: {sample}")
        elif (first := seen.setdefault(sample.id, number)) != number:
            problems.add(f"line {number}: id {_short(sample.id)} is already on line {first}")
        else:
            yield sample


def summarise(samples: Iterator[Sample]) -> Summary:
    """Counts samples and labels."""
    summary = Summary()
    counts: Counter[int] = Counter()
    greatest = -1
    for sample in samples:
        summary.samples += 1
        counts.update(sample.labels)
        if len(sample.labels) > 1:
            summary.multi_label = True
        elif not sample.labels and len(summary.unlabelled) < SHOWN_PROBLEMS:
            summary.unlabelled.append(sample.line)
        for label in sample.labels:
            if label > greatest:
                greatest, summary.max_label_id = label, sample.id
    summary.label_counts = dict(sorted(counts.items()))
    return summary


def is_remote(uri: str) -> bool:
    """Whether the sites fetch what `uri` means; else it is a member of the shard."""
    return uri.startswith("https://")


def member_of(uri: str) -> str:
    """Returns the name of the shard's member that `uri` means, which is not remote; nothing in it is decoded."""
    return uri.removeprefix("file://")


def _read_line(line: bytes, number: int, image_hosts: Collection[str] | None) -> Sample | str:
    """Returns the sample of a line, or what is wrong with it."""
    if b"\r" in line.removesuffix(b"\r"):
        return "it has a carriage return in it; end lines with \\n or \\r\\n"
    try:
        record = json.loads(line.decode())
    except UnicodeDecodeError:
        return "it is not UTF-8"
    except (ValueError, RecursionError) as error:
        return f"it is not JSON ({error}); each line must be one whole object"
    if type(record) is not dict:
        return f"it is a JSON {_kind(record)}; each line must be an object with id, uri and y"
    missing = [name for name in ("id", "uri", "y") if name not in record]
    if missing:
        return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    identity, uri, y, meta = record["id"], record["uri"], record["y"], record.get("meta")
    if type(identity) is not str or not identity:
        return f"id must be a string that is not empty, not {_short(identity)}"
    if not _is_text(identity):
        return f"id {_short(identity)} has half a character in it"
    problem = _uri_problem(uri, image_hosts) or label_problem(y)
    if problem:
        return problem
    if meta is not None and type(meta) is not dict:
        return f"meta must be an object, not {_short(meta)}"
    return Sample(identity, uri, [y] if type(y) is int else y, meta or {}, number)


def _uri_problem(uri: object, image_hosts: Collection[str] | None) -> str | None:
    if type(uri) is not str or not uri:
        return f"uri must be a string that is not empty, not {_short(uri)}"
    if is_remote(uri):
        if image_hosts is None:
            return f"uri {_rt_fetch_shown(uri)} would have to be downloaded, which only sites do; put the file into the shard"
        try:
            _rt_fetch_parts(uri, image_hosts)
        except ValueError as error:
            return f"uri {error}"
        return None
    scheme, separator, _ = uri.partition("://")
    if separator and scheme != "file":
        return f"uri {_rt_fetch_shown(uri)} would have to be downloaded, which sites do only by https; put it into the shard"
    member = member_of(uri)
    if (
        not member
        or member[0] == "/"
        or ".." in member.split("/")
        or not member.isprintable()
        or not _FORBIDDEN.isdisjoint(member)
    ):
        # Cut at "?", behind which a mistyped address may have a signature.
        shown = _short(uri.partition("?")[0])
        return f"uri {shown} is no path inside the shard, relative to its root, such as images/1.png (without \\, % and :)"
    return None


def label_problem(y: object) -> str | None:
    """Returns what is wrong with a sample's `y`, in words, or None."""
    # bool is a kind of int to Python, and True would be counted as class 1.
    labels = y if type(y) is list else [y]
    for label in labels:
        if type(label) is not int:
            return f"y must hold whole numbers from 0, not {_short(label)}"
        if not 0 <= label <= MAX_LABEL:
            return f"y must hold class indices from 0 to {MAX_LABEL}, not {_short(label)}"
    if len(labels) > 1 and len(set(labels)) < len(labels):
        return f"y names a label twice: {_short(labels)}"
    return None


def _is_text(value: str) -> bool:
    """JSON can escape halves of a pair of UTF-16, which sites cannot encode."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: object) -> str:
    return {list: "array", str: "string", type(None): "null", bool: "boolean"}.get(type(value), "number")


def _short(value: object) -> str:
    # Python refuses to print integers of more than 4,300 digits; JSON of that length is refused as it is read.
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
