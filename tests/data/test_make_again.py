"""Making shards where shards are, or of shards."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reson_jupyter.data.making.make as make
from reson_jupyter.data.making import make_shards
from reson_jupyter.errors import ShardError

from .making import class_folders, digests, ids, images, made, records
from .zips import write_shard


def test_shards_of_an_earlier_call_are_replaced_all_of_them(tmp_path: Path) -> None:
    photos, out = class_folders(tmp_path / "photos", cat=20), tmp_path / "shards"
    made(photos, out, 4, test=0.2)
    (out / "README.txt").write_text("mine")
    before = digests(out)["test/test.zip"]
    made(photos, out, 2, test=0.5)
    assert sorted(digests(out)) == ["README.txt", "shard_0.zip", "shard_1.zip", "test/test.zip"]
    assert digests(out)["test/test.zip"] != before


def test_shards_that_somebody_else_put_there_are_neither_replaced_nor_joined(tmp_path: Path) -> None:
    photos, out = class_folders(tmp_path / "photos", cat=20), tmp_path / "shards"
    made(photos, out, 2)
    write_shard(out / "shard_7.ZIP", 0)
    before = digests(out)
    with pytest.raises(ShardError, match=r"that make_shards did not make: shard_7.ZIP\. Each would be the shard of a site"):
        make_shards(photos, out, progress=False)
    assert digests(out) == before


def test_a_test_set_of_somebody_else_is_no_obstacle_unless_there_is_to_be_another(tmp_path: Path) -> None:
    photos, out = class_folders(tmp_path / "photos", cat=20), tmp_path / "shards"
    (out / "test").mkdir(parents=True)
    write_shard(out / "test" / "test.zip", 0)
    before = digests(out)
    with pytest.raises(ShardError, match=r"test\.zip"):
        make_shards(photos, out, test=0.2, progress=False)
    assert digests(out) == before
    made(photos, out)
    assert digests(out).items() > before.items()


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "shards").touch()
    with pytest.raises(ShardError, match="is a file"):
        make_shards(class_folders(tmp_path / "photos", cat=3), tmp_path / "shards", progress=False)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_what_ends_the_writing_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    photos, out = class_folders(tmp_path / "photos", cat=20), tmp_path / "shards"
    made(photos, out, 4)
    before, write_shard = digests(out), make.write_shard

    def fail_at_the_second(path: Path, *arguments: Any) -> None:
        if path.name == "shard_1.zip":
            raise error
        write_shard(path, *arguments)

    monkeypatch.setattr(make, "write_shard", fail_at_the_second)
    for folder in (out, tmp_path / "new"):
        with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else ShardError):
            make_shards(photos, folder, 2, progress=False)
    assert digests(out) == before and not (out / ".making").exists()
    assert not (tmp_path / "new").exists()


def test_what_a_killed_call_left_is_cleared_away(tmp_path: Path) -> None:
    photos, out = class_folders(tmp_path / "photos", cat=20), tmp_path / "shards"
    (out / ".making").mkdir(parents=True)
    (out / ".making" / "shard_9.zip").write_bytes(b"half")
    made(photos, out, 2)
    assert sorted(digests(out)) == ["shard_0.zip", "shard_1.zip"] and not (out / ".making").exists()


def test_a_disk_that_is_too_small_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("reson_jupyter.data.making.destination.shutil.disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(ShardError, match="has room for 1,000"):
        make_shards(class_folders(tmp_path / "photos", cat=20), tmp_path / "shards", progress=False)
    assert not (tmp_path / "shards").exists()


# Shards dealt out anew


def test_shards_can_be_dealt_out_anew(tmp_path: Path) -> None:
    photos = class_folders(tmp_path / "photos", cat=20, dog=10)
    first = made(photos, tmp_path / "shards", 2, test=0.2)
    again = made(tmp_path / "shards", tmp_path / "again", 5)
    assert ids(*again) == ids(*first), "the test set stays what it is"
    all_images = [{name: data for path in paths for name, data in images(path).items()} for paths in (first, again)]
    assert all_images[0] == all_images[1]
    (one,) = made(first[0], tmp_path / "one", 1)
    assert records(one) == records(first[0]) and one.read_bytes() == first[0].read_bytes()


def test_ids_that_each_shard_counts_for_itself_are_told_apart(tmp_path: Path) -> None:
    for number in range(2):
        made([(np.full((4, 4), 10 * number + n, "uint8"), n) for n in range(2)], tmp_path / f"in{number}", 1)
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / f"in{number}" / "shard_0.zip").rename(tmp_path / "in" / f"site{number}.zip")
    shards = made(tmp_path / "in", tmp_path / "out", 2)
    assert ids(*shards) == ["site0/0", "site0/1", "site1/0", "site1/1"]


def test_a_damaged_image_of_a_shard_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200), "uint8")
    (shard,) = made([(noise, 0)], tmp_path / "in", 1)
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    with pytest.raises(ShardError, match=r"shard_0\.zip: images/0\.png(: b| is damaged: B)ad CRC"):
        make_shards(shard, tmp_path / "out", 1, progress=False)
    assert not (tmp_path / "out").exists()


def test_the_zip_that_class_folders_were_unpacked_from_is_no_shard(tmp_path: Path) -> None:
    photos = class_folders(tmp_path / "photos", cat=3)
    (photos / "photos.zip").touch()
    assert len(ids(*made(photos, tmp_path / "out"))) == 3


def test_new_shards_do_not_replace_what_they_are_made_of(tmp_path: Path) -> None:
    out = tmp_path / "shards"
    shards = made(class_folders(tmp_path / "photos", cat=20), out, 4, test=0.2)
    before = digests(out)
    for source in (out, shards[0], out / "test" / "test.zip"):
        with pytest.raises(ShardError, match="that they are made of"):
            make_shards(source, out, progress=False)
    assert digests(out) == before


def test_the_problems_of_all_manifests_are_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_shard(tmp_path / "in" / "a.zip", -1)
    (tmp_path / "in" / "b.zip").write_bytes(b"no zip")
    with zipfile.ZipFile(tmp_path / "in" / "c.zip", "w") as archive:
        archive.writestr("manifest.ndjson", '{"id": "1", "uri": "gone.png", "y": 0}')
    with pytest.raises(ShardError) as caught:
        make_shards(tmp_path / "in", tmp_path / "out", progress=False)
    message = caught.value.message
    for text in ("3 problems", "a.zip: line 1: y must", "b.zip is not a zip file", "c.zip: line 1: 'gone.png' is not in the zip"):
        assert text in message
    assert not (tmp_path / "out").exists()
