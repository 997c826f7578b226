"""What a shard's zip holds: its files, its manifest, and whether the two fit."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .manifest import Sample, Summary, is_remote, member_of, scan_manifest, summarise
from .problems import Problems
from .unpack import read_member
from .zip_problems import is_of_macos

MAX_MANIFEST_BYTES = 256 << 20


@dataclass
class Contents:
    """What was found in a zip.

    Attributes:
        files: Its members but folders, by name, without what macOS adds.
        has_manifest: Whether a manifest lies at its root.
        summary: What the manifest's samples come to; all zero when there is none, or none that could be read.
        samples: The name of each sample's file and the sample's line in the manifest, but for those that the sites fetch.
    """

    files: Mapping[str, zipfile.ZipInfo]
    has_manifest: bool
    summary: Summary = field(default_factory=Summary)
    samples: dict[str, int] = field(default_factory=dict)


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
    if member.file_size > MAX_MANIFEST_BYTES:
        found.add(f"it has {member.file_size:,} bytes; at most {MAX_MANIFEST_BYTES:,} are read")
    else:
        samples = scan_manifest(read_member(archive, member), found, image_hosts)
        summary = summarise(_noting_files(samples, contents, found))
        if not summary.samples and not found.count:
            found.add("it has no samples")
        # A manifest that no one needs is the user's own affair, perhaps of a form that only the user's train function knows.
        if required or not found.count:
            contents.summary = summary
    if required:
        problems.merge(found, manifest_file)
    elif found.count:
        contents.samples.clear()


def _noting_files(samples: Iterable[Sample], contents: Contents, problems: Problems) -> Iterator[Sample]:
    for sample in samples:
        if not is_remote(sample.uri):
            name = member_of(sample.uri)
            if name in contents.files:
                contents.samples.setdefault(name, sample.line)
            elif is_of_macos(name):
                problems.add(f"line {sample.line}: {name[:200]!r} is a file that macOS adds, no sample; leave the line out")
            else:
                problems.add(f"line {sample.line}: {name[:200]!r} is not in the zip")
        yield sample


def _missing_manifest(names: Iterable[str], manifest_file: str, zip_name: str) -> str:
    inner = sorted((name for name in names if name.endswith(f"/{manifest_file}")), key=lambda name: (name.count("/"), name))
    if not inner:
        return f"it has no {manifest_file} at its root"
    folder = inner[0].removesuffix(f"/{manifest_file}")
    return (
        f"{manifest_file} is not at the root but in the folder {folder!r}; zip the folder's content, not the folder: "
        f"unpack it elsewhere and run, inside {folder}: zip -r0 ../{zip_name} ."
    )
