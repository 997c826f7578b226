"""Files of a shard read to their end, and images decoded as the sites do: what is refused there is found here."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

from PIL import UnidentifiedImageError

from .contents import Contents
from .kinds import HEAD_BYTES, no_image
from .problems import Problems
from .unpack import ZIP_ERRORS

T = TypeVar("T")
Images = Literal["sample", "all", "none"]
Progress = Callable[[int], object]

SAMPLED = 16
_CHUNK = 1 << 20
_SIZE = 32  # pixels; whether an image can be read does not depend on it, and JPEGs are read the faster


def check_images(
    archive: zipfile.ZipFile,
    contents: Contents,
    manifest_file: str,
    decode: bool,
    images: Images,
    problems: Problems,
    progress: Progress = lambda _: None,
) -> int:
    """Notes which files are damaged, and which samples are no images that the default training can read.

    Args:
        archive: A zip that is safe to read.
        contents: What is in it.
        manifest_file: The manifest's name, for the messages.
        decode: Whether the samples are images. What a user's own train function reads may be anything.
        images: Which files are read.
        problems: Where to note them.
        progress: Called with the packed size of each file that has been read.

    Returns:
        The number of images that were decoded.
    """
    if images == "none":
        return 0
    lines = contents.samples if decode else {}
    if images == "sample":
        chosen = spread(list(lines if decode else contents.files), SAMPLED)
    else:
        chosen = [*lines, *(name for name in contents.files if name not in lines)]
    for name in chosen:
        problem = _damage(archive, contents.files[name])
        if name in lines:
            problem = problem or _undecodable(archive, contents.files[name])
        if problem:
            problems.add(f"{f'{manifest_file}: line {lines[name]}: ' if name in lines else ''}{name[:200]!r} {problem}")
        progress(contents.files[name].compress_size)
    return sum(name in lines for name in chosen)


def spread(items: Sequence[T], count: int) -> Sequence[T]:
    """Returns `count` of the items or fewer, evenly from the first to the last."""
    if len(items) <= count:
        return items
    return [items[place * (len(items) - 1) // (count - 1)] for place in range(count)]


def _damage(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> str | None:
    length = 0
    try:
        # Only at its end is a member's checksum compared.
        with archive.open(member) as file:
            while chunk := file.read(_CHUNK):
                length += len(chunk)
    except (*ZIP_ERRORS, OSError) as error:
        return f"is damaged: {error}"
    return None if length == member.file_size else f"is damaged: it has {length:,} bytes, not {member.file_size:,}"


def _undecodable(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> str | None:
    from ..worker.decode import _rt_decode  # numpy with it, which an import of this package should not wait for

    try:
        with warnings.catch_warnings(), archive.open(member) as file:
            warnings.simplefilter("ignore")  # what is odd about a file that can be read
            _rt_decode(file, _SIZE)
    except UnidentifiedImageError:  # its message names the object that was read
        with archive.open(member) as file:
            return no_image(file.read(HEAD_BYTES))
    except Exception as error:  # whatever a decoder raises for bytes that nobody vouches for
        return f"is no usable image: {error}"
    return None
