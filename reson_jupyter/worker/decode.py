"""Reads one image file as the default training sees it: RGB, upright, size x size, a byte for each value.

Two ways. The exact one gives, bit for bit, what this gives, whatever the file's size and orientation:

    ImageOps.exif_transpose(Image.open(file)).convert("RGB").resize((size, size), Image.Resampling.BILINEAR)

The default one differs from it, on photographs, by less than 0.5 of 255 in the mean: large JPEGs are decoded at a half, a quarter
or an eighth of their size, other large images are first reduced by a whole factor, and it is the small image that is turned.

What either makes of the kinds of files:
    JPEG and PNG are read and nothing else, at most 4096 x 4096 pixels (the size is looked at before anything is decoded).
    EXIF orientation: applied, unless that data is damaged. Colour profiles: ignored. Of several pictures in a file: the first.
    Grey and 1-bit: the same in all three channels. Palette: its colours. CMYK: converted by Pillow's plain formula.
    16-bit grey: the upper 8 bits (Pillow's own `convert` may clip instead; this is the one difference of the exact way).
    16-bit RGB, with alpha or without: the upper 8 bits, as Pillow opens it.
    Alpha: dropped, not composited, so that a transparent pixel has the colour that the file gives it.

This file travels to the sites, as adapter.py does; its names follow the same rules.
"""

import builtins as _rt_py
from typing import Any as _rt_Any

import numpy as _rt_numpy
from PIL import Image as _rt_Image
from PIL import __version__ as _rt_pillow
from PIL import features as _rt_features

# Whatever changes the pixels: caches of what was read in another way are not used. Count up the first with the code below.
_rt_READING = f"1 {_rt_pillow} {_rt_features.version('jpg')} {_rt_features.version('libjpeg_turbo')}"
_rt_MAX_PIXELS = 4096 * 4096  # of one image file
# A JPEG is decoded no smaller than this many times the size, and an image reduced no further than to so many times: beneath,
# the difference to the exact way is up to 1.3 of 255.
_rt_DRAFT = 1.7
_rt_REDUCING_GAP = 3.0
_rt_TURN = {  # EXIF orientation: how to undo it
    2: _rt_Image.Transpose.FLIP_LEFT_RIGHT,
    3: _rt_Image.Transpose.ROTATE_180,
    4: _rt_Image.Transpose.FLIP_TOP_BOTTOM,
    5: _rt_Image.Transpose.TRANSPOSE,
    6: _rt_Image.Transpose.ROTATE_270,
    7: _rt_Image.Transpose.TRANSVERSE,
    8: _rt_Image.Transpose.ROTATE_90,
}


def _rt_decode(file: _rt_Any, size: "int", exact: _rt_Any = False) -> _rt_Any:
    """One image as uint8 (3, size, size), contiguous. Safe on any thread.

    Args:
        file: Its path, or the file itself, open for reading bytes.
        size: Pixels of each side of the result.
        exact: Whether it is read in the exact way.

    Raises:
        ValueError: it has too many pixels.
        Exception: whatever Pillow raises for a file that is no readable JPEG or PNG.
    """
    bilinear = _rt_Image.Resampling.BILINEAR
    with _rt_Image.open(file, formats=("JPEG", "PNG")) as image:
        if image.width * image.height > _rt_MAX_PIXELS:
            raise ValueError(f"it has {image.width} x {image.height} pixels; the limit is {_rt_MAX_PIXELS}")
        turn = _rt_TURN.get(_rt_orientation(image))
        if exact:
            return _rt_planes(_rt_turned(_rt_plain(image), turn).resize((size, size), bilinear))
        # Nothing for a PNG; else how far the picture goes in what is decoded, whose last line and column may be part of one only.
        drafted = image.draft(None, (_rt_py.int(size * _rt_DRAFT),) * 2)
        box = drafted[1] if drafted else None
        small = _rt_plain(image).resize((size, size), bilinear, box, _rt_REDUCING_GAP)
        return _rt_planes(_rt_turned(small, turn))


def _rt_orientation(image: _rt_Any) -> _rt_Any:
    if image.format == "PNG":
        image.load()  # getexif would do it, and what it finds damaged then is the picture
    try:
        return image.getexif().get(0x0112)
    except Exception:  # whatever Pillow raises for EXIF data that is damaged, while the picture is not
        return None


def _rt_turned(image: _rt_Any, turn: _rt_Any) -> _rt_Any:
    return image if turn is None else image.transpose(turn)


def _rt_plain(image: _rt_Any) -> _rt_Any:
    """The image in the mode RGB, or L, which becomes RGB at the end, after a third of the work."""
    if image.mode in ("RGB", "L"):
        return image
    if image.mode.startswith("I"):
        return _rt_Image.fromarray((_rt_numpy.asarray(image) >> 8).astype("uint8"))
    image.info.pop("transparency", None)  # of a palette; Pillow would warn of what is dropped
    return image.convert("RGB")


def _rt_planes(image: _rt_Any) -> _rt_Any:
    if image.mode == "L":
        return _rt_numpy.stack([_rt_numpy.asarray(image)] * 3)
    planes = bytearray().join([plane.tobytes() for plane in image.split()])  # twice as fast as transposing the array
    return _rt_numpy.frombuffer(planes, "uint8").reshape(3, *image.size)
