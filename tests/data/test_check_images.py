"""Files of a shard that are damaged, and images that the sites cannot read: found before anything is sent."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

import reson_jupyter as reson
from reson_jupyter.data.images import SAMPLED, spread
from reson_jupyter.data.shards import check_shards
from reson_jupyter.data.unpack import unpack_shard
from reson_jupyter.errors import ConfigError, ResonError, ShardError
from reson_jupyter.worker.decode import _rt_decode
from reson_jupyter.worker.shard import _rt_read_manifest
from tests.runs.models import SmallNet, fl_train

from .zips import manifest, write_zip


def image(kind: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (12, 9), **options: Any) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 90).convert(mode).save(out, kind, **options)
    return out.getvalue()


GOOD = image()
LARGE = image(size=(99, 99))


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of some bytes whose header names any size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def write_images(path: Path, *images: bytes, **extra: bytes) -> Path:
    members = {f"images/{number}.png": data for number, data in enumerate(images)}
    return write_zip(path, {"manifest.ndjson": manifest(*[0] * len(images)), **members, **extra})


def damage(path: Path, member: str) -> None:
    """Changes the last byte of a stored member, so that its checksum differs."""
    with zipfile.ZipFile(path) as archive:
        found = archive.getinfo(member)
        with archive.open(member):
            end = found.header_offset + 30 + len(member) + found.file_size
    data = bytearray(path.read_bytes())
    data[end - 1] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        image("JPEG"),
        image("JPEG", progressive=True),
        image("JPEG", "CMYK"),
        image("JPEG", "L"),
        image("PNG", "RGBA"),
        image("PNG", "P"),
        image("PNG", "1"),
        image("PNG", "I;16"),
        image("PNG", size=(1, 1)),
        image("PNG", size=(3000, 2)),
    ],
    ids=["jpeg", "progressive", "cmyk", "grey", "alpha", "palette", "bits", "16 bit", "one pixel", "wide"],
)
def test_what_the_sites_read_is_no_problem(tmp_path: Path, data: bytes) -> None:
    write_images(tmp_path / "s.zip", data)
    report = check_shards(tmp_path)
    assert (report.problems.shown, report.shards[0].images_read) == ([], 1)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is neither JPEG nor PNG"),
        (b"no image", "is neither JPEG nor PNG"),
        (image("GIF"), "is neither JPEG nor PNG"),
        (image("TIFF"), "is neither JPEG nor PNG"),
        (image("BMP"), "is neither JPEG nor PNG"),
        (image("JPEG", size=(200, 200))[:-400], "is no usable image: "),
        (image("PNG", size=(200, 200))[:200], "is no usable image: "),
        (LARGE[:400] + bytes(20) + LARGE[420:], "is no usable image: "),
        (png_that_claims(5000, 5000), "is no usable image: it has 5000 x 5000 pixels"),
        (png_that_claims(10_000, 10_000), "is no usable image: it has 10000 x 10000 pixels"),
        (png_that_claims(2**20, 2**20), "is no usable image: "),
    ],
    ids=["empty", "text", "gif", "tiff", "bmp", "cut jpeg", "cut png", "broken png", "large", "very large", "bomb"],
)
def test_what_the_sites_cannot_read_is_named_with_its_line(tmp_path: Path, data: bytes, said: str) -> None:
    write_images(tmp_path / "s.zip", GOOD, data)
    (problem,) = check_shards(tmp_path).problems.shown
    assert problem.startswith(f"s.zip: manifest.ndjson: line 2: 'images/1.png' {said}")
    assert "object at" not in problem  # such as <zipfile.ZipExtFile object at 0x7f...>
    assert check_shards(tmp_path, images="none").problems.count == 0


def test_a_sample_of_many_images_is_read_from_the_first_to_the_last(tmp_path: Path) -> None:
    for bad in (0, 99):
        write_images(tmp_path / "s.zip", *[b"bad" if number == bad else GOOD for number in range(100)])
        report = check_shards(tmp_path)
        assert report.problems.count == 1 and report.shards[0].images_read == SAMPLED
    assert check_shards(tmp_path, images="all").shards[0].images_read == 100
    assert check_shards(tmp_path, images="none").shards[0].images_read == 0


def test_all_images_are_read_when_all_are_asked_for(tmp_path: Path) -> None:
    write_images(tmp_path / "s.zip", *[b"bad" if number in (1, 40) else GOOD for number in range(50)])
    assert check_shards(tmp_path).problems.count < 2
    assert check_shards(tmp_path, images="all").problems.shown == [
        "s.zip: manifest.ndjson: line 2: 'images/1.png' is neither JPEG nor PNG",
        "s.zip: manifest.ndjson: line 41: 'images/40.png' is neither JPEG nor PNG",
    ]


@given(st.integers(0, 300), st.integers(2, 20))
def test_items_are_drawn_evenly(length: int, count: int) -> None:
    drawn = spread(range(length), count)
    assert len(drawn) == min(length, count)
    gaps = [after - before for before, after in pairwise(drawn)]
    assert not drawn or (drawn[0], drawn[-1]) == (0, length - 1)
    assert not gaps or 1 <= min(gaps) <= max(gaps) <= min(gaps) + 1


@pytest.mark.parametrize("required", [True, False])
def test_a_damaged_member_is_a_problem(tmp_path: Path, required: bool) -> None:
    path = write_images(tmp_path / "s.zip", GOOD, GOOD)
    damage(path, "images/1.png")
    (problem,) = check_shards(tmp_path, manifest_required=required).problems.shown
    line = "manifest.ndjson: line 2: " if required else ""
    assert problem == f"s.zip: {line}'images/1.png' is damaged: Bad CRC-32 for file 'images/1.png'"


def test_damage_to_what_is_no_sample_is_found_when_all_is_read(tmp_path: Path) -> None:
    path = write_images(tmp_path / "s.zip", GOOD, **{"notes.txt": b"hello"})
    damage(path, "notes.txt")
    assert check_shards(tmp_path).problems.count == 0
    (problem,) = check_shards(tmp_path, images="all").problems.shown
    assert problem == "s.zip: 'notes.txt' is damaged: Bad CRC-32 for file 'notes.txt'"


def test_what_a_users_own_function_reads_need_be_no_image(tmp_path: Path) -> None:
    write_images(tmp_path / "s.zip", b"numbers", **{"train.csv": b"1,2"})
    report = check_shards(tmp_path, manifest_required=False, images="all")
    assert (report.problems.shown, report.shards[0].images_read) == ([], 0)


def test_another_way_to_read_images_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path / "s.zip", GOOD)
    with pytest.raises(ConfigError, match="images is 'some'"):
        check_shards(tmp_path, images="some")  # type: ignore[arg-type]


# A good shard, changed anywhere


def shard() -> dict[str, bytes]:
    lines = [{"id": f"s{n}", "uri": f"file://images/{n}.png", "y": [n % 2]} for n in range(3)]
    images = {f"images/{n}.png": image(("PNG", "JPEG")[n % 2], size=(5 + n, 4)) for n in range(3)}
    return {"manifest.ndjson": b"".join(json.dumps(line).encode() + b"\n" for line in lines), **images}


def loads(folder: Path) -> None:
    """Reads a shard's every sample as a site does."""
    for _, member, _ in _rt_read_manifest(str(folder), "manifest.ndjson", ()):
        assert _rt_decode(str(folder / member), 8).shape == (3, 8, 8)


def accepted_and_readable_or_refused(folder: Path) -> None:
    """What is accepted is unpacked and read by the sites; what is refused is told in words. Nothing else, and nowhere else."""
    report = check_shards(folder, manifest_required=True, images="all")
    if report.problems.count:
        assert report.problems.shown and all(text.startswith("s.zip") for text in report.problems.shown)
        try:
            unpack_shard(folder / "s.zip", folder / "site")
        except ResonError:
            assert not (folder / "site").exists()
    else:
        unpack_shard(folder / "s.zip", folder / "site")
        loads(folder / "site")
    assert {entry.name for entry in folder.iterdir()} <= {"s.zip", "site"}


anywhere = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
names = st.sampled_from(
    [
        "../x.png",
        "/x.png",
        "images",
        "images/0.png",
        "IMAGES/0.PNG",
        "a\\b",
        "._0.png",
        "__MACOSX/0.png",
        "manifest.ndjson",
        "C:/x",
    ]
) | st.text(st.sampled_from("ab./\\:%~ é\x1f"), min_size=1, max_size=6)
values = st.none() | st.booleans() | st.integers(-3, 10**7) | st.floats() | names | st.lists(st.integers(-1, 5), max_size=3)


@anywhere
@given(
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=5),
    st.none() | st.floats(0, 1),
    st.sampled_from([0, 8, 12, 14]),
)
@example([], None, 0)
@example([(0.0, 0)], None, 0)
@example([], 0.5, 0)
def test_changed_or_missing_bytes(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[float, int]], length: float | None, method: int
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    data = bytearray(write_zip(folder / "s.zip", shard(), method).read_bytes())
    for place, value in changes:
        data[int(place * len(data))] = value
    (folder / "s.zip").write_bytes(data if length is None else data[: int(length * len(data))])
    accepted_and_readable_or_refused(folder)


@anywhere
@given(st.dictionaries(st.sampled_from(list(shard())), names, min_size=1))
def test_members_of_other_names(tmp_path_factory: pytest.TempPathFactory, renamed: dict[str, str]) -> None:
    folder = tmp_path_factory.mktemp("names")
    with zipfile.ZipFile(folder / "s.zip", "w") as archive:
        for name, data in shard().items():
            if renamed.get(name, name) not in archive.namelist():
                archive.writestr(renamed.get(name, name), data)
    accepted_and_readable_or_refused(folder)


@anywhere
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["id", "uri", "y", "meta", "x"]), values), min_size=1, max_size=4))
@example([(0, "uri", "images/1.png")])
@example([(0, "uri", "file://images/2.png"), (1, "id", "other")])
@example([(n, "y", []) for n in range(3)])
def test_other_lines_of_the_manifest(tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, str, Any]]) -> None:
    folder = tmp_path_factory.mktemp("lines")
    members = shard()
    lines = [json.loads(line) for line in members["manifest.ndjson"].splitlines()]
    for line, key, value in changes:
        lines[line][key] = value
    members["manifest.ndjson"] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    write_zip(folder / "s.zip", members)
    accepted_and_readable_or_refused(folder)


@anywhere
@given(
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(b'\r\n\t\0 "{}[]\\,:\x85\xc2\xff')), min_size=1, max_size=4
    )
)
@example([(0.005, 13)])
def test_other_bytes_in_the_manifest(tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[float, int]]) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    members = shard()
    manifest = bytearray(members["manifest.ndjson"])
    for place, value in changes:
        manifest[int(place * len(manifest))] = value
    write_zip(folder / "s.zip", {**members, "manifest.ndjson": bytes(manifest)})
    accepted_and_readable_or_refused(folder)


# At a submit


def test_a_submit_reads_some_images_when_the_default_training_will(tmp_path: Path) -> None:
    write_images(tmp_path / "s.zip", GOOD, b"no image", GOOD)
    with pytest.raises(ShardError, match=r"line 2: 'images/1.png' is neither JPEG nor PNG"):
        reson.build(SmallNet, shards_dir=tmp_path)
    assert reson.build(SmallNet, shards_dir=tmp_path, train=fl_train).files
