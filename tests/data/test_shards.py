"""Shards: found, checked, and what they tell of the classes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from reson_jupyter.data.shards import check_shards, find_shards, infer_num_classes, read_shard
from reson_jupyter.errors import ConfigError, ShardError

from .zips import manifest, write_shard, write_zip


def problems(folder: Path, **options: bool) -> list[str]:
    return check_shards(folder, **options).problems.shown


def test_shards_are_the_zips_of_the_folder_in_the_platforms_order(tmp_path: Path) -> None:
    for name in ("shard_2.zip", "shard_10.zip", "Shard.ZIP", "._shard_0.zip", ".hidden.zip", "notes.txt", "zip"):
        write_shard(tmp_path / name, 0)
    (tmp_path / "folder.zip").mkdir()
    (tmp_path / "inner").mkdir()
    write_shard(tmp_path / "inner/shard_3.zip", 0)
    assert [path.name for path in find_shards(tmp_path)] == ["Shard.ZIP", "shard_10.zip", "shard_2.zip"]


def test_a_folder_without_shards_says_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "._shard_0.zip").touch()
    for folder in (tmp_path, tmp_path / "none", tmp_path / "._shard_0.zip"):
        with pytest.raises(ShardError) as caught:
            find_shards(folder)
        assert str(folder) in caught.value.message
        assert caught.value.hint is not None and "one zip per site" in caught.value.hint


def test_good_shards_are_counted_and_have_no_problems(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard_0.zip", 0, 1, 1)
    write_shard(tmp_path / "shard_1.zip", 3, [1])
    report = check_shards(tmp_path)
    report.raise_for_problems()
    first, second = report.shards
    data = (tmp_path / "shard_0.zip").read_bytes()
    assert (first.name, first.bytes, first.sha256) == ("shard_0.zip", len(data), hashlib.sha256(data).hexdigest())
    assert (first.samples, first.label_counts, first.has_manifest) == (3, {0: 1, 1: 2}, True)
    assert (second.samples, second.label_counts) == (2, {1: 1, 3: 1})
    assert (report.samples, report.label_counts, report.multi_label) == (5, {0: 1, 1: 3, 3: 1}, False)


def test_the_classic_mistake_of_zipping_the_folder_says_how_to_do_it_right(tmp_path: Path) -> None:
    members = {"shard_0/manifest.ndjson": manifest(0), "shard_0/images/0.png": b"", "__MACOSX/manifest.ndjson": b""}
    write_zip(tmp_path / "s.zip", members)
    (problem,) = problems(tmp_path)
    assert problem == (
        "s.zip: manifest.ndjson is not at the root but in the folder 'shard_0'; zip the folder's content, not the folder: "
        "unpack it elsewhere and run, inside shard_0: zip -r0 ../s.zip ."
    )


def test_a_shard_without_a_manifest_is_a_problem_only_where_one_is_needed(tmp_path: Path) -> None:
    write_zip(tmp_path / "s.zip", {"train.pt": b"x"})
    assert problems(tmp_path) == ["s.zip: it has no manifest.ndjson at its root"]
    assert problems(tmp_path, manifest_required=False) == []
    assert not read_shard(tmp_path / "s.zip", manifest_required=False).has_manifest


def test_a_manifest_of_another_form_is_the_users_own_affair_where_none_is_needed(tmp_path: Path) -> None:
    write_zip(tmp_path / "s.zip", {"manifest.ndjson": b'{"file": "train.csv"}\n'})
    shard = read_shard(tmp_path / "s.zip", manifest_required=False)
    assert (shard.problems.count, shard.samples, shard.has_manifest) == (0, 0, True)
    assert problems(tmp_path) == ["s.zip: manifest.ndjson: line 1: id, uri, y are missing"]


def test_a_good_manifest_is_read_even_where_none_is_needed(tmp_path: Path) -> None:
    write_shard(tmp_path / "s.zip", 0, 4)
    assert infer_num_classes(check_shards(tmp_path, manifest_required=False), 0) == 5


def test_an_unsafe_zip_is_a_problem_even_where_no_manifest_is_needed(tmp_path: Path) -> None:
    write_zip(tmp_path / "s.zip", {"manifest.ndjson": b"", "../evil": b""})
    assert problems(tmp_path, manifest_required=False) == ["s.zip: member '../evil' would be written outside the folder"]


def test_another_name_of_the_manifest_can_be_set(tmp_path: Path) -> None:
    write_zip(tmp_path / "s.zip", {"train.ndjson": manifest(2), "images/0.png": b""})
    assert check_shards(tmp_path, "train.ndjson").label_counts == {2: 1}


def test_samples_whose_files_are_missing_are_named_with_their_line(tmp_path: Path) -> None:
    write_zip(tmp_path / "s.zip", {"manifest.ndjson": manifest(0, 1), "images/0.png": b""})
    assert problems(tmp_path) == ["s.zip: manifest.ndjson: line 2: 'images/1.png' is not in the zip"]


def test_a_manifest_without_samples_is_a_problem(tmp_path: Path) -> None:
    write_zip(tmp_path / "s.zip", {"manifest.ndjson": b"\n"})
    assert problems(tmp_path) == ["s.zip: manifest.ndjson: it has no samples"]


def test_no_label_is_an_answer_only_in_multi_label_data(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard_0.zip", 0, [])
    assert problems(tmp_path) == ["shard_0.zip: manifest.ndjson, line 2: y is empty, and no sample has several labels"]
    write_shard(tmp_path / "shard_1.zip", [0, 3])
    assert problems(tmp_path) == []
    assert check_shards(tmp_path).multi_label


def test_the_problems_of_all_shards_are_in_one_error(tmp_path: Path) -> None:
    (tmp_path / "shard_0.zip").write_bytes(b"")
    (tmp_path / "shard_1.zip").write_bytes(b"not a zip")
    write_zip(tmp_path / "shard_2.zip", {"manifest.ndjson": b"{}\n" * 30})
    write_zip(tmp_path / "shard_3.zip", {"a": b""})
    with pytest.raises(ShardError) as caught:
        check_shards(tmp_path).raise_for_problems()
    message = caught.value.message
    assert "33 problems" in message
    assert "shard_0.zip is not a zip file: it is empty" in message
    assert "shard_1.zip is not a zip file" in message
    assert message.count("\n") == 21


@pytest.mark.parametrize(("configured", "found"), [(0, 8), (8, 8), (20, 20)])
def test_classes_are_the_greatest_label_plus_one_or_what_was_set(tmp_path: Path, configured: int, found: int) -> None:
    write_shard(tmp_path / "shard_0.zip", 0, 7)
    write_shard(tmp_path / "shard_1.zip", 2)
    assert infer_num_classes(check_shards(tmp_path), configured) == found


def test_too_few_classes_are_refused_with_the_shard_the_sample_and_the_label(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard_0.zip", 0)
    write_shard(tmp_path / "shard_1.zip", 1, 7)
    with pytest.raises(ConfigError) as caught:
        infer_num_classes(check_shards(tmp_path), 7)
    assert caught.value.message == "num_classes is 7, but shard_1.zip has label 7 (sample 's1')."
    assert caught.value.hint is not None and "8 or more" in caught.value.hint


def test_shards_without_labels_leave_the_number_of_classes_as_it_is(tmp_path: Path) -> None:
    write_zip(tmp_path / "s.zip", {"train.pt": b"x"})
    report = check_shards(tmp_path, manifest_required=False)
    assert infer_num_classes(report, 0) == 0
    assert infer_num_classes(report, 5) == 5
