"""Whatever a shard holds and names, nothing outside its folder is written or read, and what is refused costs next to nothing."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from reson_jupyter.backend.rehearsal.sample import unpack_sample
from reson_jupyter.data.manifest import scan_manifest
from reson_jupyter.data.problems import Problems
from reson_jupyter.data.shards import check_shards, infer_num_classes
from reson_jupyter.data.unpack import open_member, open_zip, unpack_shard
from reson_jupyter.errors import ConfigError, ShardError
from reson_jupyter.worker.shard import _rt_member
from tests.patience import cpu_seconds

from .evil import EVIL, EVIL_MANIFESTS
from .zips import write_zip

SECONDS = 0.1
BYTES = 50 << 20


def unpack(path: Path) -> str:
    with pytest.raises(ShardError) as caught:
        unpack_shard(path, path.parent / "site")
    return str(caught.value)


def rehearse(path: Path) -> str:
    with pytest.raises(ShardError) as caught:
        unpack_sample(path, "manifest.ndjson", 1, path.parent / "site")
    return str(caught.value)


def check(path: Path) -> str:
    return "\n".join(check_shards(path.parent).problems.shown)


READERS: list[Callable[[Path], str]] = [unpack, rehearse, check]


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The evil zips, each in a folder of its own."""
    folder = tmp_path_factory.mktemp("evil")
    zips = {name: folder / str(number) / "s.zip" for number, name in enumerate(EVIL)}
    for name, path in zips.items():
        path.parent.mkdir()
        EVIL[name][0](path)
    return zips


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("name", EVIL)
def test_an_evil_zip_is_refused_and_writes_nothing(
    tmp_path: Path, evil: dict[str, Path], name: str, read: Callable[[Path], str]
) -> None:
    why, folder = EVIL[name][1], tmp_path / "inner"
    folder.mkdir()
    for place in (tmp_path, folder):
        (place / "canary").write_bytes(b"canary")
    shutil.copy(evil[name], folder)
    message = read(folder / "s.zip")
    assert (why.removeprefix("cannot be unpacked: ") if read is check else why) in message
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} == {
        "canary",
        "inner",
        "inner/canary",
        "inner/s.zip",
    }
    assert (tmp_path / "canary").read_bytes() == (folder / "canary").read_bytes() == b"canary"
    assert len(message) < 20_000


def memory_of(read: Callable[[Path], str], path: Path) -> int:
    """Bytes at most at once."""
    tracemalloc.start()
    try:
        read(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("name", EVIL)
def test_an_evil_zip_is_refused_quickly_and_in_little_memory(
    evil: dict[str, Path], name: str, read: Callable[[Path], str]
) -> None:
    read(evil[name])  # what is imported only then does not count
    assert cpu_seconds(lambda: read(evil[name])) < SECONDS
    assert memory_of(read, evil[name]) < BYTES


@pytest.mark.parametrize("name", EVIL_MANIFESTS)
def test_an_evil_manifest_is_refused_in_little_time_and_memory(tmp_path: Path, name: str) -> None:
    write, why = EVIL_MANIFESTS[name]
    write(tmp_path / "s.zip")
    assert why in check(tmp_path / "s.zip")
    assert cpu_seconds(lambda: check(tmp_path / "s.zip")) < SECONDS
    assert memory_of(check, tmp_path / "s.zip") < BYTES


def test_a_long_manifest_takes_memory_for_its_ids_only(tmp_path: Path) -> None:
    line = '{"id": "%d", "uri": "a", "y": 0, "meta": {"note": "' + "x" * 3_000 + '"}}\n'
    data = "".join(line % number for number in range(20_000)).encode()
    path = write_zip(tmp_path / "s.zip", {"manifest.ndjson": data, "a": b"x"})
    found = check_shards(tmp_path, images="none")
    assert (found.samples, found.problems.shown) == (20_000, [])
    assert len(data) > 60_000_000
    assert memory_of(lambda path: repr(check_shards(path.parent, images="none")), path) < 16 << 20


@pytest.mark.parametrize("name", ["a\x1b[31m\u202e\nno problems.zip", os.fsdecode(b"a\xff.zip"), "a\u2028\x9b2J.zip"])
def test_a_name_cannot_change_what_people_see(tmp_path: Path, name: str) -> None:
    bad, good = tmp_path / "bad", tmp_path / "good"
    for folder in (bad, good):
        folder.mkdir()
    (bad / name).write_bytes(b"no zip")
    for one in (name, f"b{name}"):
        write_zip(good / one, {"manifest.ndjson": b'{"id": "1", "uri": "a", "y": 7}\n', "a": b"x"})
    found = check_shards(good, num_classes=2, images="none")
    assert found.warnings and found.problems.count
    with pytest.raises(ShardError) as refused, open_zip(bad / name):
        pass
    with pytest.raises(ConfigError) as too_few:
        infer_num_classes(found, 2)
    with pytest.raises(ShardError) as unsafe:
        check_shards(bad, manifest_required=True).raise_for_problems()
    texts = [
        *found.warnings,
        *found.problems.shown,
        unpack(bad / name),
        str(refused.value),
        str(too_few.value),
        str(unsafe.value),
    ]
    texts += [repr(found), found._repr_html_(), repr(check_shards(bad, manifest_required=True))]
    for text in texts:
        assert text.replace("\n", "").isprintable()
        assert not any(line.startswith("no problems") for line in text.splitlines())
        text.encode()
    assert all(repr(name)[1:-1] in text for text in (repr(found), str(refused.value)))


def test_a_directory_too_large_for_the_memory_is_not_read(tmp_path: Path) -> None:
    size = 300 << 20
    with (tmp_path / "s.zip").open("wb") as file:
        file.seek(size)
        file.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, size, 0, 0))
    tracemalloc.start()
    try:
        assert "its directory has 314,572,800 bytes" in unpack(tmp_path / "s.zip")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_member_that_lies_about_its_size_takes_no_more_memory_than_it_claims(evil: dict[str, Path]) -> None:
    with open_zip(evil["lying and deflated"]) as archive:
        tracemalloc.start()
        try:
            with pytest.raises(Exception, match="Bad CRC"), open_member(archive, archive.infolist()[0]) as file:
                while file.readline(1_000):
                    pass
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()


# What a manifest names

PAYLOADS = [
    "../canary.png",
    "images/../../canary.png",
    "images/../a.png",
    "file://../canary.png",
    "file:///etc/passwd",
    "file:/etc/passwd",
    "file://localhost/../etc/passwd",
    "FILE:///etc/passwd",
    "/etc/passwd",
    "//host/share/a.png",
    "%2e%2e/canary.png",
    "images/%2e%2e%2fcanary.png",
    "%252e%252e/canary.png",
    "images/%252e%252e%252fcanary.png",
    "..%5ccanary.png",
    "..\\canary.png",
    "..\\\\canary.png",
    "images\\..\\..\\canary.png",
    "C:/canary.png",
    "c:canary.png",
    "images/a.png\0.jpg",
    "images/a.png%00.jpg",
    "images/a\n.png",
    "images/a\u202egnp.png",
    "http://127.0.0.1/a.png",
    "http://images.example.org/a.png",
    "http:/images.example.org/a.png",
    "HTTPS://images.example.org/a.png",
    "https://169.254.169.254/latest/meta-data/a.png",
    "https://images.example.org@127.0.0.1/a.png",
    "https://images.example.org:8443/a.png",
    "https://images.example.org/a.png#b",
    "https:images.example.org/a.png",
    "s3://bucket/a.png",
    "data:image/png;base64,AAAA",
    "dbfs:/a.png",
]


def uri_problems(uri: str, image_hosts: list[str]) -> list[str]:
    problems = Problems()
    line = json.dumps({"id": "1", "uri": uri, "y": 0}).encode()
    assert bool(list(scan_manifest(io.BytesIO(line), problems, image_hosts))) != bool(problems.count)
    return problems.shown


@pytest.mark.parametrize("uri", PAYLOADS)
def test_a_uri_that_could_mean_another_place_is_refused_by_the_check_and_by_the_sites(uri: str) -> None:
    assert uri_problems(uri, ["images.example.org"])
    with pytest.raises(ValueError):
        _rt_member(uri, ["images.example.org"])


@pytest.mark.parametrize("host", ["host", "localhost", "127.0.0.1", "etc"])
def test_a_host_in_a_file_uri_is_only_a_folder_of_the_shard(host: str) -> None:
    assert _rt_member(f"file://{host}/x.png", []) == f"{host}/x.png"
    assert uri_problems(f"file://{host}/x.png", []) == []


@pytest.mark.parametrize("hosts", [["images.example.org"], ["other.example", "images.example.org"]])
def test_an_https_address_of_an_allowed_host_is_taken_by_the_check_and_by_the_sites(hosts: list[str]) -> None:
    uri = "https://images.example.org/a.png?X-Amz-Signature=a%2Fb"
    assert uri_problems(uri, hosts) == []
    assert _rt_member(uri, hosts) == uri


def test_https_is_off_unless_a_host_is_allowed_and_the_message_says_how() -> None:
    uri = "https://images.example.org/a.png?X-Amz-Signature=canary"
    why = (
        "'https://images.example.org/a.png': sites fetch no images from images.example.org; put the image into the shard, or "
        "allow the host: %reson config 'image_hosts=[\"images.example.org\"]'"
    )
    assert uri_problems(uri, []) == [f"line 1: uri {why}"]
    with pytest.raises(ValueError) as caught:
        _rt_member(uri, [])
    assert str(caught.value) == why


@pytest.mark.parametrize(
    "uri", ["http://h/a.png?s=canary", "s3://canary@h/a?s=canary", "https:/h/a.png?s=canary", "https://h/#canary"]
)
def test_what_may_be_secret_in_an_address_is_not_shown(uri: str) -> None:
    assert "canary" not in uri_problems(uri, ["h"])[0]


# Pickles


class Canary:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_pickle_is_no_manifest_and_no_image_and_is_never_unpickled(tmp_path: Path) -> None:
    evil = pickle.dumps(Canary(tmp_path / "fired"))
    pickle.loads(evil)  # noqa: S301 - it is of this test
    (tmp_path / "fired").unlink()  # it would have worked
    (tmp_path / "shards").mkdir()
    write_zip(tmp_path / "shards/0.zip", {"manifest.ndjson": evil, "a.png": evil})
    write_zip(tmp_path / "shards/1.zip", {"manifest.ndjson": b'{"id": "1", "uri": "a.png", "y": 0}', "a.png": evil})
    shown = "\n".join(check_shards(tmp_path / "shards", images="all").problems.shown)
    assert "0.zip: manifest.ndjson: line 1: it is not" in shown
    assert "1.zip: manifest.ndjson: line 1: 'a.png' is neither JPEG nor PNG but a pickle" in shown
    for number in range(2):
        unpack_shard(tmp_path / f"shards/{number}.zip", tmp_path / f"site-{number}")
    assert not (tmp_path / "fired").exists()
