"""Digests of files are computed once, and never told of a file that has changed."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from reson_jupyter.data import digests
from reson_jupyter.data.digests import sha256_of

LONG_AGO = time.time() - 1000


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read."""
    names: list[str] = []
    genuine = hashlib.file_digest

    def noting(file, algorithm):
        names.append(Path(file.name).name)
        return genuine(file, algorithm)

    monkeypatch.setattr(hashlib, "file_digest", noting)
    return names


def write(path: Path, data: bytes, at: float = LONG_AGO) -> Path:
    path.write_bytes(data)
    os.utime(path, (at, at))
    return path


def kept(home: Path) -> int:
    with closing(sqlite3.connect(home / "digests.sqlite")) as connection:
        return int(connection.execute("SELECT count(*) FROM digests").fetchone()[0])


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_file_is_read_once(tmp_path: Path, hashed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a", b"data")
    monkeypatch.chdir(tmp_path)
    assert [sha256_of(path) for path in (tmp_path / "a", Path("a"), tmp_path / "a")] == [digest(b"data")] * 3
    assert hashed == ["a"]


def test_a_file_that_changes_is_read_again(tmp_path: Path, hashed: list[str]) -> None:
    def rewrite_later() -> None:
        write(tmp_path / "a", b"two", LONG_AGO + 1)

    def grow() -> None:
        write(tmp_path / "a", b"three", LONG_AGO + 1)

    def replace() -> None:
        os.replace(write(tmp_path / "b", b"seven", LONG_AGO + 1), tmp_path / "a")

    write(tmp_path / "a", b"one")
    assert sha256_of(tmp_path / "a") == digest(b"one")
    for change, data in ((rewrite_later, b"two"), (grow, b"three"), (replace, b"seven")):
        change()
        assert sha256_of(tmp_path / "a") == sha256_of(tmp_path / "a") == digest(data)
    assert hashed == ["a"] * 4


def test_a_file_that_was_written_a_moment_ago_is_not_remembered(tmp_path: Path, hashed: list[str]) -> None:
    write(tmp_path / "a", b"one", time.time())  # it can be written once more within the same tick of the file system's clock
    assert sha256_of(tmp_path / "a") == sha256_of(tmp_path / "a") == digest(b"one")
    assert hashed == ["a", "a"]


def test_a_file_that_changes_while_it_is_read_is_not_remembered(
    tmp_path: Path, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a", b"one")
    noting: Callable[..., object] = hashlib.file_digest

    def while_it_is_written(file, algorithm):
        found = noting(file, algorithm)
        write(tmp_path / "a", b"two", LONG_AGO + len(hashed))
        return found

    monkeypatch.setattr(hashlib, "file_digest", while_it_is_written)
    sha256_of(tmp_path / "a")
    monkeypatch.setattr(hashlib, "file_digest", noting)
    assert sha256_of(tmp_path / "a") == sha256_of(tmp_path / "a") == digest(b"two")
    assert hashed == ["a", "a"]


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sha256_of(tmp_path / "none")
    with pytest.raises(OSError):
        sha256_of(tmp_path)


def test_without_a_home_it_only_takes_longer(home: Path, tmp_path: Path, hashed: list[str]) -> None:
    home.write_bytes(b"a file in the way")
    write(tmp_path / "a", b"data")
    assert sha256_of(tmp_path / "a") == sha256_of(tmp_path / "a") == digest(b"data")
    assert hashed == ["a", "a"]


def test_a_file_that_changed_in_place_and_had_its_time_set_back_is_read_again(tmp_path: Path, hashed: list[str]) -> None:
    path = write(tmp_path / "a", b"data")
    assert sha256_of(path) == digest(b"data")
    with path.open("r+b") as file:
        file.write(b"atad")
    os.utime(path, (LONG_AGO, LONG_AGO))
    assert sha256_of(path) == digest(b"atad")
    assert hashed == ["a", "a"]


def test_a_damaged_cache_is_begun_anew(home: Path, tmp_path: Path, hashed: list[str]) -> None:
    home.mkdir()
    (home / "digests.sqlite").write_bytes(b"no database " * 500)
    write(tmp_path / "a", b"data")
    assert [sha256_of(tmp_path / "a") for _ in range(3)] == [digest(b"data")] * 3
    assert hashed in (["a"], ["a", "a"])
    assert kept(home) == 1


def test_of_many_files_the_least_recently_asked_for_are_forgotten(
    tmp_path: Path, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "KEPT", 3)
    for name in "abcde":
        write(tmp_path / name, name.encode())
    for name in "abcadea":
        assert sha256_of(tmp_path / name) == digest(name.encode())
    assert hashed == list("abcde")
    sha256_of(tmp_path / "b")
    assert hashed == list("abcdeb")


def test_a_name_that_is_no_text_is_a_file_like_any_other(tmp_path: Path, hashed: list[str]) -> None:
    path = write(tmp_path / os.fsdecode(b"caf\xe9"), b"data")
    assert sha256_of(path) == sha256_of(path) == digest(b"data")
    assert len(hashed) == 1


def test_many_threads_and_processes_ask_at_once(tmp_path: Path, home: Path) -> None:
    paths = [write(tmp_path / f"{number}", b"%d" % number) for number in range(20)]
    code = (
        "import sys, pathlib\nfrom reson_jupyter.data.digests import sha256_of\n"
        "print(*[sha256_of(pathlib.Path(path)) for path in sys.argv[1:]])"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", code, *map(str, paths)], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    wanted = [digest(b"%d" % number) for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(sha256_of, paths * 3)) == wanted * 3
    assert [other.communicate()[0].split() for other in others] == [wanted] * 2
    assert kept(home) == 20
