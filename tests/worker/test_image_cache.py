"""Decoded images outlive a process in a file that is whole or not there; damage, full disks and other processes do no harm."""

from __future__ import annotations

import errno
import gc
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reson_jupyter.worker import image_cache
from reson_jupyter.worker.image_cache import _rt_ImageCache, _rt_NoCache

COUNT, SIZE = 5, 4
BYTES = COUNT * (3 * SIZE * SIZE + 4) + 32
IMAGES = np.random.default_rng(0).integers(1, 256, (COUNT, 3, SIZE, SIZE), "uint8")


def name(number: int = 0) -> str:
    return f"{number:064x}-{SIZE}-0123456789ab.u8"


def cache(folder: Path, number: int = 0) -> Any:
    return _rt_ImageCache(str(folder), name(number), COUNT, SIZE)


def filled(folder: Path, number: int = 0) -> Any:
    made = cache(folder, number)
    for row, image in enumerate(IMAGES):
        made.put(row, image)
    return made


def held(found: Any) -> list[int]:
    rows = [row for row in range(COUNT) if found.holds(row)]
    assert all(np.array_equal(found.rows[row], IMAGES[row]) for row in rows), "what is held must be what was put"
    return rows


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_put_is_held_at_once_and_by_whoever_opens_the_complete_file(tmp_path: Path) -> None:
    made = cache(tmp_path)
    assert (made.reused, made.complete, held(made)) == (False, False, [])
    made.put(3, IMAGES[3])
    assert (made.complete, held(made)) == (False, [3])
    for row in (0, 1, 2, 4):
        made.put(row, IMAGES[row])
    assert (made.reused, made.complete, held(made)) == (False, True, [0, 1, 2, 3, 4])
    again = cache(tmp_path)
    assert (again.reused, again.complete, held(again)) == (True, True, [0, 1, 2, 3, 4])
    assert files(tmp_path) == [name()] and (tmp_path / name()).stat().st_size == made.bytes == again.bytes == BYTES
    assert (tmp_path / name()).stat().st_mode & 0o077 == 0, "they are somebody's images"
    assert made.trouble == again.trouble == ""


def test_an_image_put_twice_counts_once(tmp_path: Path) -> None:
    made = cache(tmp_path)
    for _ in range(COUNT):
        made.put(0, IMAGES[0])
    assert not made.complete and held(made) == [0]


def test_two_that_make_the_same_file_at_once_each_see_their_own_until_either_is_complete(tmp_path: Path) -> None:
    first, second = cache(tmp_path), cache(tmp_path)
    first.put(0, IMAGES[0])
    assert (held(first), held(second)) == ([0], [])
    for each in (first, second):
        for row, image in enumerate(IMAGES):
            each.put(row, image)
    assert held(first) == held(second) == held(cache(tmp_path)) == [0, 1, 2, 3, 4]
    assert files(tmp_path) == [name()]


def test_an_incomplete_file_goes_with_whoever_made_it(tmp_path: Path) -> None:
    made = cache(tmp_path)
    made.put(0, IMAGES[0])
    assert len(files(tmp_path)) == 1
    del made
    gc.collect()
    assert files(tmp_path) == []


def test_without_a_name_nothing_is_ever_seen_in_the_folder(tmp_path: Path) -> None:
    made = _rt_ImageCache(str(tmp_path / "images"), "", COUNT, SIZE)
    for row, image in enumerate(IMAGES):
        made.put(row, image)
    assert made.complete and held(made) == [0, 1, 2, 3, 4] and files(tmp_path / "images") == []
    assert held(_rt_ImageCache(None, "", COUNT, SIZE)) == []


# Damage


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[:100],
        lambda data: data + b"\0",
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[:-33] + bytes([data[-33] ^ 1]) + data[-32:],
        lambda data: bytes(len(data)),
    ],
)
def test_a_file_cut_short_or_with_a_damaged_end_is_made_anew(tmp_path: Path, damage: Any) -> None:
    filled(tmp_path)
    path = tmp_path / name()
    path.write_bytes(damage(path.read_bytes()))
    assert (cache(tmp_path).reused, files(tmp_path)) == (False, [])
    filled(tmp_path)
    assert held(cache(tmp_path)) == [0, 1, 2, 3, 4]


def test_a_damaged_image_is_not_held_is_told_and_is_mended_by_putting_it_again(tmp_path: Path) -> None:
    filled(tmp_path)
    with (tmp_path / name()).open("r+b") as file:
        file.seek(2 * 3 * SIZE * SIZE + 7)
        file.write(b"\0")
    found = cache(tmp_path)
    assert (found.reused, held(found)) == (True, [0, 1, 3, 4])
    assert found.trouble == "some images in the file were damaged and are decoded anew"
    found.put(2, IMAGES[2])
    assert held(found) == held(cache(tmp_path)) == [0, 1, 2, 3, 4]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, BYTES - 1), garbage=st.binary(min_size=1, max_size=120), cut=st.booleans())
def test_whatever_happens_to_a_file_what_is_held_is_what_was_put(tmp_path: Path, place: int, garbage: bytes, cut: bool) -> None:
    filled(tmp_path)
    path = tmp_path / name()
    data = path.read_bytes()
    path.write_bytes(data[:place] + garbage + (b"" if cut else data[place + len(garbage) :]))
    found = cache(tmp_path)
    kept = set(held(found))
    for row in range(COUNT):
        found.put(row, IMAGES[row])
    assert held(found) == held(cache(tmp_path)) == [0, 1, 2, 3, 4]
    first, last = place // (3 * SIZE * SIZE), (place + len(garbage) - 1) // (3 * SIZE * SIZE)
    assert kept in (set(), set(range(COUNT))) or kept >= set(range(COUNT)) - set(range(first, last + 1))


# Other processes


_OTHER = """
import sys, numpy
from reson_jupyter.worker.image_cache import _rt_ImageCache
cache = _rt_ImageCache(sys.argv[1], sys.argv[2], 5, 4)
if cache.reused:
    assert all(cache.holds(row) for row in range(5))
else:
    cache.put(0, numpy.ones((3, 4, 4), "uint8"))
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path: Path) -> Any:
    """Starts a process that has a cache open, half made or reused."""
    started = []

    def start(number: int = 0) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", _OTHER, str(tmp_path), name(number)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout and process.stdout.readline() == b"ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_what_a_killed_process_has_left_is_swept_away_and_what_a_live_one_makes_is_not(tmp_path: Path, other: Any) -> None:
    process = other()
    (left,) = files(tmp_path)
    assert left.startswith(name()) and left.endswith(".part")
    cache(tmp_path, 1)
    assert left in files(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert left in files(tmp_path)
    cache(tmp_path, 1)
    assert left not in files(tmp_path)


def test_the_least_recently_used_goes_first_and_none_that_a_live_process_has_open(
    tmp_path: Path, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESON_CACHE_BYTES", str(3 * BYTES))
    for number in range(3):
        filled(tmp_path, number)
        os.utime(tmp_path / name(number), (number, number))
    gc.collect()
    assert files(tmp_path) == [name(0), name(1), name(2)]
    user = other(0)  # so that 1 is the least recently used
    filled(tmp_path, 3)
    assert files(tmp_path) == [name(0), name(2), name(3)]
    os.utime(tmp_path / name(0), (0, 0))
    filled(tmp_path, 4)
    assert files(tmp_path) == [name(0), name(3), name(4)], "0 is in use"
    user.communicate()
    os.utime(tmp_path / name(0), (0, 0))
    filled(tmp_path, 5)
    assert files(tmp_path) == [name(3), name(4), name(5)]


def test_what_lies_in_the_folder_and_is_no_cache_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESON_CACHE_BYTES", str(BYTES))
    others = ["download.part", "notes.u8", f"{name()}.part", f"{'0' * 64}.u8", "a.txt"]
    for other_name in others:
        (tmp_path / other_name).write_bytes(bytes(10 * BYTES))
    filled(tmp_path, 1)
    filled(tmp_path, 2)
    assert files(tmp_path) == sorted([*others, name(2)])


# When there can be none


@pytest.mark.parametrize(
    ("allowed", "message"),
    [
        ("0", r"it takes 0.0 MB of 0.0 MB for all caches \(RESON_CACHE_BYTES\)"),
        (str(BYTES - 1), "for all caches"),
        ("10GB", "RESON_CACHE_BYTES is '10GB', which is no number of bytes such as 10737418240"),
        ("-1", "RESON_CACHE_BYTES is '-1'"),
    ],
)
def test_a_limit_that_is_too_small_or_none_says_so_and_costs_no_other_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: str, message: str
) -> None:
    filled(tmp_path)
    gc.collect()
    monkeypatch.setenv("RESON_CACHE_BYTES", allowed)
    with pytest.raises(_rt_NoCache, match=message):
        cache(tmp_path, 1)
    assert files(tmp_path) == [name()]


def test_a_disk_that_is_too_small_says_how_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = image_cache._rt_CACHE_MARGIN + 10**6
    monkeypatch.setattr(image_cache._rt_shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert not cache(tmp_path).reused
    with pytest.raises(_rt_NoCache, match=r"it takes 1.5 MB, and the disk has no more than 1.0 MB to spare"):
        _rt_ImageCache(str(tmp_path), name(), 10, 224)
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(_rt_NoCache, match=r"there is no writing to .*/file/cache \(.*Not a directory"):
        cache(tmp_path / "file" / "cache")


def test_a_disk_that_fills_up_meanwhile_keeps_what_fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, genuine = cache(tmp_path), os.pwrite

    def full(file: int, data: Any, place: int) -> int:
        if place >= 2 * 3 * SIZE * SIZE + 8:
            raise OSError(errno.ENOSPC, "No space left on device")
        return genuine(file, data[:8], place)

    monkeypatch.setattr(image_cache._rt_os, "pwrite", full)
    for row, image in enumerate(IMAGES):
        made.put(row, image)
    assert (held(made), made.complete) == ([0, 1], False)
    assert made.trouble == "what could not be written is decoded again each time ([Errno 28] No space left on device)"
    monkeypatch.undo()
    assert not cache(tmp_path).reused
