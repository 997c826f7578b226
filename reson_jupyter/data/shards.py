"""Shards: one zip for each site. Found, checked, unpacked."""

from __future__ import annotations

import hashlib
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ConfigError, ShardError
from .manifest import Sample, Summary, member_of, scan_manifest, summarise
from .problems import Problems
from .unpack import ZIP_ERRORS, find_problems, open_zip, unpack_shard

__all__ = ["ShardSummary", "ShardsReport", "check_shards", "find_shards", "infer_num_classes", "read_shard", "unpack_shard"]

MAX_MANIFEST_BYTES = 256 << 20
_HINT = "Correct these and make the shards again."


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
    """

    path: Path
    bytes: int
    sha256: str
    has_manifest: bool
    manifest: Summary
    problems: Problems

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


@dataclass(frozen=True)
class ShardsReport:
    """All shards of a run, in the order of the sites, and what is wrong with them."""

    shards: tuple[ShardSummary, ...]
    problems: Problems = field(default_factory=Problems)

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

    def raise_for_problems(self) -> None:
        """Raises one `ShardError` with every problem, if there are any."""
        self.problems.raise_if_any("The shards cannot be used", _HINT)


def find_shards(folder: Path) -> list[Path]:
    """Returns the shards in `folder`: *.zip in any capitals, not hidden ones, in the order of their names.

    The order is that of the platform, character by character: shard_10.zip comes before shard_2.zip.

    Raises:
        ShardError: there is no such folder, or no shard in it.
    """
    expected = "Put one zip per site there, such as shard_0.zip and shard_1.zip, each with manifest.ndjson at its root."
    if not folder.is_dir():
        raise ShardError(f"The shards folder {folder} does not exist or is no folder.", expected)
    try:
        found = [path for path in folder.iterdir() if path.name.lower().endswith(".zip") and not path.name.startswith(".")]
        shards = sorted((path for path in found if path.is_file()), key=lambda path: path.name)
    except OSError as error:
        raise ShardError(f"The shards folder {folder} cannot be read: {error.strerror}.", "Check its permissions.") from None
    if not shards:
        raise ShardError(f"There is no shard in {folder}.", expected)
    return shards


def check_shards(folder: Path, manifest_file: str = "manifest.ndjson", manifest_required: bool = True) -> ShardsReport:
    """Reads all shards in `folder` and gathers what is wrong with them; raises nothing for a bad shard.

    Args:
        folder: Where the zips lie.
        manifest_file: The manifest's name at the root of each shard.
        manifest_required: Whether every shard needs a manifest with samples. A user's own train function may read anything.

    Raises:
        ShardError: there is no shard.
    """
    report = ShardsReport(tuple(read_shard(path, manifest_file, manifest_required) for path in find_shards(folder)))
    for shard in report.shards:
        report.problems.merge(shard.problems, shard.name)
        # Only in multi-label data is "none of them" an answer.
        if manifest_required and not report.multi_label:
            for line in shard.manifest.unlabelled:
                report.problems.add(f"{shard.name}: {manifest_file}, line {line}: y is empty, and no sample has several labels")
    return report


def read_shard(path: Path, manifest_file: str = "manifest.ndjson", manifest_required: bool = True) -> ShardSummary:
    """Reads one shard's directory and manifest, and its digest; not the samples themselves.

    Raises:
        ShardError: the file cannot be read at all.
    """
    problems = Problems()
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
    except OSError as error:
        raise ShardError(f"{path} cannot be read: {error.strerror}.", "Check the path and its permissions.") from None
    summary, has_manifest = Summary(), False
    try:
        with open_zip(path) as archive:
            find_problems(archive, problems)
            if not problems.count:
                names = {member.orig_filename for member in archive.infolist()}
                has_manifest = manifest_file in names
                summary = _manifest_of(archive, names, manifest_file, manifest_required, problems)
    except ShardError as error:
        problems.add(error.message)
    except (*ZIP_ERRORS, OSError) as error:
        problems.add(f"{manifest_file} cannot be read: {error}")
    return ShardSummary(path, size, digest, has_manifest, summary, problems)


def _manifest_of(archive: zipfile.ZipFile, names: set[str], file: str, required: bool, problems: Problems) -> Summary:
    if file not in names:
        if required:
            problems.add(_missing_manifest(names, file, Path(archive.filename or "").name))
        return Summary()
    found = Problems()
    summary = _read_manifest(archive, file, names, found)
    if not required:
        # The file is the user's own affair, perhaps of a form that only the user's train function knows.
        return Summary() if found.count else summary
    if not summary.samples and not found.count:
        found.add("it has no samples")
    problems.merge(found, file)
    return summary


def infer_num_classes(report: ShardsReport, configured: int) -> int:
    """Returns the number of classes: `configured`, or where that is 0 the greatest label of all shards + 1.

    Shards without labels give 0.

    Raises:
        ConfigError: `configured` is too small for a label.
    """
    greatest = max(report.label_counts, default=-1)
    needed = greatest + 1
    if configured and configured < needed:
        shard = next(shard for shard in report.shards if greatest in shard.label_counts)
        raise ConfigError(
            f"num_classes is {configured}, but {shard.name} has label {greatest} (sample {shard.manifest.max_label_id!r}).",
            f"Set num_classes to {needed} or more, or to 0 to take it from the shards.",
        )
    return configured or needed


def _read_manifest(archive: zipfile.ZipFile, file: str, names: set[str], problems: Problems) -> Summary:
    member = archive.getinfo(file)
    if member.file_size > MAX_MANIFEST_BYTES:
        problems.add(f"it has {member.file_size:,} bytes; at most {MAX_MANIFEST_BYTES:,} are read")
        return Summary()

    def noting_missing_members(samples: Iterable[Sample]) -> Iterator[Sample]:
        for sample in samples:
            wanted = member_of(sample.uri)
            if wanted not in names:
                problems.add(f"line {sample.line}: {wanted[:200]!r} is not in the zip")
            yield sample

    return summarise(noting_missing_members(scan_manifest(archive.read(member), problems)))


def _missing_manifest(names: set[str], manifest_file: str, zip_name: str) -> str:
    inner = sorted((name for name in names if name.endswith(f"/{manifest_file}")), key=lambda name: (name.count("/"), name))
    inner = [name for name in inner if not name.startswith("__MACOSX/")]
    if not inner:
        return f"it has no {manifest_file} at its root"
    folder = inner[0].removesuffix(f"/{manifest_file}")
    return (
        f"{manifest_file} is not at the root but in the folder {folder!r}; zip the folder's content, not the folder: "
        f"unpack it elsewhere and run, inside {folder}: zip -r0 ../{zip_name} ."
    )
