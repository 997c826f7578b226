"""One image file becomes RGB, upright, of the size asked for: exactly as Pillow reads it, or nearly so and sooner."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from reson_jupyter.worker.decode import _rt_decode

from .images import coloured, save

SIZES = [(64, (160, 120)), (224, (500, 375)), (224, (1024, 768)), (64, (509, 777)), (32, (16, 20)), (48, (400, 170))]


def read(tmp_path: Path, name: str, size: int = 4, exact: bool = False) -> Any:
    return _rt_decode(str(tmp_path / name), size, exact)


def plainly(file: Any, size: int) -> Any:
    """The plain way, which decode.py promises to follow."""
    upright = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
    return np.asarray(upright.resize((size, size), Image.Resampling.BILINEAR)).transpose(2, 0, 1)


def photo(shape: tuple[int, int], seed: int = 0) -> Image.Image:
    """Smooth patches with finer ones upon them, as photographs have them."""
    random, width, height = np.random.default_rng(seed), *shape
    pixels = np.full((height, width, 3), 120.0)
    for across, strength in ((6, 60), (24, 20), (width // 4, 5)):
        small = random.normal(0, strength, (max(2, height * across // width), across, 3)).astype("float32")
        bands = [Image.fromarray(small[..., band]).resize(shape, Image.Resampling.BICUBIC) for band in range(3)]
        pixels += np.stack([np.asarray(band) for band in bands], -1)
    return Image.fromarray(pixels.clip(0, 255).astype("uint8"))


def oriented(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


# The two ways


@pytest.mark.parametrize(("size", "shape"), SIZES)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_exact_way_is_the_plain_one_bit_for_bit(tmp_path: Path, size: int, shape: tuple[int, int], mode: str) -> None:
    for name in ("a.jpg", "a.png"):
        for orientation in (1, 3, 6):
            save(tmp_path, name, photo(shape).convert(mode), exif=oriented(orientation))
            assert np.array_equal(read(tmp_path, name, size, exact=True), plainly(tmp_path / name, size))


@pytest.mark.parametrize(("size", "shape"), SIZES)
def test_the_default_way_is_close_to_the_plain_one(tmp_path: Path, size: int, shape: tuple[int, int]) -> None:
    for name in ("a.jpg", "a.png"):
        save(tmp_path, name, photo(shape))
        assert np.abs(read(tmp_path, name, size).astype(int) - plainly(tmp_path / name, size)).mean() <= 0.5


def test_the_default_way_is_the_plain_one_where_nothing_can_be_saved(tmp_path: Path) -> None:
    save(tmp_path, "a.jpg", photo((500, 375)))
    assert np.array_equal(read(tmp_path, "a.jpg", 224), plainly(tmp_path / "a.jpg", 224))


@settings(max_examples=60, deadline=None)
@given(
    pixels=st.tuples(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32 - 1)),
    size=st.integers(1, 40),
    mode=st.sampled_from(["RGB", "L", "RGBA", "LA", "P", "1", "CMYK"]),
    kind=st.sampled_from(["JPEG", "PNG"]),
    orientation=st.integers(0, 9),
)
def test_images_of_every_shape_and_mode_are_read_and_exactly_so_if_asked(
    pixels: tuple[int, int, int], size: int, mode: str, kind: str, orientation: int
) -> None:
    height, width, seed = pixels
    image = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), "uint8")).convert(mode)
    if (mode, kind) in (("RGBA", "JPEG"), ("LA", "JPEG"), ("P", "JPEG"), ("1", "JPEG"), ("CMYK", "PNG")):
        image = image.convert("RGB")
    file = io.BytesIO()
    image.save(file, kind, exif=oriented(orientation))
    exact, fast = _rt_decode(file, size, True), _rt_decode(file, size)
    assert exact.shape == fast.shape == (3, size, size) and exact.dtype == fast.dtype == np.uint8
    assert exact.flags.c_contiguous and exact.flags.writeable and fast.flags.c_contiguous and fast.flags.writeable
    assert np.array_equal(exact, plainly(file, size))


# Orientation


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_pillow_does(tmp_path: Path, orientation: int, exact: bool) -> None:
    image = coloured((255, 0, 0), (64, 64))
    image.paste((0, 0, 255), (32, 0, 64, 64))
    image.paste((0, 255, 0), (0, 0, 32, 32))
    for name in ("a.jpg", "a.png"):
        save(tmp_path, name, image, exif=oriented(orientation), **({"quality": 95} if name == "a.jpg" else {}))
        difference = read(tmp_path, name, exact=exact).astype(int) - plainly(tmp_path / name, 4)
        assert np.abs(difference).max() <= (0 if exact else 12)


# Kinds of files


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(
    ("name", "image", "expected"),
    [
        ("a.png", Image.new("RGB", (9, 5), (10, 200, 30)), (10, 200, 30)),
        ("a.png", Image.new("L", (9, 5), 77), (77, 77, 77)),
        ("a.png", Image.new("1", (9, 5), 1), (255, 255, 255)),
        ("a.png", Image.new("RGBA", (9, 5), (10, 200, 30, 0)), (10, 200, 30)),
        ("a.png", Image.new("LA", (9, 5), (77, 0)), (77, 77, 77)),
        ("a.png", Image.new("RGB", (9, 5), (10, 200, 30)).quantize(4), (10, 200, 30)),
        ("a.png", Image.fromarray(np.full((5, 9), 0x4D12, "uint16")), (0x4D, 0x4D, 0x4D)),
        ("a.png", Image.fromarray(np.full((5, 9), 0xFFFF, "uint16")), (255, 255, 255)),
        ("a.jpg", Image.new("RGB", (9, 5), (128, 128, 128)), (128, 128, 128)),
        ("a.jpg", Image.new("L", (9, 5), 77), (77, 77, 77)),
        ("a.jpg", Image.new("CMYK", (9, 5), (0, 0, 0, 127)), (128, 128, 128)),
    ],
)
def test_every_kind_of_jpeg_and_png_becomes_rgb(
    tmp_path: Path, name: str, image: Image.Image, expected: tuple[int, ...], exact: bool
) -> None:
    save(tmp_path, name, image)
    pixels = read(tmp_path, name, exact=exact)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.reshape(3, -1).T.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("transparency", [1, bytes([0, 128, 255])])
def test_a_palette_with_transparent_colours_keeps_all_of_them(tmp_path: Path, transparency: int | bytes) -> None:
    palette = Image.new("P", (6, 2))
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    palette.putdata([0, 0, 1, 1, 2, 2] * 2)
    save(tmp_path, "a.png", palette, transparency=transparency)
    pixels = read(tmp_path, "a.png", 6, exact=True)
    assert pixels[:, 0].T.tolist() == [[255, 0, 0]] * 2 + [[0, 255, 0]] * 2 + [[0, 0, 255]] * 2


def test_colours_of_16_bits_keep_the_upper_eight(tmp_path: Path) -> None:
    """Pillow writes no such file, so this is one by hand: one pixel of 16-bit RGB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixel = zlib.compress(b"\0" + struct.pack(">HHH", 0x12FF, 0x8000, 0xFE01))
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")
    assert _rt_decode(io.BytesIO(data), 1).ravel().tolist() == [0x12, 0x80, 0xFE]


def test_damaged_exif_data_is_no_damaged_picture(tmp_path: Path) -> None:
    save(tmp_path, "a.png", photo((12, 12)))
    whole = (tmp_path / "a.png").read_bytes()
    exif = b"eXIfgarbagegarbage"
    chunk = struct.pack(">I", len(exif) - 4) + exif + struct.pack(">I", zlib.crc32(exif))
    (tmp_path / "b.png").write_bytes(whole[:33] + chunk + whole[33:])
    assert np.array_equal(read(tmp_path, "b.png"), read(tmp_path, "a.png"))


def test_a_file_may_be_open_and_stays_so(tmp_path: Path) -> None:
    save(tmp_path, "a.png", coloured((1, 2, 3)))
    with (tmp_path / "a.png").open("rb") as file:
        assert _rt_decode(file, 2).ravel().tolist() == [1] * 4 + [2] * 4 + [3] * 4
        assert not file.closed


def test_threads_that_decode_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    for number in range(8):
        save(tmp_path, f"{number}.jpg", photo((120, 90), number))
    found: dict[int, Any] = {}
    threads = [threading.Thread(target=lambda n=n: found.update({n: read(tmp_path, f"{n}.jpg", 32)})) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(found[number], read(tmp_path, f"{number}.jpg", 32)) for number in range(8))
