"""Making shards, from what the user gives to the report of what was written."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import ConfigError, ShardError
from ...paths import expanded
from ..bars import bar
from ..folder import REPLACED, TEST
from ..shards import check_shards
from .destination import check_room, check_writable, existing_part, new_spool, old_shards, replaced_note
from .files import members_of_sites
from .images import check_images
from .items import CANNOT_BE_USED, Items
from .pack import shard_names, write_files, write_shard
from .plan import Parts, Plan, deal
from .replacing import locked, replacing
from .sources import items_of, shards_of

if TYPE_CHECKING:
    from ..report import ShardsReport

_SHOWN_NAMES = 20
# Bytes that a sample takes beside its image: its line in the manifest, its entries in the zip.
_OVERHEAD = 400


def make_shards(
    source: Any,
    out_dir: str | Path,
    sites: int | None = None,
    *,
    partition: str = "iid",
    alpha: float | None = None,
    sizes: Sequence[float] | None = None,
    column: str | None = None,
    test: float = 0.0,
    seed: int = 0,
    path_column: str = "path",
    label_column: str = "label",
    progress: bool = True,
) -> ShardsReport:
    """Makes one shard for each site: zips that differ in no byte when they are made again of the same.

    Images that are files are packed as they are; those in memory become PNGs. Nothing is written before all of the source has
    been looked at, and no more than one image is held in memory.

    Args:
        source: One of these.
            A folder with one folder of JPEGs and PNGs for each class. Class folders called 0, 1, ... have these labels; others
            have their place in the order of their names, which `meta` keeps.
            A list of (image, labels), or a torch Dataset: an image is a path, a PIL image, or a tensor or array, uint8 or floats
            from 0 to 1, (H, W), (channels, H, W) or (H, W, channels); labels are one class index or name or a list of them.
            A DataFrame with a column of paths and one of labels; all other columns go to `meta`.
            A shard, a folder of shards or a folder with manifest.ndjson: their samples are dealt out anew.
            {site: folder, file, list of files, or {name: tensor, array, DataFrame, bytes or Path}}: data of any kind, for a train
            function of one's own. Each site gets what is its own, so that nothing below but `progress` applies.
        out_dir: The folder to write to: shard_0.zip and so on, and test/test.zip. Shards that an earlier call left there are
            replaced, all of them, and a test set by a new one; what else is a zip there, copies too, is refused and left alone.
        sites: Number of sites; 3, if neither `sizes` nor `column` says it.
        partition: "iid": sites alike in size and classes. "size": alike in classes, with their sizes by `sizes`. "label": the
            classes are spread unevenly, each by shares from a Dirichlet distribution. "column": one site for each value of
            `column`, in the order of the values.
        alpha: How even "label" is; 0.5 if not given. 0.1 is very uneven, 100 nearly even.
        sizes: The share of each site for "size", such as [0.5, 0.3, 0.2].
        column: The key in `meta` (a column of a DataFrame) for "column".
        test: Share of the samples that no site gets, with the same mixture of classes: test/test.zip, for `run.evaluate`.
        seed: Other seeds give other partitions.
        path_column: A DataFrame's column of paths.
        label_column: A DataFrame's column of labels.
        progress: Whether to show progress and notes.

    Returns:
        What was written, as `check_shards` sees it.

    Raises:
        ConfigError: an argument cannot be used.
        ShardError: the source cannot be used, or the folder.
    """
    folder = expanded(out_dir, ShardError)
    if isinstance(source, Mapping):
        _refuse_options(
            sites=sites,
            partition=None if partition == "iid" else partition,
            alpha=alpha,
            sizes=sizes,
            column=column,
            test=test or None,
        )
        return _pack_files(source, folder, progress)
    plan = Plan(sites, partition, alpha, sizes, column, test, seed)
    _look_ahead(folder, shards_of(source), plan.test > 0)
    with ExitStack() as stack:
        spool = stack.enter_context(new_spool(folder))
        found = items_of(source, path_column, label_column, stack, spool, progress)
        _check(found, progress)
        parts = deal(found.items, plan)
        check_room(existing_part(folder), sum(item.content.size + _OVERHEAD for item in found.items))
        report, replaced = _write_samples(parts, folder, shards_of(source), progress)
    if progress:
        for note in (*replaced, *found.notes, *_names(found.classes, "class"), *_names(parts.names, "site")):
            print(note)
    return report


def _look_ahead(folder: Path, sources: Collection[Path], with_test: bool) -> None:
    """Says of the folder what is better said now than when all has been read."""
    if not os.path.lexists(folder / REPLACED):  # else the old shards, which are not there now, come back first
        old_shards(folder, sources, with_test)
    check_writable(folder)


def _check(found: Items, progress: bool) -> None:
    with bar(found.items, "checking", shown=progress) as items:
        check_images(items, found.problems)
    found.problems.raise_if_any(*CANNOT_BE_USED)


def _write_samples(parts: Parts, folder: Path, sources: Collection[Path], progress: bool) -> tuple[ShardsReport, list[str]]:
    count = sum(map(len, parts.sites)) + len(parts.test)
    names = list(shard_names(len(parts.sites), parts.names))
    with locked(folder):
        places = replacing(folder, sources, with_test=bool(parts.test))
        with places as (unfinished, old), bar(None, "writing", total=count, shown=progress) as written:
            for name, items in zip(names, parts.sites, strict=True):
                write_shard(unfinished / name, items, written.update)
            if parts.test:
                (unfinished / TEST).parent.mkdir()
                write_shard(unfinished / TEST, parts.test, written.update)
        return _report(folder, names, manifest_required=True), replaced_note(old)


def _pack_files(source: Mapping[Any, Any], folder: Path, progress: bool) -> ShardsReport:
    sites = members_of_sites(source)
    _look_ahead(folder, (), with_test=False)
    check_room(existing_part(folder), sum(content.size or 0 for members in sites.values() for content in members.values()))
    count = sum(map(len, sites.values()))
    names = list(shard_names(len(sites), list(sites)))
    writing = bar(None, "writing", unit="file", total=count, shown=progress)
    with locked(folder):
        with replacing(folder, (), with_test=False) as (unfinished, old), writing as written:
            for name, members in zip(names, sites.values(), strict=True):
                write_files(unfinished / name, members.items(), written.update)
        report = _report(folder, names, manifest_required=False)
    if progress:
        for note in replaced_note(old):
            print(note)
    return report


def _report(folder: Path, names: Sequence[str], manifest_required: bool) -> ShardsReport:
    report = check_shards(folder, manifest_required=manifest_required, images="none")
    if len(report.shards) != len(names) or not all((folder / name).is_file() for name in names):
        raise ShardError(f"The shards were made, but something else changed {folder} meanwhile.", "See what is in it.")
    return report


def _refuse_options(**options: object) -> None:
    for name, value in options.items():
        if value is not None:
            raise ConfigError(f"{name} is of no effect where each site's files are given", f"Leave {name} out.")


def _names(names: Sequence[str], what: str) -> list[str]:
    shown = ", ".join(f"{number} {name}" for number, name in enumerate(names[:_SHOWN_NAMES]))
    return [f"{what}: {shown}{', ...' if len(names) > _SHOWN_NAMES else ''}"] if names else []
