"""Images that are in memory, as PNG files, which lose nothing of them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

_CHANNELS = (1, 3, 4)
_PNG_MODES = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")
_ROUNDING = 1e-3  # what resizing with antialiasing may leave below 0 and above 1


def png_of(image: Any) -> bytes:
    """Returns an image as the bytes of a PNG.

    Args:
        image: A PIL image, or a tensor or array: uint8, or floats from 0 to 1; (H, W), (channels, H, W) or (H, W, channels) with
            1, 3 or 4 channels.

    Raises:
        ValueError: it is none of these.
    """
    from PIL.Image import Image

    picture = image if isinstance(image, Image) else _of_array(image)
    file = io.BytesIO()
    picture = picture if picture.mode in _PNG_MODES else picture.convert("RGB")
    picture.save(file, "PNG", exif=picture.getexif())
    return file.getvalue()


def _of_array(image: Any) -> Image:
    from PIL import Image

    is_tensor = hasattr(image, "detach")
    if is_tensor:
        image = image.detach().cpu().numpy()
    if not hasattr(image, "__array__") or not hasattr(image, "shape"):
        raise ValueError(f"a {type(image).__name__} is no image; an image is a path, a PIL image, a tensor or an array")
    shape = tuple(image.shape)
    if 0 in shape:
        raise ValueError(f"an image of the shape {shape} is empty")
    pixels = _bytes_of(image)
    if pixels.ndim == 3:
        first, last = shape[0] in _CHANNELS, shape[2] in _CHANNELS
        if first and (is_tensor or not last):
            pixels, shape = pixels.transpose(1, 2, 0), (*shape[1:], shape[0])
        if shape[2] not in _CHANNELS:
            pixels = pixels[:0]
        elif shape[2] == 1:
            pixels = pixels[:, :, 0]
    if pixels.ndim not in (2, 3) or not pixels.size:
        raise ValueError(
            f"an image of the shape {tuple(image.shape)} is none of (H, W), (channels, H, W) and (H, W, channels) "
            "with 1, 3 or 4 channels"
        )
    return Image.fromarray(pixels)


def _bytes_of(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    if image.dtype == np.uint8:
        return np.ascontiguousarray(image)
    if image.dtype == np.bool_:
        return image.astype(np.uint8) * np.uint8(255)
    if image.dtype.kind != "f":
        raise ValueError(f"an image of {image.dtype} may mean anything; make it uint8, or floats from 0 to 1")
    least, most = float(image.min()), float(image.max())
    if not (least >= -_ROUNDING and most <= 1 + _ROUNDING):
        raise ValueError(
            f"an image of {image.dtype} must have values from 0 to 1; it has {least:.4g} to {most:.4g}. Leave Normalize out of "
            "the transforms (sites do that themselves), or scale the values"
        )
    return (image.clip(0, 1) * 255).round().astype(np.uint8)
