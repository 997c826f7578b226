"""Unpacking a shard that nobody vouches for: whole and inside its folder, or not at all."""

from __future__ import annotations

import random
import stat
import struct
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reson_jupyter.data.problems import Problems
from reson_jupyter.data.shards import check_shards, read_shard
from reson_jupyter.data.unpack import open_zip, unpack_shard
from reson_jupyter.data.zip_problems import find_problems
from reson_jupyter.errors import ResonError, ShardError
from reson_jupyter.worker import zip_rules

from .zips import patched, write_shard, write_zip


@pytest.fixture(autouse=True)
def canary(tmp_path: Path):
    """A file beside the folder that no zip may touch, in a folder where nothing may appear."""
    path = tmp_path / "canary"
    path.write_bytes(b"canary")
    yield path
    assert path.read_bytes() == b"canary"
    assert {entry.name for entry in tmp_path.iterdir()} <= {"canary", "s.zip", "site"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(path: Path, dest: Path, why: str) -> None:
    """The zip is refused before anything is written, and the check says the same."""
    with pytest.raises(ShardError, match=why):
        unpack_shard(path, dest)
    assert not dest.exists()
    assert any(why in problem for problem in read_shard(path, manifest_required=False).problems.shown)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_good_shard_is_unpacked_as_it_was_packed(tmp_path: Path, method: int) -> None:
    members = {"manifest.ndjson": b"{}", "images/a b/é.png": bytes(range(256)) * 9_000, "empty": b"", "-rf": b"x", "a..b": b"y"}
    unpack_shard(write_zip(tmp_path / "s.zip", members, method), tmp_path / "site")
    assert contents(tmp_path / "site") == members


def test_empty_folders_are_kept(tmp_path: Path) -> None:
    unpack_shard(write_zip(tmp_path / "s.zip", {"data/": b"", "data/none/": b"", "data/a": b"x"}), tmp_path / "site")
    assert (tmp_path / "site/data/none").is_dir()
    assert contents(tmp_path / "site") == {"data/a": b"x"}


def test_what_macos_adds_is_not_unpacked(tmp_path: Path) -> None:
    litter = [".DS_Store", "a/.DS_Store", "._b", "a/._c", "__MACOSX/", "__MACOSX/a/._c", "a/__MACOSX/d"]
    kept = {"a/c": b"1", ".DS_Store.png": b"2", "a._b": b"3", "MACOSX": b"4", ".hidden": b"5"}
    unpack_shard(write_zip(tmp_path / "s.zip", kept | dict.fromkeys(litter, b"")), tmp_path / "site")
    assert contents(tmp_path / "site") == kept
    assert {path.name for path in (tmp_path / "site").iterdir()} == {"a", ".DS_Store.png", "a._b", "MACOSX", ".hidden"}


def test_a_shard_is_not_unpacked_over_other_files(tmp_path: Path) -> None:
    write_shard(tmp_path / "s.zip", 0)
    (tmp_path / "site").mkdir()
    unpack_shard(tmp_path / "s.zip", tmp_path / "site")
    before = contents(tmp_path / "site")
    with pytest.raises(ShardError, match="not empty"):
        unpack_shard(tmp_path / "s.zip", tmp_path / "site")
    assert contents(tmp_path / "site") == before


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../canary", "outside"),
        ("a/../../canary", "outside"),
        ("..", "outside"),
        ("/tmp/canary", "outside"),
        ("C:/canary", "outside"),
        ("c:canary", "outside"),
        ("..\\canary", "backslash"),
        ("a\\b", "backslash"),
        ("a\nb", "control character"),
        ("a\x7fb", "control character"),
        ("a//b", "empty, a dot"),
        ("./a", "empty, a dot"),
        ("a/.", "empty, a dot"),
        ("x" * 256, "too long"),
        ("é" * 128, "too long"),
        ("a/" * 33 + "b", "more than 32 folders"),
        ("/".join(["x" * 200] * 5), "or 1,000 bytes"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str, why: str) -> None:
    refused(write_zip(tmp_path / "s.zip", {"good": b"x", name: b"evil"}), tmp_path / "site", why)


def test_a_name_with_a_nul_is_refused_though_python_would_cut_it_there(tmp_path: Path) -> None:
    write_zip(tmp_path / "s.zip", {"goodXbad": b"x"})
    data = (tmp_path / "s.zip").read_bytes()
    (tmp_path / "s.zip").write_bytes(data.replace(b"goodXbad", b"good\0bad"))
    refused(tmp_path / "s.zip", tmp_path / "site", "control character")


@pytest.mark.parametrize(
    ("first", "second"), [("a.png", "A.PNG"), ("é", "e\u0301"), ("straße", "STRASSE"), ("ΐ", "Ϊ́"), ("dir/", "DIR")]
)
def test_names_that_some_file_systems_take_for_one_are_refused(tmp_path: Path, first: str, second: str) -> None:
    refused(write_zip(tmp_path / "s.zip", {first: b"", second: b""}), tmp_path / "site", "there twice")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.writestr("a", b"1")
        archive.writestr("a", b"2")
    refused(tmp_path / "s.zip", tmp_path / "site", "there twice")


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("x/a", "x/A/c/d")])
def test_a_file_that_is_also_a_folder_is_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    refused(write_zip(tmp_path / "s.zip", dict.fromkeys(names, b"")), tmp_path / "site", "a file and a folder at once")


def test_a_member_that_has_another_name_for_newer_pythons_is_refused(tmp_path: Path) -> None:
    problems = Problems()
    with open_zip(write_zip(tmp_path / "s.zip", {"a": b"x"})) as archive:
        archive.infolist()[0].filename = "b"  # as they take it from a field of the member
        find_problems(archive, problems)
    assert problems.shown == ["member 'a' has a second name, 'b'"]


def test_names_that_make_too_many_folders_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_rules, "_reson_MAX_MEMBERS", 10)
    refused(
        write_zip(tmp_path / "s.zip", {"a/b/c/d/e/f/": b"", "1/2/3/4/5/6": b"x"}), tmp_path / "site", "make more than 10 folders"
    )


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_links_and_special_files_are_refused(tmp_path: Path, kind: int) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.writestr(info, "../canary")
    refused(tmp_path / "s.zip", tmp_path / "site", "special file")


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    patched(write_zip(tmp_path / "s.zip", {"a": b"x"}), 8, struct.pack("<H", 1))
    refused(tmp_path / "s.zip", tmp_path / "site", "encrypted")


@pytest.mark.parametrize("method", [1, 9, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 97])
def test_ways_of_compression_that_are_unknown_or_have_no_bounds_are_refused(tmp_path: Path, method: int) -> None:
    patched(write_zip(tmp_path / "s.zip", {"a": b"x"}), 10, struct.pack("<H", method))
    refused(tmp_path / "s.zip", tmp_path / "site", f"method {method}")


@pytest.mark.parametrize(("size", "packed", "why"), [(10, 500, "10 and 500 bytes"), (500, 10, "500 and 10 bytes")])
def test_a_stored_member_of_two_sizes_is_refused(tmp_path: Path, size: int, packed: int, why: str) -> None:
    patched(write_zip(tmp_path / "s.zip", {"a": b"x" * 500}), 20, struct.pack("<II", packed, size))
    refused(tmp_path / "s.zip", tmp_path / "site", why)


def test_an_absurd_size_is_refused(tmp_path: Path) -> None:
    write_zip(tmp_path / "s.zip", {f"{n}": b"x" for n in range(600)}, zipfile.ZIP_DEFLATED)
    data = (tmp_path / "s.zip").read_bytes()
    head, rest = data[: data.index(b"PK\x01\x02")], data[data.index(b"PK\x01\x02") :]
    entries = rest.split(b"PK\x01\x02")
    huge = [entry[:20] + struct.pack("<I", 0xFFFFFFF0) + entry[24:] for entry in entries[1:]]
    (tmp_path / "s.zip").write_bytes(head + b"PK\x01\x02" + b"PK\x01\x02".join(huge))
    refused(tmp_path / "s.zip", tmp_path / "site", "at most")


def test_a_table_of_text_or_some_masks_among_images_are_no_bomb(tmp_path: Path) -> None:
    table = b"".join(b"%d,hospital-a,0.0,0.0,0.0,0.0,1.0,0.0\n" % row for row in range(100_000))
    mask, image = bytes(16_000_000), random.Random(0).randbytes(400_000)
    write_zip(tmp_path / "s.zip", {"table.csv": table, "mask": mask, "image": image}, zipfile.ZIP_DEFLATED)
    unpack_shard(tmp_path / "s.zip", tmp_path / "site")
    assert contents(tmp_path / "site") == {"table.csv": table, "mask": mask, "image": image}


def test_a_small_shard_of_zeros_is_no_bomb(tmp_path: Path) -> None:
    unpack_shard(write_zip(tmp_path / "s.zip", {"mask": bytes(1_000_000)}, zipfile.ZIP_DEFLATED), tmp_path / "site")
    assert contents(tmp_path / "site") == {"mask": bytes(1_000_000)}


@pytest.mark.parametrize("size", [0, 10, 499, 501, 5_000])
def test_a_size_that_lies_is_noticed_and_nothing_is_left(tmp_path: Path, size: int) -> None:
    write_zip(tmp_path / "s.zip", {"b": b"x" * 500, "a": b"y" * 500}, zipfile.ZIP_DEFLATED)
    patched(tmp_path / "s.zip", 24, struct.pack("<I", size))
    with pytest.raises(ShardError, match="cannot be unpacked"):
        unpack_shard(tmp_path / "s.zip", tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_a_damaged_member_leaves_nothing(tmp_path: Path) -> None:
    write_zip(tmp_path / "s.zip", {"a": b"x" * 500, "b": b"y" * 500})
    data = (tmp_path / "s.zip").read_bytes()
    (tmp_path / "s.zip").write_bytes(data.replace(b"yyyy", b"yyzy", 1))
    with pytest.raises(ShardError, match="CRC"):
        unpack_shard(tmp_path / "s.zip", tmp_path / "site")
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip at all" * 99])
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.zip").write_bytes(content)
    refused(tmp_path / "s.zip", tmp_path / "site", "not a zip file")


def test_a_missing_shard_is_a_shard_error(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="cannot be read"):
        unpack_shard(tmp_path / "none.zip", tmp_path / "site")
    with pytest.raises(ShardError, match="cannot be read"):
        read_shard(tmp_path / "none.zip")


def test_too_small_a_disk_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shard(tmp_path / "s.zip", 0)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(ShardError, match="Make room"):
        unpack_shard(tmp_path / "s.zip", tmp_path / "site")
    assert not (tmp_path / "site").exists()


awkward_names = st.text(st.sampled_from("ab./\\:é\u0301A%~ _"), min_size=1, max_size=8)
mutations = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=mutations, cut=st.none() | st.integers(1, 400), method=st.sampled_from([0, 8]))
@example(changes=[(0, 0)], cut=None, method=0)
def test_a_mutated_shard_is_unpacked_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], cut: int | None, method: int
) -> None:
    folder = tmp_path_factory.mktemp("mutated")
    members = {"manifest.ndjson": b'{"id": "1", "uri": "a/1", "y": 1}\n', "a/1": b"image" * 30, "a/2": b"", "b/": b""}
    data = bytearray(write_zip(folder / "s.zip", members, method).read_bytes())
    for place, value in changes:
        data[place % len(data)] = value
    (folder / "s.zip").write_bytes(data[:-cut] if cut else data)
    report = check_shards(folder)
    try:
        unpack_shard(folder / "s.zip", folder / "site")
    except ResonError:
        assert not (folder / "site").exists()
    else:
        assert report.problems.count == 0 or (folder / "site").is_dir()
    assert {entry.name for entry in folder.iterdir()} <= {"s.zip", "site"}


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(awkward_names, min_size=1, max_size=4, unique=True))
def test_whatever_the_names_all_files_lie_inside_or_none(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("names")
    write_zip(folder / "s.zip", {name: b"" if name.endswith("/") else name.encode() for name in names})
    try:
        unpack_shard(folder / "s.zip", folder / "inner/site")
    except ResonError:
        assert not (folder / "inner/site").exists()
    else:
        kept = [name for name in names if not name.endswith("/") and not name.split("/")[-1].startswith("._")]
        assert contents(folder / "inner/site") == {name: name.encode() for name in kept}
    assert {entry.name for entry in folder.iterdir()} <= {"s.zip", "inner"}
