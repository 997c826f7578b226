"""What a shard's zip holds: its files, its manifest, and whether the two fit."""

from __future__ import annotations

import shlex
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ShardError
from .classes import SUFFIXES
from .folder import shortened
from .manifest import Sample, Summary, is_remote, member_of, scan_member, summarise
from .problems import Problems
from .unpack import ZIP_ERRORS, open_zip
from .zip_problems import is_of_macos

_OTHER_MANIFESTS = ("manifest.ndjson", "manifest.jsonl", "manifest.json")
_NAMES = 2  # are enough to tell that samples differ in it


@dataclass
class Contents:
    """What was found in a zip.

    Attributes:
        files: Its members but folders, by name, without what macOS adds.
        has_manifest: Whether a manifest lies at its root.
        summary: What the manifest's samples come to; all zero when there is none, or none that could be read.
        samples: The name of each sample's file and the sample's line in the manifest, but for those that the sites fetch.
        class_names: What `meta` calls the class of each label, by label; more than one name only if samples differ in it.
    """

    files: Mapping[str, zipfile.ZipInfo]
    has_manifest: bool
    summary: Summary = field(default_factory=Summary)
    samples: dict[str, int] = field(default_factory=dict)
    class_names: dict[int, set[str]] = field(default_factory=dict)


def read_contents(
    archive: zipfile.ZipFile, manifest_file: str, required: bool, problems: Problems, image_hosts: Collection[str] = ()
) -> Contents:
    """Reads the directory and the manifest of a zip that is safe to read, and notes what is wrong with them."""
    files = {member.orig_filename: member for member in archive.infolist() if not member.is_dir()}
    files = {name: member for name, member in files.items() if not is_of_macos(name)}
    contents = Contents(files, manifest_file in files)
    if contents.has_manifest:
        _read_manifest(archive, contents, manifest_file, required, problems, image_hosts)
    elif required:
        problems.add(_missing_manifest(files, manifest_file, Path(archive.filename or "").name))
    elif not files:
        problems.add("there is no file in it")
    return contents


def _read_manifest(
    archive: zipfile.ZipFile,
    contents: Contents,
    manifest_file: str,
    required: bool,
    problems: Problems,
    image_hosts: Collection[str],
) -> None:
    member = contents.files[manifest_file]
    found = Problems()
    summary = summarise(_noting_files(scan_member(archive, member, found, image_hosts), contents, found))
    if not summary.samples and not found.count:
        found.add("it has no samples")
    # A manifest that no one needs is the user's own affair, perhaps of a form that only the user's train function knows.
    if required or not found.count:
        contents.summary = summary
    if required:
        problems.merge(found, manifest_file)
    elif found.count:
        contents.samples.clear()
        contents.class_names.clear()


def _noting_files(samples: Iterable[Sample], contents: Contents, problems: Problems) -> Iterator[Sample]:
    for sample in samples:
        _note_classes(sample, contents.class_names)
        if not is_remote(sample.uri):
            name = member_of(sample.uri)
            if name in contents.files:
                contents.samples.setdefault(name, sample.line)
            elif is_of_macos(name):
                problems.add(f"line {sample.line}: {name[:200]!r} is a file that macOS adds, no sample; leave the line out")
            else:
                problems.add(f"line {sample.line}: {name[:200]!r} is not in the zip")
        yield sample


def _note_classes(sample: Sample, names: dict[int, set[str]]) -> None:
    called = sample.meta.get("class")
    # A list has one name for each label.
    called = called if isinstance(called, list) else [called]
    if len(called) == len(sample.labels):
        for label, name in zip(sample.labels, called, strict=True):
            known = names.setdefault(label, set())
            if isinstance(name, str) and len(known) < _NAMES:
                known.add(name)


def wants_manifest(path: Path, manifest_file: str) -> bool:
    """Whether a file is a zip with a manifest, or with something that is like one: at another place or of another name."""
    try:
        with open_zip(path) as archive:
            return _meant_for_manifest(archive.namelist(), manifest_file) is not None
    except (ShardError, *ZIP_ERRORS, OSError):
        return False


def image_folders(names: Iterable[str]) -> list[str]:
    """Returns the folders of a zip that have images in them and are perhaps classes."""
    found = {name.rpartition("/")[0] for name in names if name.lower().endswith(SUFFIXES) and not is_of_macos(name)}
    return sorted(found - {""})


def _meant_for_manifest(names: Iterable[str], manifest_file: str) -> str | None:
    """Returns the member that is the manifest, or else what is like it, the least deep in folders first."""
    known = (manifest_file, *_OTHER_MANIFESTS)
    found = [name for name in names if name.rpartition("/")[2] in known and not is_of_macos(name)]
    return min(found, key=lambda name: (name.count("/"), name), default=None)


def _missing_manifest(names: Collection[str], manifest_file: str, zip_name: str) -> str:
    meant = _meant_for_manifest(names, manifest_file)
    if meant is None:
        folders = image_folders(names)
        rest = f"; {images_in_folders(folders)}" if folders else ""
        return f"it has no {manifest_file} at its root{rest}"
    folder, _, name = meant.rpartition("/")
    if name != manifest_file:
        form = "the manifest must have that name, and one JSON object with id, uri and y on each line"
        return f"it has no {manifest_file} at its root but {meant[:200]}; {form}"
    return (
        f"{manifest_file} is not at the root but in the folder {folder!r}; zip the folder's content, not the folder: "
        f"unpack it elsewhere and run, inside {folder}: zip -r0 {shlex.quote(f'../{zip_name}')} ."
    )


def images_in_folders(folders: Sequence[str]) -> str:
    """Says what to do with images that lie in folders of their classes."""
    return f"it has images in folders ({shortened(folders)}): unpack it, and make shards of the folders: %reson shards make"
