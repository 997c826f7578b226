"""A rehearsal takes the first samples out of a shard that nobody vouches for either."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reson_jupyter.backend.rehearsal import sample
from reson_jupyter.backend.rehearsal.sample import unpack_sample

from .zips import manifest, write_zip


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_first_samples_and_what_is_no_sample_are_taken_but_nothing_that_macos_adds(tmp_path: Path) -> None:
    images = {f"images/{number}.png": b"x" for number in range(4)}
    others = {"notes/table.csv": b"1,2", "__MACOSX/images/._0.png": b"x", "images/._0.png": b"x", ".DS_Store": b"x"}
    write_zip(tmp_path / "s.zip", {"manifest.ndjson": manifest(0, 1, 0, 1), **images, **others})
    (tmp_path / "site").mkdir()
    assert unpack_sample(tmp_path / "s.zip", "manifest.ndjson", 2, tmp_path / "site")
    assert files(tmp_path / "site") == {"manifest.ndjson", "images/0.png", "images/1.png", "notes/table.csv"}
    assert (tmp_path / "site/manifest.ndjson").read_bytes() == manifest(0, 1)


def test_images_of_allowed_hosts_count_as_samples_and_are_not_looked_for_in_the_shard(tmp_path: Path) -> None:
    uris = ["https://images.example.org/0.png", "1.png", "2.png", "https://images.example.org/3.png"]
    lines = [json.dumps({"id": uri, "uri": uri, "y": 0}).encode() + b"\n" for uri in uris]
    write_zip(tmp_path / "s.zip", {"manifest.ndjson": b"".join(lines), "1.png": b"x", "2.png": b"x"})
    (tmp_path / "site").mkdir()
    assert unpack_sample(tmp_path / "s.zip", "manifest.ndjson", 2, tmp_path / "site", ["images.example.org"])
    assert files(tmp_path / "site") == {"manifest.ndjson", "1.png"}
    assert (tmp_path / "site/manifest.ndjson").read_bytes() == b"".join(lines[:2])


def test_a_shard_too_large_for_a_rehearsal_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "_MAX_BYTES", 1_000)
    write_zip(tmp_path / "s.zip", {"volume.npy": bytes(1_001)})
    assert not unpack_sample(tmp_path / "s.zip", "manifest.ndjson", 2, tmp_path / "site")
    assert not (tmp_path / "site").exists()
