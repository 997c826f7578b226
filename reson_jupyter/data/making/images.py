"""A look at every image file before anything is written: what the sites would refuse is said here, of all files at once."""

from __future__ import annotations

import os
import warnings
import zipfile
from collections.abc import Iterable
from typing import IO

from ..problems import Problems
from ..unpack import ZIP_ERRORS
from .items import Item

_ENDS = {"PNG": b"IEND", "JPEG": b"\xff\xd9"}
_TAIL = 32
# Of the others it is enough to hear that they cannot be read; not every plug-in of Pillow needs to see a strange file.
_USUAL = ("BMP", "GIF", "TIFF", "WEBP")
_ANY_SIZE = 8


def check_images(items: Iterable[Item], problems: Problems) -> None:
    """Finds out which samples' files are JPEGs and which are PNGs, and notes those that are neither, too large or cut off.

    Of a file that looks whole only the header and the last bytes are read.
    """
    from PIL.Image import DecompressionBombWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DecompressionBombWarning)  # the limit here is lower
        for item in items:
            try:
                with item.content.open() as file:
                    item.suffix = _suffix_of(file)
            except (ValueError, OSError, zipfile.BadZipFile, *ZIP_ERRORS) as error:
                text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                problems.add(f"{item.content}: {text[:1].lower()}{text[1:]}")


def _suffix_of(file: IO[bytes]) -> str:
    from PIL import Image, UnidentifiedImageError

    from ...worker.decode import _rt_decode, _rt_MAX_PIXELS

    try:
        with Image.open(file, formats=("JPEG", "PNG")) as image:
            kind = "PNG" if image.format == "PNG" else "JPEG"
            pixels = image.width * image.height
            size = f"{image.width} x {image.height}"
    except UnidentifiedImageError:
        raise ValueError(_other_kind(file)) from None
    except Image.DecompressionBombError:
        raise ValueError(f"it has far more pixels than {_rt_MAX_PIXELS:,}, the most that sites read; make it smaller") from None
    except (SyntaxError, OSError) as error:
        if getattr(error, "errno", None):
            raise  # of the disk, not of the file
        raise ValueError(f"it is damaged: {error}") from None
    if pixels > _rt_MAX_PIXELS:
        raise ValueError(f"it has {size} pixels; sites read at most {_rt_MAX_PIXELS:,}; make it smaller")
    file.seek(-min(_TAIL, file.seek(0, os.SEEK_END)), os.SEEK_END)
    if _ENDS[kind] not in file.read():
        # It may be cut off, or have something behind it.
        file.seek(0)
        try:
            _rt_decode(file, _ANY_SIZE)
        except Exception as error:  # whatever a decoder raises for half a file
            raise ValueError(f"it is damaged: {error}") from None
    return "png" if kind == "PNG" else "jpg"


def _other_kind(file: IO[bytes]) -> str:
    from PIL import Image

    file.seek(0)
    if not file.read(1):
        return "it is empty"
    file.seek(0)
    try:
        with Image.open(file, formats=_USUAL) as image:
            return f"it is a {image.format}, and sites read JPEG and PNG; convert it to PNG"
    except Exception:  # whatever the plug-in of some format raises
        return "it is no image that is known here; sites read JPEG and PNG"
