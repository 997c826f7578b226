"""manifest.ndjson: which samples a shard holds, one JSON object a line.

    {"id": "0001", "uri": "file://images/0001.png", "y": [3], "meta": {"hospital": "A"}}

`id` is unique in the shard; `uri` names a member of the shard, relative to its root, with or without "file://", or is an https
address whose host the run allows; `y` holds class indices, one or (multi-label) several or none; `meta` is free and may be
missing. What is refused here is what the default training refuses on the sites, and a key that is in an object twice, of which it
would take the last.
"""

from __future__ import annotations

import codecs
import json
import zipfile
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO

from ..worker.download import _rt_fetch_parts, _rt_fetch_shown
from .problems import SHOWN_PROBLEMS, Problems
from .unpack import open_member

MAX_LABEL = 999_999
_MAX_BYTES = 256 << 20
# Lines that differ by a number and a label become 10 times smaller, with a long meta that is always the same up to 125 times;
# blank lines a thousand times.
_MAX_RATIO = 200
# Below this a high ratio does no harm.
_HARMLESS_BYTES = 16 << 20
# JSON of empty lists takes 25 times the memory of its text.
_MAX_LINE = 1 << 20
_MAX_SAMPLES = 2_000_000
# No one reads of more; and a file that is no manifest at all is not read to its end.
_MAX_BAD_LINES = 1_000
_MAX_BLANK_LINES = 100_000
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


def scan_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, problems: Problems, image_hosts: Collection[str] | None = None
) -> Iterator[Sample]:
    """Yields the samples of a zip's manifest as `scan_manifest` does.

    Raises:
        zipfile.BadZipFile: it is damaged; or another of `ZIP_ERRORS`.
    """
    if member.file_size > _MAX_BYTES:
        problems.add(f"it has {member.file_size:,} bytes; at most {_MAX_BYTES:,} are read")
    elif member.file_size > max(_MAX_RATIO * member.compress_size, _HARMLESS_BYTES):
        packed = f"its {member.compress_size:,} bytes would unpack to {member.file_size:,}"
        problems.add(f"{packed}, more than {_MAX_RATIO} times as much, as no list of samples does")
    else:
        with open_member(archive, member) as file:
            yield from scan_manifest(file, problems, image_hosts)


def scan_manifest(file: BinaryIO, problems: Problems, image_hosts: Collection[str] | None = None) -> Iterator[Sample]:
    """Yields the samples of a manifest whose lines are right, and notes what is wrong with the others.

    Images are members of the shard; or they have an https address, if its host is one of `image_hosts`. None is for callers that
    read the images themselves, for nothing is downloaded here. Of a manifest with very many bad lines the rest is not read.
    """
    seen: dict[str, int] = {}
    bad = 0
    for number, line in _lines(file, problems):
        sample = _read_line(line, number, image_hosts)
        if isinstance(sample, str):
            problem = sample
        elif (first := seen.setdefault(sample.id, number)) != number:
            problem = f"id {_short(sample.id)} is already on line {first}"
        elif len(seen) > _MAX_SAMPLES:
            problems.end(f"line {number}: it has more than {_MAX_SAMPLES:,} samples, which is the most that are read")
            return
        else:
            yield sample
            continue
        problems.add(f"line {number}: {problem}")
        bad += 1
        if bad == _MAX_BAD_LINES:
            problems.end(f"line {number} is the {bad:,}th bad one; the rest was not looked at")
            return


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


def _lines(file: BinaryIO, problems: Problems) -> Iterator[tuple[int, bytes]]:
    """Yields the lines that are not blank, with their numbers, up to one behind which there is no sense in reading on."""
    blank = 0
    for number, line in enumerate(iter(partial(file.readline, _MAX_LINE + 1), b""), 1):
        if number == 1:
            if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                problems.end("it is written in UTF-16; save it as UTF-8")
                return
            line = line.removeprefix(codecs.BOM_UTF8)
        if len(line) > _MAX_LINE:
            problems.end(f"line {number} has more than {_MAX_LINE:,} bytes; it and the rest were not looked at")
            return
        if line.strip():
            yield number, line.removesuffix(b"\n")
            continue
        blank += 1
        # Every second line may be blank.
        if blank > number // 2 + _MAX_BLANK_LINES:
            problems.end(f"line {number}: {blank:,} lines up to here are blank; the rest was not looked at")
            return


def _read_line(line: bytes, number: int, image_hosts: Collection[str] | None) -> Sample | str:
    """Returns the sample of a line, or what is wrong with it."""
    if b"\r" in line.removesuffix(b"\r"):
        return "it has a carriage return in it; end lines with \\n or \\r\\n"
    try:
        record = json.loads(line.decode(), object_pairs_hook=_object)
    except UnicodeDecodeError:
        return "it is not UTF-8"
    except _TwiceError as error:
        return f"{_short(error.key)} is there twice in one object"
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


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _TwiceError(next(key for key, count in counts.items() if count > 1))
    return found


class _TwiceError(Exception):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


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
