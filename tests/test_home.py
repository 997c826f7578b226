"""The folder of everything that outlives a kernel, and paths as users write them, where they cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reson_jupyter.backend.federation.place import new_folder
from reson_jupyter.backend.history import history
from reson_jupyter.backend.job import Job
from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.backend.store import open_store
from reson_jupyter.data.digests import sha256_of
from reson_jupyter.data.making import make_shards
from reson_jupyter.data.shards import check_shards
from reson_jupyter.errors import JobError, ResonError, ShardError, StoreError, TargetError
from reson_jupyter.home import folder_of_home, home

RECORD = RunRecord.new("digits", "local", "file:///nowhere")


@pytest.mark.parametrize("place", ["a_file", "a_file/below", "/dev/null/x", "/proc/nope", "~nobodyxx/x", "zero"])
@pytest.mark.parametrize("use", [home, history.load, RECORD.save])
def test_a_home_that_cannot_be_used_is_told_with_what_to_do(
    place: str, use: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_file").touch()
    (tmp_path / "zero").symlink_to("zero")  # a circle
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESON_HOME", place)
    with pytest.raises(ResonError) as caught:
        use()
    assert "RESON_HOME" in str(caught.value) and place in caught.value.message and caught.value.hint
    assert not (tmp_path / "~nobodyxx").exists()


def test_a_folder_below_home_that_cannot_be_made_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESON_HOME", str(tmp_path))
    (tmp_path / "runs").touch()
    for use in (RECORD.save, lambda: folder_of_home("runs", "x")):
        with pytest.raises(ResonError, match="RESON_HOME"):
            use()


def test_what_can_do_without_a_home_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_file").write_bytes(b"x")
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "a_file"))
    assert len(sha256_of(tmp_path / "a_file")) == 64
    history.add(RECORD, RunProgress())


@pytest.mark.parametrize("path", ["~nobodyxx/x", "a\0b"])
@pytest.mark.parametrize(
    ("use", "error"),
    [
        (lambda path: Job("digits", {}).save(path), JobError),
        (lambda path: check_shards(path), ShardError),
        (lambda path: make_shards(path, "out", sites=2), ShardError),
        (lambda path: make_shards({}, path), ShardError),
        (lambda path: new_folder(path), TargetError),
        (lambda path: open_store(path), StoreError),
    ],
)
def test_a_path_that_can_be_none_is_told_and_nothing_is_made(
    path: str, use: Callable[[str], object], error: type[ResonError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as caught:
        use(path)
    assert repr(path) in str(caught.value)
    assert list(tmp_path.iterdir()) == []
