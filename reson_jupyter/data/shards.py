"""Shards: one zip for each site. Found, checked, unpacked."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import get_args

from ..errors import ConfigError, ShardError
from .balance import balance_warnings
from .contents import Contents, read_contents
from .digests import sha256_of
from .images import Images, check_images
from .problems import Problems
from .report import ShardsReport, ShardSummary, counted
from .twins import find_twins
from .unpack import ZIP_ERRORS, open_zip, unpack_shard
from .zip_problems import find_problems

__all__ = ["check_shards", "find_shards", "infer_num_classes", "read_shard", "unpack_shard"]


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


def check_shards(
    folder: str | Path,
    manifest_file: str = "manifest.ndjson",
    manifest_required: bool = True,
    *,
    images: Images = "sample",
    sites: int | None = None,
    num_classes: int = 0,
    image_hosts: Collection[str] = (),
) -> ShardsReport:
    """Reads all shards in `folder` and gathers what is wrong with them; raises nothing for a bad shard.

    Args:
        folder: Where the zips lie.
        manifest_file: The manifest's name at the root of each shard.
        manifest_required: Whether every shard needs a manifest with samples. A user's own train function may read anything.
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
    paths = find_shards(Path(folder).expanduser())
    shards = tuple(read_shard(path, manifest_file, manifest_required, images=images, image_hosts=image_hosts) for path in paths)
    warnings = [*balance_warnings([shard.label_counts for shard in shards], num_classes), *find_twins(shards)]
    report = ShardsReport(shards, warnings=tuple(warnings))
    if sites is not None and sites != len(shards):
        are = "are" if len(shards) > 1 else "is"
        found = f"there {are} {counted(len(shards), 'shard')} for {counted(sites, 'site')}"
        report.problems.add(f"{found}; every site needs one of its own")
    for shard in shards:
        report.problems.merge(shard.problems, shard.name)
        # Only in multi-label data is "none of them" an answer.
        if manifest_required and not report.multi_label:
            for line in shard.manifest.unlabelled:
                report.problems.add(f"{shard.name}: {manifest_file}: line {line}: y is empty, and no sample has several labels")
        greatest = shard.manifest.max_label
        if num_classes and greatest is not None and greatest >= num_classes:
            found = f"{shard.name}: label {greatest} (sample {shard.manifest.max_label_id!r})"
            report.problems.add(f"{found} needs num_classes to be {greatest + 1} or more; it is {num_classes}")
    return report


def read_shard(
    path: Path,
    manifest_file: str = "manifest.ndjson",
    manifest_required: bool = True,
    *,
    images: Images = "none",
    image_hosts: Collection[str] = (),
) -> ShardSummary:
    """Reads one shard's directory and manifest, its digest, and images as `check_shards` does.

    Raises:
        ShardError: the file cannot be read at all.
    """
    problems, contents, images_read = Problems(), Contents({}, has_manifest=False), 0
    try:
        digest, size = sha256_of(path), path.stat().st_size
    except OSError as error:
        raise ShardError(f"{path} cannot be read: {error.strerror}.", "Check the path and its permissions.") from None
    try:
        with open_zip(path) as archive:
            find_problems(archive, problems)
            if not problems.count:
                contents = read_contents(archive, manifest_file, manifest_required, problems, image_hosts)
                images_read = check_images(archive, contents, manifest_file, manifest_required, images, problems)
    except ShardError as error:
        problems.add(error.message)
    except (*ZIP_ERRORS, OSError) as error:
        problems.add(f"{manifest_file} cannot be read: {error}")
    files = {(contents.files[name].CRC, contents.files[name].file_size): name for name in contents.samples}
    return ShardSummary(path, size, digest, contents.has_manifest, contents.summary, problems, images_read, files)


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
