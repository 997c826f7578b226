"""What a check of shards found, for programs and for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from ..card import html_root
from ..names import printable
from ..table import html_table, text_table
from ..units import size
from .balance import Names, balance_png, titled
from .manifest import Summary
from .problems import Problems

HINT = "Correct these and make the shards again."
_TITLES = ("site", "shard", "samples", "size", "by label")
_NUMBERS = ("samples", "size")
_SHOWN_LABELS = 10
_SHOWN_SITES = 20
_PICTURE = "width='720' style='max-width:100%' alt='samples of each label at each site'"
_WARNED = "#f57c00"
_FAILED = "#d32f2f"


@dataclass(frozen=True)
class ShardSummary:
    """One shard.

    Attributes:
        path: The zip.
        bytes: Its size.
        sha256: Its digest, in hex.
        has_manifest: Whether a manifest lies at its root.
        manifest: What the manifest's samples come to; all zero when there is none, or none that could be read.
        problems: What is wrong with the shard.
        images_read: How many of its images were decoded.
        files: Names of the samples' files by their checksum and size.
        class_names: What `meta` calls the class of each label, by label; more than one name only if samples differ in it.
    """

    path: Path
    bytes: int
    sha256: str
    has_manifest: bool
    manifest: Summary
    problems: Problems
    images_read: int = 0
    files: Mapping[tuple[int, int], str] = field(default_factory=dict, repr=False)
    class_names: Mapping[int, Collection[str]] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The zip's file name."""
        return self.path.name

    @property
    def samples(self) -> int:
        """Number of samples in the manifest."""
        return self.manifest.samples

    @property
    def label_counts(self) -> dict[int, int]:
        """Samples of each label."""
        return self.manifest.label_counts


@dataclass(frozen=True, repr=False)
class ShardsReport:
    """All shards of a run, in the order of the sites. A notebook shows it as a table with a picture of the classes at each site.

    Attributes:
        shards: The shards; the first is that of site-1.
        problems: What is wrong with them. None of it may be left for a run.
        warnings: What is allowed but often not meant.
        test: The test set beside the shards, which no site gets; None if there is none.
    """

    shards: tuple[ShardSummary, ...]
    problems: Problems = field(default_factory=Problems)
    warnings: tuple[str, ...] = ()
    test: ShardSummary | None = None

    @property
    def samples(self) -> int:
        """Number of samples in all manifests."""
        return sum(shard.samples for shard in self.shards)

    @property
    def label_counts(self) -> dict[int, int]:
        """Samples of each label over all shards."""
        counts: Counter[int] = Counter()
        for shard in self.shards:
            counts.update(shard.label_counts)
        return dict(sorted(counts.items()))

    @property
    def multi_label(self) -> bool:
        """Whether some sample of some shard has more than one label."""
        return any(shard.manifest.multi_label for shard in self.shards)

    @property
    def class_names(self) -> dict[int, str]:
        """What the class of each label is called, as far as the manifests tell and do not contradict each other."""
        return consistent_names([*self.shards, *([self.test] if self.test else [])])[0]

    def raise_for_problems(self) -> None:
        """Raises one `ShardError` with every problem, if there are any."""
        self.problems.raise_if_any("The shards cannot be used", HINT)

    def __repr__(self) -> str:
        parts = [self.headline, text_table(_TITLES, self._rows(), _NUMBERS), *self._below()]
        parts += [f"  - {problem}" for problem in self.problems.shown]
        parts += self._warnings()
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        counts, files = [shard.label_counts for shard in self.shards], [printable(shard.name) for shard in self.shards]
        png = balance_png(counts, "labels" if self.multi_label else "samples", files, self.class_names)
        picture = f"<img {_PICTURE} src='data:image/png;base64,{png}'>" if png else ""
        parts = [
            f"<b>{escape(self.headline)}</b>",
            _html_list(self.problems.shown, _FAILED),
            _html_list(self._warnings(), _WARNED),
            f"<div style='overflow-x:auto'>{html_table(_TITLES, self._rows(), _NUMBERS)}</div>",
            *(f"<div>{escape(line)}</div>" for line in self._below()),
            picture,
        ]
        return html_root("".join(parts))

    def _warnings(self) -> list[str]:
        return [f"warning: {printable(warning)}" for warning in self.warnings]

    @property
    def headline(self) -> str:
        """What was found, in a line."""
        labels = len(self.label_counts)
        counts = [counted(len(self.shards), "shard"), counted(self.samples, "sample")]
        counts += [counted(labels, "label")] if labels else []
        read = sum(shard.images_read for shard in self.shards)
        counts += [f"{counted(read, 'image')} read"] if read else []
        found = [counted(self.problems.count, "problem") if self.problems.count else "no problems"]
        found += [counted(len(self.warnings), "warning")] if self.warnings else []
        return f"{', '.join(counts)}: {', '.join(found)}"

    def _rows(self) -> list[tuple[str, ...]]:
        names = self.class_names
        return [
            (
                f"site-{number}",
                printable(shard.name),
                f"{shard.samples:,}" if shard.has_manifest else "",
                size(shard.bytes),
                _by_label(shard.label_counts, names),
            )
            for number, shard in enumerate(self.shards[:_SHOWN_SITES], 1)
        ]

    def _below(self) -> list[str]:
        """What stands below the table: the sites beyond it, and the test set."""
        lines = []
        if len(self.shards) > _SHOWN_SITES:
            lines.append(f"and {len(self.shards) - _SHOWN_SITES:,} more sites; all are in `.shards` of this report")
        if self.test:
            counts = f", {labels}" if (labels := _by_label(self.test.label_counts, self.class_names)) else ""
            what = f"{counted(self.test.samples, 'sample')}{counts}" if self.test.has_manifest else size(self.test.bytes)
            lines.append(f"test set, kept from the sites: {what} ({printable(str(self.test.path))})")
        return lines


def consistent_names(shards: Sequence[ShardSummary]) -> tuple[dict[int, str], list[str]]:
    """Returns what classes are called, none if shards contradict each other, and such contradictions as warnings."""
    known: dict[int, tuple[str, ShardSummary]] = {}
    for shard in shards:
        for label, names in shard.class_names.items():
            for name in sorted(names):
                first, holder = known.setdefault(label, (name, shard))
                if first != name:
                    where = f"label {label} is the class {first!r} in {holder.name}, but {name!r} in {shard.name}"
                    return {}, [f"{where}; shards of one run must be made together, or with the same labels"]
    return {label: name for label, (name, _) in known.items() if name != str(label)}, []


def _by_label(counts: Mapping[int, int], names: Names) -> str:
    first = list(counts.items())[:_SHOWN_LABELS]
    more = [f"and {len(counts) - len(first):,} more"] if len(counts) > len(first) else []
    return " · ".join([*(f"{titled(label, names)}: {count:,}" for label, count in first), *more])


def counted(number: int, word: str) -> str:
    """Returns such as "1 shard" or "2,000 samples"."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _html_list(lines: Sequence[str], color: str) -> str:
    items = "".join(f"<li style='overflow-wrap:anywhere'>{escape(line)}</li>" for line in lines)
    return f"<ul style='margin:6px 0;padding-left:26px;border-left:6px solid {color}'>{items}</ul>" if items else ""
