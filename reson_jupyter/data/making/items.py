"""What goes into shards: samples, and the places where their bytes lie until then."""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import IO, Any, Protocol

from ...errors import ShardError
from ..problems import Problems

CHUNK = 1 << 20
# The subject and the hint of what is wrong with samples.
CANNOT_BE_USED = ("These samples cannot be used", "Correct them or leave them out; nothing has been written.")


class Content(Protocol):
    """The bytes of one member of a zip."""

    @property
    def size(self) -> int | None:
        """How many bytes it has; None if only writing it tells."""

    def write(self, target: IO[bytes]) -> None:
        """Writes the bytes, a piece at a time."""


class ImageContent(Content, Protocol):
    """The bytes of one image file; `str` of it says where they are."""

    @property
    def size(self) -> int:
        """How many bytes it has."""

    def open(self) -> IO[bytes]:
        """Opens it to be read."""


@dataclass(slots=True, frozen=True)
class InFile:
    """A file of a folder."""

    folder: str
    name: str

    def __str__(self) -> str:
        return os.path.join(self.folder, self.name)

    @property
    def size(self) -> int:
        """The file's size."""
        return os.path.getsize(str(self))

    def open(self) -> IO[bytes]:
        """Opens the file. Pipes and devices, which may never end, are refused."""
        path = str(self)
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError(errno.EINVAL, "it is no file but a folder, a pipe, a socket or a device", path)
        return open(path, "rb")

    def write(self, target: IO[bytes]) -> None:
        """Copies the file."""
        with self.open() as source:
            shutil.copyfileobj(source, target, CHUNK)


@dataclass(slots=True, frozen=True)
class InZip:
    """A member of a zip that is open."""

    archive: zipfile.ZipFile
    name: str

    def __str__(self) -> str:
        return f"{self.archive.filename}: {self.name}"

    @property
    def size(self) -> int:
        """The member's size when it is unpacked."""
        return self.archive.getinfo(self.name).file_size

    def open(self) -> IO[bytes]:
        """Opens the member."""
        return self.archive.open(self.name)

    def write(self, target: IO[bytes]) -> None:
        """Copies the member; only at its end is its checksum compared."""
        try:
            with self.open() as source:
                shutil.copyfileobj(source, target, CHUNK)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise ShardError(f"{self} is damaged: {error}.", "Get the shard again from where it came from.") from None


@dataclass(slots=True, frozen=True)
class InSpool:
    """An image that was in memory, one after another in one file. No file of its own: there may be millions."""

    file: IO[bytes]
    start: int
    size: int
    number: int

    def __str__(self) -> str:
        return f"item {self.number}"

    def open(self) -> IO[bytes]:
        """Reads the image."""
        self.file.seek(self.start)
        return io.BytesIO(self.file.read(self.size))

    def write(self, target: IO[bytes]) -> None:
        """Copies the image."""
        target.write(self.open().read())


@dataclass(slots=True, eq=False)
class Item:
    """One sample.

    Attributes:
        id: Unique among all samples, and the same whenever shards are made of the same source.
        labels: Its class indices.
        meta: What else is known of it. Samples may share one dict.
        content: Its image.
        suffix: "jpg" or "png", once it has been looked at.
    """

    id: str
    labels: tuple[int, ...]
    meta: dict[str, Any]
    content: ImageContent
    suffix: str = ""


@dataclass
class Items:
    """The samples of a source.

    Attributes:
        items: The samples.
        classes: The names of the labels, if they have names.
        notes: What the user should hear about them.
        problems: Why no shards can be made of them; said when the images have been looked at, with what is wrong with those.
    """

    items: list[Item]
    classes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)


def id_of(name: str) -> str:
    """Returns a file's name as an id: text that can be written as UTF-8, with / between folders on every platform."""
    return name.replace(os.sep, "/").encode("utf-8", "backslashreplace").decode()
