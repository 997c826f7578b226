"""Reads npz files, damaged and hostile ones as well: no more memory is asked for than a file's content needs."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
import numpy.typing as npt

_END = ".npy"
_SHOWN = 5
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npz(source: Any) -> dict[str, npt.NDArray[Any]]:
    """Returns the arrays "0", "1", ... of a file of the numpy helper; nothing in it is unpickled.

    Args:
        source: A path, or a binary file.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is no such file, or a damaged one.
    """
    with opened(source) as stream:
        try:
            if not zipfile.is_zipfile(stream):
                raise ValueError("it is no npz, an archive of arrays")
            stream.seek(0)
            with zipfile.ZipFile(stream) as archive:
                return {key: _array(archive, key) for key in _keys(archive)}
        except ValueError:
            raise
        except Exception as error:  # zipfile, zlib and numpy say in many ways that they cannot
            raise ValueError(f"it is damaged ({error or type(error).__name__})") from error


def names_in_zip(source: Any) -> list[str] | None:
    """Returns the names in an archive; None if a path's or a binary file's content is none that can be read."""
    try:
        with zipfile.ZipFile(source) as archive:
            return archive.namelist()
    except Exception:  # a damaged directory has many errors, too
        return None


@contextmanager
def opened(source: Any) -> Iterator[IO[bytes]]:
    """Opens a path; a file that is open already stays so."""
    if hasattr(source, "read"):
        yield source
        return
    with open(source, "rb") as stream:
        yield stream


def memory() -> int:
    """Returns the bytes of memory that this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _keys(archive: zipfile.ZipFile) -> list[str]:
    """The arrays' names. Raises `ValueError` where they are others, or more than the memory holds."""
    found = [name.removesuffix(_END) for name in archive.namelist()]
    expected = [str(number) for number in range(len(found))]
    if sorted(found) != sorted(expected):
        names = ", ".join(map(repr, found[:_SHOWN]))
        raise ValueError(f"its arrays are called {names}; helper.save([...], path) calls them '0', '1', ...")
    if (needed := sum(info.file_size for info in archive.infolist())) > memory():
        raise ValueError(f"its arrays have {needed:,} bytes, more than the memory of this machine")
    return expected


def _array(archive: zipfile.ZipFile, key: str) -> npt.NDArray[Any]:
    """One array. What its header promises must be there: numpy takes the memory before it reads."""
    info = archive.getinfo(key + _END)
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        if version not in _HEADERS:
            raise ValueError(f"its array {key} is not in a format of arrays of numbers")
        shape, _, dtype = _HEADERS[version](member)
        promised, there = math.prod(shape) * dtype.itemsize, info.file_size - member.tell()
    if promised > there and not dtype.hasobject:
        raise ValueError(f"it is damaged (array {key} should have {promised:,} bytes and has {there:,})")
    with archive.open(info) as member:
        array: npt.NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
    return array
