"""The data of a rehearsal: the first samples of a real shard, or made-up images."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image

from ...data.manifest import Sample, is_remote, member_of, scan_member
from ...data.problems import Problems
from ...data.unpack import checked_zip, open_member, write_members

DEFAULT_SAMPLES = 8
_MAX_OWN_SAMPLES = 256
_MAX_BYTES = 512 << 20
_SIDE = 32  # pixels of a made-up image


def samples_for(arguments: Mapping[str, Any], own_training: bool) -> int:
    """How many samples suffice: two batches where a loader that drops the last one may first split some off."""
    return min(max(2 * int(arguments.get("batch_size", 1)), 2), _MAX_OWN_SAMPLES) if own_training else DEFAULT_SAMPLES


def unpack_sample(shard: Path, manifest_file: str, count: int, dest: Path, image_hosts: Collection[str] = ()) -> bool:
    """Unpacks the first samples of a shard, and everything in it that is no sample of its manifest.

    A shard without a manifest that can be read is unpacked whole.

    Args:
        shard: The zip.
        manifest_file: The manifest's name at its root.
        count: How many samples.
        dest: An empty folder.
        image_hosts: The hosts that sites may fetch https images from.

    Returns:
        False, with nothing unpacked, if that would be too much for a rehearsal.

    Raises:
        ShardError: the zip is damaged or not safe to unpack.
    """
    with checked_zip(shard) as archive:
        members = {member.orig_filename: member for member in archive.infolist()}
        manifest, left_out = b"", set[str]()
        if manifest_file in members:
            manifest, left_out = _first_lines(archive, members[manifest_file], count, image_hosts)
        if manifest:
            left_out.add(manifest_file)
        wanted = [member for name, member in members.items() if name not in left_out]
        if sum(member.file_size for member in wanted) > _MAX_BYTES:
            return False
        write_members(archive, wanted, dest)
        if manifest:
            (dest / manifest_file).write_bytes(manifest)
    return True


def make_up(arguments: Mapping[str, Any], dest: Path) -> None:
    """Writes a small shard for the default image classification: random images, labels below num_classes."""
    noise = random.Random(0)
    classes = int(arguments.get("num_classes") or 1)
    lines = []
    for number in range(DEFAULT_SAMPLES):
        name = f"{number}.{'png' if number % 2 else 'jpg'}"
        Image.frombytes("RGB", (_SIDE, _SIDE), noise.randbytes(3 * _SIDE * _SIDE)).save(dest / name)
        lines.append(json.dumps({"id": str(number), "uri": name, "y": [number % classes]}))
    (dest / str(arguments["manifest_file"])).write_text("\n".join(lines) + "\n")


def _first_lines(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, count: int, image_hosts: Collection[str]
) -> tuple[bytes, set[str]]:
    """The manifest of the first samples, and the files that only the others name; nothing if it is of some other form."""
    problems = Problems()
    samples = scan_member(archive, member, problems, image_hosts)
    kept = list(islice(samples, count))
    left_out = _members(samples) - _members(kept)
    if problems.count or not kept:
        return b"", set()
    with open_member(archive, member) as file:
        return b"".join(islice(file, kept[-1].line)), left_out


def _members(samples: Iterable[Sample]) -> set[str]:
    return {member_of(sample.uri) for sample in samples if not is_remote(sample.uri)}
