"""Shards: one zip for each site. Found, checked, unpacked."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

from tqdm import tqdm

from ..errors import ConfigError, ShardError
from ..names import printable
from ..paths import expanded
from .balance import balance_warnings
from .bars import bar
from .contents import Contents, image_folders, images_in_folders, read_contents, wants_manifest
from .digests import sha256_of
from .folder import TEST, find_shards, stray_warnings
from .images import Images, Progress, check_images
from .problems import Problems
from .report import ShardsReport, ShardSummary, consistent_names, counted
from .twins import find_twins
from .unpack import ZIP_ERRORS, open_zip, unpack_shard
from .zip_problems import find_problems

__all__ = ["check_shards", "find_shards", "infer_num_classes", "read_shard", "unpack_shard"]

_SHOWN_OF_TEST = 3


def check_shards(
    folder: str | Path,
    manifest_file: str = "manifest.ndjson",
    manifest_required: bool | None = None,
    *,
    images: Images = "sample",
    sites: int | None = None,
    num_classes: int = 0,
    image_hosts: Collection[str] = (),
) -> ShardsReport:
    """Reads all shards in `folder`, and the test set beside them, and gathers what is wrong; raises nothing for a bad shard.

    Args:
        folder: Where the zips lie.
        manifest_file: The manifest's name at the root of each shard.
        manifest_required: Whether every shard needs a manifest with samples, as the default training does. A user's own train
            function may read anything. None for as the shards look: if nothing in any of them is like a manifest, none is
            needed, which is a warning.
        images: Which files are read to their end, and the images among them decoded as the sites do: "sample" is some 16 of each
            shard's samples, "all" every file, "none" none of them.
        sites: How many sites there are; None for as many as shards.
        num_classes: How many classes there are; 0 for any number.
        image_hosts: The hosts that sites may fetch https images from.

    Returns:
        The report; `raise_for_problems()` of it raises if there is something that must not be left.

    Raises:
        ShardError: there is no shard.
        ConfigError: `images` is something else.
    """
    if images not in get_args(Images):
        raise ConfigError(f"images is {images!r}", f"It must be one of {', '.join(map(repr, get_args(Images)))}.")
    folder = expanded(folder, ShardError)
    paths = find_shards(folder)
    required = manifest_required
    if required is None:
        required = any(wants_manifest(path, manifest_file) for path in paths)
    tests = [folder / TEST] if (folder / TEST).is_file() else []
    with _bar([*paths, *tests], images) as reading:
        read = partial(
            read_shard,
            manifest_file=manifest_file,
            manifest_required=required,
            images=images,
            image_hosts=image_hosts,
            progress=reading.update,
        )
        shards = tuple(map(read, paths))
        test = next(map(read, tests), None)
    warnings = [*stray_warnings(folder, manifest_file), *_warnings(shards, test, num_classes)]
    if manifest_required is None and not required:
        warnings = [*_without_manifest(shards, manifest_file), *warnings]
    report = ShardsReport(shards, warnings=tuple(map(printable, warnings)), test=test)
    if sites is not None and sites != len(shards):
        are = "are" if len(shards) > 1 else "is"
        found = f"there {are} {counted(len(shards), 'shard')} for {counted(sites, 'site')}"
        report.problems.add(f"{found}; every site needs one of its own")
    for shard in shards:
        _check_labels(shard, manifest_file, num_classes, may_be_empty=report.multi_label or not required)
        report.problems.add_part(shard.problems, shard.name)
    return report


def _bar(paths: Collection[Path], images: Images) -> tqdm[Any]:
    """The progress of all shards together, in bytes."""
    total = sum(path.stat().st_size for path in paths if path.exists())
    reading = bar(None, "reading", unit="B", total=total, shown=images == "all")
    reading.unit_scale = True
    return reading


def _warnings(shards: tuple[ShardSummary, ...], test: ShardSummary | None, num_classes: int) -> list[str]:
    names, differing = consistent_names([*shards, *([test] if test else [])])
    warnings = [*differing, *balance_warnings([shard.label_counts for shard in shards], num_classes, names)]
    for number, shard in enumerate(shards, 1):
        if shard.samples and not shard.label_counts and any(other.label_counts for other in shards):
            warnings.append(f"site-{number} has no labels: all its samples have an empty y")
    if test and test.problems.count:
        warnings.append(f"the test set cannot be used: {'; '.join(test.problems.shown[:_SHOWN_OF_TEST])}")
    return [*warnings, *find_twins(shards, test)]


def _without_manifest(shards: Collection[ShardSummary], manifest_file: str) -> Iterator[str]:
    sound = [shard for shard in shards if not shard.problems.count]
    if sound:
        yield f"no shard has {manifest_file}: the default training needs one, a train function of one's own does not"
    for shard in sound:
        with open_zip(shard.path) as archive:
            folders = image_folders(archive.namelist())
        if folders:
            yield f"{shard.name}: {images_in_folders(folders)}"
            return


def _check_labels(shard: ShardSummary, manifest_file: str, num_classes: int, *, may_be_empty: bool) -> None:
    if not may_be_empty:
        for line in shard.manifest.unlabelled:
            why = "an empty list is for multi-label data only, and here no sample has several labels"
            shard.problems.add(f"{manifest_file}: line {line}: y is empty; {why}")
    greatest = shard.manifest.max_label
    if num_classes and greatest is not None and greatest >= num_classes:
        found = f"label {greatest} (sample {shard.manifest.max_label_id!r})"
        shard.problems.add(f"{found} needs num_classes to be {greatest + 1} or more; it is {num_classes}")


def read_shard(
    path: Path,
    manifest_file: str = "manifest.ndjson",
    manifest_required: bool = True,
    *,
    images: Images = "none",
    image_hosts: Collection[str] = (),
    progress: Progress = lambda _: None,
) -> ShardSummary:
    """Reads one shard's directory and manifest, its digest, and images as `check_shards` does.

    Raises:
        ShardError: the file cannot be read at all.
    """
    problems, contents, images_read = Problems(), Contents({}, has_manifest=False), 0
    try:
        digest, size = sha256_of(path), path.stat().st_size
    except OSError as error:
        where = printable(str(path))
        raise ShardError(f"{where} cannot be read: {error.strerror}.", "Check the path and its permissions.") from None
    try:
        with open_zip(path) as archive:
            find_problems(archive, problems)
            if not problems.count:
                contents = read_contents(archive, manifest_file, manifest_required, problems, image_hosts)
                images_read = check_images(archive, contents, manifest_file, manifest_required, images, problems, progress)
    except ShardError as error:
        problems.add(error.message)
    except (*ZIP_ERRORS, OSError) as error:
        problems.add(f"{manifest_file} cannot be read: {error}")
    files = {(contents.files[name].CRC, contents.files[name].file_size): name for name in contents.samples}
    return ShardSummary(
        path, size, digest, contents.has_manifest, contents.summary, problems, images_read, files, contents.class_names
    )


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
            f"num_classes is {configured}, but {printable(shard.name)} has label {greatest} "
            f"(sample {shard.manifest.max_label_id!r}).",
            f"Set num_classes to {needed} or more, or to 0 to take it from the shards.",
        )
    return configured or needed
