"""A store in a plain directory: no server, no account; objects are files named by their keys."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event as Flag
from typing import BinaryIO

from ...errors import NotFound, StoreError
from .base import ObjectInfo, Progress, changed, check_key, check_prefix, is_as, stamp_of

CHUNK = 1 << 20
# Half-written files lie here, on the same file system as their place, so that a rename makes them appear whole.
INCOMING = ".incoming"
_STALE_SECONDS = 24 * 3600.0


class DirectoryStore:
    """Objects as files under `root`, which is made if it is not there.

    Writers and readers may be any threads and processes that see the directory.

    Raises:
        StoreError: `root` cannot be made or is not a directory.
    """

    def __init__(self, root: Path) -> None:
        try:
            # Shards are private: the folder is the owner's alone, unless somebody made it differently.
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.root = root.resolve(strict=True)
            self._incoming = self.root / INCOMING
            self._incoming.mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(f"The store's folder {root} cannot be used: {error.strerror}.", "Choose another folder.") from None
        self._sweep()

    def __repr__(self) -> str:
        return f"DirectoryStore({str(self.root)!r})"

    @property
    def url(self) -> str:
        """The URL that `open_store` opens this store from."""
        return self.root.as_uri()

    def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        """Stores `data` under `key`, over what was there; a directory keeps no content type."""
        with self._appearing(key) as file:
            file.write(data)

    def put_file(
        self,
        key: str,
        path: Path,
        *,
        content_type: str = "application/octet-stream",
        progress: Progress | None = None,
        cancel: Flag | None = None,
        resume: bool = False,
    ) -> int:
        """Stores a file of any size under `key`; `StoreError` when `cancel` is set or the file changes meanwhile.

        A copy on one machine is quick, so `resume` changes nothing: one that was cut off begins anew.
        """
        with _open_source(path) as source, self._appearing(key) as file:
            before = stamp_of(path)
            while chunk := source.read(CHUNK):
                if cancel is not None and cancel.is_set():
                    raise StoreError(f"The upload of {path.name} was stopped.", "Nothing of it was stored.")
                file.write(chunk)
                if progress is not None:
                    progress(len(chunk))
            if file.tell() != before.bytes or not is_as(path, before):
                raise changed(path)
        return before.bytes

    def copy(self, source: str, key: str) -> None:
        """Stores under `key` what lies under `source`, as another name of the same file where the disk can. Raises `NotFound`.

        Objects are replaced, never written into, so neither name ever sees what becomes of the other.
        """
        path = self._path(key)
        with self._open(source) as file:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                os.link(self._path(source), path)
            except OSError:  # there is an object already, or this disk knows no links
                with self._appearing(key) as copied:
                    shutil.copyfileobj(file, copied, CHUNK)

    def get(self, key: str) -> bytes:
        """Returns an object's bytes. Raises `NotFound`."""
        with self._open(key) as file:
            return file.read()

    def get_if_changed(self, key: str, etag: str | None) -> tuple[bytes, str] | None:
        """Returns an object's bytes and tag, or None while its tag still is `etag`. Raises `NotFound`."""
        with self._open(key) as file:
            # The tag of the open file, not of the path: a writer may replace the object at any moment.
            tag = _etag(os.fstat(file.fileno()))
            return None if tag == etag else (file.read(), tag)

    def get_file(self, key: str, path: Path, *, progress: Progress | None = None) -> None:
        """Writes an object to a file, which appears whole or not at all. Raises `NotFound`."""
        part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
        with self._open(key) as source, _renamed(part, path, f"{path} could not be written") as file:
            while chunk := source.read(CHUNK):
                file.write(chunk)
                if progress is not None:
                    progress(len(chunk))

    def stat(self, key: str) -> ObjectInfo | None:
        """Returns what is known of an object, or None if there is none."""
        try:
            with self._open(key) as file:
                found = os.fstat(file.fileno())
        except NotFound:
            return None
        return ObjectInfo(key, found.st_size, _etag(found))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yields the objects whose keys start with `prefix`, in order of their keys."""
        folder = self.root / check_prefix(prefix).rpartition("/")[0]
        keys = []
        for parent, folders, names in os.walk(folder):
            if Path(parent) == self.root and INCOMING in folders:
                folders.remove(INCOMING)
            above = Path(parent).relative_to(self.root).as_posix()
            keys += [name if above == "." else f"{above}/{name}" for name in names]
        for key in sorted(keys):
            # Somebody may delete an object, or put a strange file into the folder, while we look.
            if key.startswith(prefix) and (info := self._info(key)) is not None:
                yield info

    def delete(self, key: str) -> None:
        """Removes an object, and the folders that are empty without it; none there is no error."""
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            # A folder, or a place under a file, is no object.
            if path.is_file():
                raise _failed(f"{key} could not be deleted", error) from None
        with suppress(OSError):  # it is not empty
            for folder in path.relative_to(self.root).parents[:-1]:
                (self.root / folder).rmdir()

    def _info(self, key: str) -> ObjectInfo | None:
        try:
            return self.stat(key)
        except StoreError:
            return None

    def _path(self, key: str) -> Path:
        path = self.root / check_key(key)
        if key.partition("/")[0] == INCOMING:
            raise StoreError(f"{key!r} cannot be the name of a stored object: {INCOMING} is kept for uploads.")
        # A symbolic link among the folders would lead out of the store.
        if not path.parent.resolve().is_relative_to(self.root) or path.is_symlink():
            raise StoreError(f"{key!r} leads out of the store's folder {self.root}.", "Remove the symbolic link on its way.")
        return path

    def _open(self, key: str) -> BinaryIO:
        path = self._path(key)
        try:
            file = path.open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotFound(f"There is no {key} in {self.url}.") from None
        except OSError as error:
            raise _failed(f"{key} could not be read", error) from None
        return file

    def offer_uploads(self, prefix: str, seconds: int) -> None:
        """Nobody reaches a folder from another machine."""

    def offer_download(self, key: str, seconds: int) -> None:
        """Nobody reaches a folder from another machine."""

    @contextmanager
    def _appearing(self, key: str) -> Iterator[BinaryIO]:
        part = self._incoming / secrets.token_hex(16)
        with _renamed(part, self._path(key), f"{key} could not be stored", place=_into_folder) as file:
            yield file

    def _sweep(self) -> None:
        """Removes what uploads left behind that were killed a day ago or earlier."""
        for left in self._incoming.iterdir():
            try:
                if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                    left.unlink()
            except OSError:
                continue


def _into_folder(part: Path, path: Path) -> None:
    """Moves a file to its place, whose folder somebody's `delete` may take away at any moment while it is empty."""
    for last in (*[False] * 9, True):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(part, path)
            return
        except (FileNotFoundError, FileExistsError):  # the second is what mkdir says of a folder that goes while it looks
            if last:
                raise


@contextmanager
def _renamed(part: Path, path: Path, problem: str, *, place: Callable[[Path, Path], None] = os.replace) -> Iterator[BinaryIO]:
    """Opens `part` for writing; once written whole, it becomes `path`. On any failure neither is left."""
    try:
        try:
            with part.open("xb") as file:
                yield file
            # File systems stamp times in steps of some milliseconds; two changes within one step must differ.
            now = time.time_ns()
            os.utime(part, ns=(now, now))
            place(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _failed(problem, error) from None


def _open_source(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise _failed(f"{path} could not be read", error) from None


def _etag(found: os.stat_result) -> str:
    return f"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}"


def _failed(problem: str, error: OSError) -> StoreError:
    return StoreError(f"{problem}: {error.strerror or error}.", "Check the folder's permissions and the space left on the disk.")
