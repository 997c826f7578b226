"""Images that are bombs, of other formats or damaged: refused at once, in little memory, by the loader and by the check."""

from __future__ import annotations

import io
import json
import pickle
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reson_jupyter.data.kinds import HEAD_BYTES, no_image
from reson_jupyter.data.shards import check_shards
from reson_jupyter.data.unpack import unpack_shard
from reson_jupyter.worker import decode
from reson_jupyter.worker.shard import _rt_read_manifest
from tests.patience import cpu_seconds

from .zips import write_zip


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def zeros(count: int) -> bytes:
    """So many zeros as zlib packs them; some hundred kilobytes for a hundred million, and quickly made."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = packer.compress(bytes(count % (1 << 20))) + packer.flush()
    return b"\x78\x01" + block * (count >> 20) + rest + struct.pack(">I", (count % 65_521) << 16 | 1)


def png(side: int, *chunks: bytes) -> bytes:
    """A grey PNG of so many black pixels a side."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zeros(side * (side + 1)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + pixels + chunk(b"IEND", b"")


def saved(kind: str, side: int = 200) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), "uint8")
    Image.fromarray(noise).save(file, kind)
    return file.getvalue()


def fits() -> bytes:
    cards = ["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    2"]
    cards += ["NAXIS1  =                    4", "NAXIS2  =                    4", "END"]
    return "".join(card.ljust(80) for card in cards).ljust(2_880).encode() + bytes(2_880)


def numpy_array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


BAD: dict[str, Callable[[], bytes]] = {
    "bomb of 9,000 x 9,000": lambda: png(9_000),
    "bomb of 13,000 x 13,000": lambda: png(13_000),
    "bomb of 60,000 x 60,000, never whole": lambda: png(60_000)[:100_000],
    "just too large": lambda: png(4_097),
    "bomb in a text": lambda: png(8, chunk(b"zTXt", b"a\0\0" + zeros(200 << 20))),
    "GIF": lambda: saved("GIF"),
    "EPS": lambda: saved("EPS"),
    "FITS": fits,
    "TIFF": lambda: saved("TIFF"),
    "BMP": lambda: saved("BMP"),
    "WebP": lambda: saved("WEBP"),
    "JPEG, cut": lambda: saved("JPEG")[:-2_000],
    "JPEG, only its start": lambda: saved("JPEG")[:20],
    "PNG, cut": lambda: saved("PNG")[:-20_000],
    "pickle": lambda: pickle.dumps([1, 2, 3]),
    "array": numpy_array,
    "text": lambda: b"no image",
    "nothing": lambda: b"",
}


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The bad images, all of them named .jpg."""
    folder = tmp_path_factory.mktemp("bad")
    for number, make in enumerate(BAD.values()):
        (folder / f"{number}.jpg").write_bytes(make())
    return {name: folder / f"{number}.jpg" for number, name in enumerate(BAD)}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", BAD)
def test_the_loader_refuses_it_at_once(bad: dict[str, Path], name: str, exact: bool) -> None:
    def read() -> None:
        with pytest.raises(Exception, match=r"cannot identify|pixels; the limit is|truncated|too large|exceeds limit"):
            decode._rt_decode(str(bad[name]), 224, exact)

    assert cpu_seconds(read) < 0.1


# Only numpy and Pillow are imported for it, so that the memory is that of the images.
MEASURE = """
import importlib.util, resource, sys
spec = importlib.util.spec_from_file_location("decode", sys.argv[1])
decode = importlib.util.module_from_spec(spec)
spec.loader.exec_module(decode)
for path in sys.argv[2:]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        decode._rt_decode(path, 224)
        print("decoded")
    except Exception:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_all_of_them_together_take_less_than_50_mib(bad: dict[str, Path]) -> None:
    command = [sys.executable, "-W", "ignore", "-c", MEASURE, decode.__file__, *map(str, bad.values())]
    grown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert len(grown) == len(BAD)
    assert sum(map(int, grown)) < 50 << 10, dict(zip(bad, grown, strict=True))


def test_the_check_refuses_them_all_and_the_good_one_passes(bad: dict[str, Path], tmp_path: Path) -> None:
    files = {f"{name}.jpg": path.read_bytes() for name, path in bad.items()} | {"good.png": saved("PNG")}
    lines = [json.dumps({"id": name, "uri": name, "y": 0}) for name in files]
    write_zip(tmp_path / "s.zip", {"manifest.ndjson": "\n".join(lines).encode(), **files})
    problems = check_shards(tmp_path, images="all").problems
    assert cpu_seconds(lambda: check_shards(tmp_path, images="all")) < 5
    assert problems.count == len(BAD)
    for name, problem in zip(BAD, problems.shown, strict=True):
        assert f"'{name}.jpg' is " in problem


@pytest.fixture(scope="module")
def small_shard(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A shard with a PNG and a JPEG."""
    lines = b'{"id": "1", "uri": "a.png", "y": 0}\n{"id": "2", "uri": "file://b.jpg", "y": [1]}\n'
    members = {"manifest.ndjson": lines, "a.png": saved("PNG", 8), "b.jpg": saved("JPEG", 8)}
    return write_zip(tmp_path_factory.mktemp("small") / "s.zip", members, zipfile.ZIP_DEFLATED).read_bytes()


@settings(deadline=None, max_examples=150)
@given(changes=st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_mutated_shard_is_refused_or_the_sites_can_read_every_image(
    tmp_path_factory: pytest.TempPathFactory, small_shard: bytes, changes: list[tuple[int, int]]
) -> None:
    folder, data = tmp_path_factory.mktemp("mutated"), bytearray(small_shard)
    for place, value in changes:
        data[place % len(data)] = value
    (folder / "s.zip").write_bytes(data)
    if not check_shards(folder, images="all").problems.count:
        unpack_shard(folder / "s.zip", folder / "site")
        for _, member, _ in _rt_read_manifest(str(folder / "site"), "manifest.ndjson", []):
            assert decode._rt_decode(str(folder / "site" / member), 8).shape == (3, 8, 8)
    assert {path.name for path in folder.iterdir()} <= {"s.zip", "site"}


# What it is


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("GIF", "is neither JPEG nor PNG but a GIF"),
        ("EPS", "is neither JPEG nor PNG but a PostScript drawing"),
        ("FITS", "is neither JPEG nor PNG but a FITS file"),
        ("TIFF", "is neither JPEG nor PNG but a TIFF image"),
        ("BMP", "is neither JPEG nor PNG but a BMP image"),
        ("WebP", "is neither JPEG nor PNG but a WebP image"),
        ("JPEG, only its start", "is a damaged JPEG"),
        ("PNG, cut", "is a damaged PNG"),
        ("pickle", "is neither JPEG nor PNG but a pickle"),
        ("array", "is neither JPEG nor PNG but a NumPy array"),
        ("text", "is neither JPEG nor PNG"),
        ("nothing", "is neither JPEG nor PNG but empty"),
    ],
)
def test_a_file_that_is_no_image_is_called_by_its_name(name: str, said: str) -> None:
    assert no_image(BAD[name]()[:HEAD_BYTES]) == said


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (bytes(128) + b"DICM", "is neither JPEG nor PNG but a DICOM file"),
        (bytes(344) + b"n+1\0", "is neither JPEG nor PNG but a NIfTI file"),
        (b"\0\0\0\x18ftypheic", "is neither JPEG nor PNG but a HEIC or AVIF image or a film"),
        (b"\x80", "is neither JPEG nor PNG"),
    ],
)
def test_files_of_hospitals_and_phones_are_known_too(head: bytes, said: str) -> None:
    assert no_image(head) == said
