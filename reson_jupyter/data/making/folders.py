"""Samples that lie in folders: class folders, and manifests with what they name."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from ...errors import ShardError
from ..classes import SUFFIXES, all_numbers, labels_of, visible_files
from ..manifest import MAX_LABEL, member_of, scan_manifest, scan_member
from ..problems import Problems
from ..report import counted
from ..unpack import ZIP_ERRORS, open_zip
from ..zip_problems import find_problems, is_of_macos
from .items import CANNOT_BE_USED, InFile, InZip, Item, Items, id_of
from .pack import MANIFEST

_OTHER_IMAGES = (
    *(".avif", ".bmp", ".dcm", ".dicom", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".nii", ".pbm", ".pgm", ".ppm"),
    *(".svs", ".tga", ".tif", ".tiff", ".webp"),
)
_SPLITS = frozenset(("train", "training", "val", "valid", "validation", "test", "testing", "eval"))


def items_of_class_folders(folder: Path) -> Items:
    """Returns the images of a folder with one folder for each class.

    Files that are no images are left out; images of kinds that sites do not read are not left out but refused.

    Raises:
        ShardError: it is no such folder.
    """
    problems = Problems()
    names, left_out = _images_in(folder, problems)
    if not names:
        problems.raise_if_any(*CANNOT_BE_USED)
    labels = labels_of(name.partition("/")[0] for name in names)
    _refuse_splits(folder, labels)
    if max(labels.values()) > MAX_LABEL:
        raise ShardError(f"The class folder {max(labels, key=labels.__getitem__)!r} is a label above {MAX_LABEL}.", "Rename it.")
    named = not all_numbers(labels)
    shared = {name: ((label,), {"class": id_of(name)} if named else {}) for name, label in labels.items()}
    root = str(folder)
    items = [Item(id_of(name), *shared[name.partition("/")[0]], InFile(root, name)) for name in names]
    notes = [f"left out: {counted(len(left_out), 'file')} of other kinds, such as {left_out[0]}"] if left_out else []
    return Items(items, list(map(id_of, labels)) if named else [], notes, problems)


def _images_in(folder: Path, problems: Problems) -> tuple[list[str], list[str]]:
    """Returns the images in class folders, and the files that are no images; notes images that cannot be samples."""
    images: list[str] = []
    left_out: list[str] = []
    for name in visible_files(str(folder)):
        suffix = os.path.splitext(name)[1].lower()
        if suffix in SUFFIXES:
            images.append(name)
        elif suffix in _OTHER_IMAGES:
            problems.add(f"{folder / name} is neither JPEG nor PNG; convert it to PNG")
        else:
            left_out.append(name)
    loose = [name for name in images if "/" not in name]
    if len(loose) == len(images) and not problems.count:
        what = f"The images in {folder} lie in no class folders" if images else f"There is no JPEG or PNG in {folder}"
        raise ShardError(f"{what}.", "Pass a folder with one folder of images for each class, or a list of (path, labels).")
    for name in loose:
        problems.add(f"{folder / name} lies in no class folder; put it into that of its class")
    return [name for name in images if "/" in name], left_out


def _refuse_splits(folder: Path, classes: dict[str, int]) -> None:
    if len(classes) > 1 and all(name.lower() in _SPLITS for name in classes):
        first = next(iter(classes))
        raise ShardError(
            f"The folders in {folder} are called {' and '.join(classes)}, which are no classes.",
            f"Pass one of them, such as {folder / first}; test=0.2 keeps a part of it back as test data.",
        )


def items_of_manifests(places: Sequence[Path], stack: ExitStack) -> Items:
    """Returns the samples of shards, or of a folder with a manifest. Zips stay open until the stack is left.

    Raises:
        ShardError: there is something wrong with them.
    """
    problems = Problems()
    found = [(place, items) for place in places if (items := _items_of_manifest(place, stack, problems)) is not None]
    problems.raise_if_any("The samples cannot be taken over", "Correct these first; rename files that no uri may name.")
    items = [item for _, items in found for item in items]
    if not items:
        raise ShardError(f"There is no sample in {', '.join(map(str, places))}.", "Pass shards, or a folder of class folders.")
    if max(Counter(item.id for item in items).values()) > 1:
        # Each shard may count its samples from 1.
        for place, those in found:
            for item in those:
                item.id = f"{id_of(place.stem)}/{item.id}"
    return Items(items)


def _items_of_manifest(place: Path, stack: ExitStack, problems: Problems) -> list[Item] | None:
    found = Problems()
    items = None
    try:
        if place.is_dir():
            with (place / MANIFEST).open("rb") as file:
                items = [
                    Item(sample.id, tuple(sample.labels), sample.meta, InFile(str(place), member_of(sample.uri)))
                    for sample in scan_manifest(file, found)
                ]
        else:
            items = _items_of_zip(stack.enter_context(open_zip(place)), found)
    except ShardError as error:
        found.add(error.message)
    except (*ZIP_ERRORS, OSError) as error:
        found.add(f"{MANIFEST} cannot be read: {error}")
    problems.merge(found, place.name)
    return items


def _items_of_zip(archive: zipfile.ZipFile, problems: Problems) -> list[Item]:
    find_problems(archive, problems)
    if problems.count:
        return []
    names = {member.orig_filename for member in archive.infolist() if not is_of_macos(member.orig_filename)}
    if MANIFEST not in names:
        problems.add(f"it has no {MANIFEST} at its root")
        return []
    items = []
    for sample in scan_member(archive, archive.getinfo(MANIFEST), problems):
        name = member_of(sample.uri)
        if name in names:
            items.append(Item(sample.id, tuple(sample.labels), sample.meta, InZip(archive, name)))
        else:
            problems.add(f"line {sample.line}: {name[:200]!r} is not in the zip")
    return items
