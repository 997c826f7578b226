"""Shards: found, checked, and what they tell of the classes."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.data.shards import check_shards, find_shards, infer_num_classes, read_shard
from reson_jupyter.errors import ConfigError, ShardError

from .zips import manifest, write_shard, write_zip


def problems(folder: Path, **options: Any) -> list[str]:
    """What is wrong with shards, whose images are none: what is read of them has a file of its own."""
    return check_shards(folder, **{"images": "none", **options}).problems.shown


def test_shards_are_the_zips_of_the_folder_in_the_platforms_order(tmp_path: Path) -> None:
    for name in ("shard_2.zip", "shard_10.zip", "Shard.ZIP", "._shard_0.zip", ".hidden.zip", "notes.txt", "zip"):
        write_shard(tmp_path / name, 0)
    (tmp_path / "folder.zip").mkdir()
    (tmp_path / "inner").mkdir()
    write_shard(tmp_path / "inner/shard_3.zip", 0)
    assert [path.name for path in find_shards(tmp_path)] == ["Shard.ZIP", "shard_10.zip", "shard_2.zip"]


def test_a_folder_without_shards_says_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "._shard_0.zip").touch()
    (tmp_path / "notes.txt").touch()
    for folder in (tmp_path, tmp_path / "none", tmp_path / "notes.txt"):
        with pytest.raises(ShardError) as caught:
            find_shards(folder)
        assert str(folder) in caught.value.message
        assert caught.value.hint is not None and "one zip per site" in caught.value.hint


def test_good_shards_are_counted_and_have_no_problems(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard_0.zip", 0, 1, 1)
    write_shard(tmp_path / "shard_1.zip", 3, [1])
    report = check_shards(str(tmp_path), images="none")
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
    assert problems(tmp_path, manifest_required=True) == ["s.zip: it has no manifest.ndjson at its root"]
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
    write_zip(tmp_path / "s.zip", {"manifest.ndjson": manifest(0, 1), "images/0.png": b"", "images/1.png/": b""})
    assert problems(tmp_path) == ["s.zip: manifest.ndjson: line 2: 'images/1.png' is not in the zip"]


def test_a_manifest_without_samples_is_a_problem(tmp_path: Path) -> None:
    write_zip(tmp_path / "s.zip", {"manifest.ndjson": b"\n"})
    assert problems(tmp_path) == ["s.zip: manifest.ndjson: it has no samples"]


def test_no_label_is_an_answer_only_in_multi_label_data(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard_0.zip", 0, [])
    why = "an empty list is for multi-label data only, and here no sample has several labels"
    assert problems(tmp_path) == [f"shard_0.zip: manifest.ndjson: line 2: y is empty; {why}"]
    write_shard(tmp_path / "shard_1.zip", [0, 3])
    assert problems(tmp_path) == []
    assert check_shards(tmp_path, images="none").multi_label


def test_the_problems_of_all_shards_are_in_one_error(tmp_path: Path) -> None:
    (tmp_path / "shard_0.zip").write_bytes(b"")
    (tmp_path / "shard_1.zip").write_bytes(b"not a zip")
    write_zip(tmp_path / "shard_2.zip", {"manifest.ndjson": b"{}\n" * 900})
    write_zip(tmp_path / "shard_3.zip", {"a": b""})
    with pytest.raises(ShardError) as caught:
        check_shards(tmp_path, sites=3).raise_for_problems()
    title, *lines = caught.value.message.splitlines()
    assert title == "The shards cannot be used: 904 problems"
    assert lines[0] == "  - there are 4 shards for 3 sites; every site needs one of its own"
    assert lines[1] == "  - shard_0.zip is not a zip file: it is empty.", "its name stands there once"
    assert lines[2].startswith("  - shard_1.zip is not a zip file: ")
    assert lines[3:18] == [f"  - shard_2.zip: manifest.ndjson: line {n}: id, uri, y are missing" for n in range(1, 16)]
    assert lines[18:] == ["  - shard_2.zip: and 885 more", "  - shard_3.zip: it has no manifest.ndjson at its root"]


def test_of_many_bad_shards_each_is_named_in_few_lines(tmp_path: Path) -> None:
    for number in range(40):
        write_zip(tmp_path / f"shard_{number:02}.zip", {"manifest.ndjson": b"{}\n" * 30})
    shown = problems(tmp_path)
    assert len(shown) == 80 and {line.partition(":")[0] for line in shown} == {f"shard_{n:02}.zip" for n in range(40)}


NO_MANIFEST = "no shard has manifest.ndjson: the default training needs one, a train function of one's own does not"


def test_where_no_shard_has_a_manifest_none_is_missed_but_a_warning_tells_who_needs_one(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", {"train.csv": b"1,2"})
    write_zip(tmp_path / "b.zip", {"train.csv": b"3,4"})
    report = check_shards(tmp_path)
    assert (report.problems.count, report.warnings) == (0, (NO_MANIFEST,))
    assert warnings(tmp_path, manifest_required=False) == ()
    assert len(problems(tmp_path, manifest_required=True)) == 2
    (tmp_path / "c.zip").write_bytes(b"no zip")
    assert check_shards(tmp_path).problems.count == 1 and warnings(tmp_path) == (NO_MANIFEST,)
    write_shard(tmp_path / "d.zip", 0)
    assert len(problems(tmp_path)) == 3 and warnings(tmp_path) == ()


def test_damaged_shards_are_not_said_to_lack_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"no zip")
    assert warnings(tmp_path) == () and len(problems(tmp_path)) == 1


@pytest.mark.parametrize("name", ["manifest.json", "manifest.jsonl"])
def test_a_manifest_of_another_name_is_to_be_renamed(tmp_path: Path, name: str) -> None:
    write_zip(tmp_path / "s.zip", {name: manifest(0), "images/0.png": b"x"})
    form = "the manifest must have that name, and one JSON object with id, uri and y on each line"
    assert problems(tmp_path) == [f"s.zip: it has no manifest.ndjson at its root but {name}; {form}"]


def test_class_folders_in_a_zip_are_to_be_made_into_shards(tmp_path: Path) -> None:
    write_zip(tmp_path / "s.zip", {"dog/1.jpg": b"x", "cat/1.JPG": b"x", "__MACOSX/cat/._1.jpg": b"x"})
    said = "it has images in folders (cat, dog): unpack it, and make shards of the folders: %reson shards make"
    assert warnings(tmp_path) == (NO_MANIFEST, f"s.zip: {said}")
    assert problems(tmp_path, manifest_required=True) == [f"s.zip: it has no manifest.ndjson at its root; {said}"]


def test_a_command_that_is_advised_can_be_pasted(tmp_path: Path) -> None:
    write_zip(tmp_path / "site of Bonn.zip", {"inner/manifest.ndjson": manifest(0)})
    (problem,) = problems(tmp_path)
    assert problem.endswith("zip -r0 '../site of Bonn.zip' .")


def test_what_macos_adds_is_no_data(tmp_path: Path) -> None:
    junk = ("._manifest.ndjson", "images/._0.png", ".DS_Store", "__MACOSX/images/0.png", "a/__MACOSX/b")
    members = {"manifest.ndjson": manifest(0), "images/0.png": b"image", **dict.fromkeys(junk, b"junk")}
    write_zip(tmp_path / "s.zip", members)
    assert problems(tmp_path) == []
    write_zip(tmp_path / "s.zip", {**members, "manifest.ndjson": manifest(0) + b'{"id": "x", "uri": "images/._0.png", "y": 0}\n'})
    said = "line 2: 'images/._0.png' is a file that macOS adds, no sample; leave the line out"
    assert problems(tmp_path) == [f"s.zip: manifest.ndjson: {said}"]
    write_zip(tmp_path / "s.zip", dict.fromkeys(junk, b"junk"))
    assert problems(tmp_path, manifest_required=True) == ["s.zip: it has no manifest.ndjson at its root"]
    assert problems(tmp_path, manifest_required=False) == ["s.zip: there is no file in it"]


def test_images_that_the_sites_fetch_are_looked_for_nowhere(tmp_path: Path) -> None:
    write_zip(tmp_path / "s.zip", {"manifest.ndjson": b'{"id": "x", "uri": "https://example.org/1.png", "y": 0}\n'})
    (problem,) = problems(tmp_path)
    assert "line 1" in problem and "example.org" in problem
    assert problems(tmp_path, image_hosts=("example.org",), images="all") == []


@pytest.mark.parametrize(
    ("shards", "sites", "said"),
    [(1, 3, ["there is 1 shard for 3 sites"]), (2, 1, ["there are 2 shards for 1 site"]), (2, 2, []), (2, None, [])],
)
def test_every_site_needs_a_shard(tmp_path: Path, shards: int, sites: int | None, said: list[str]) -> None:
    for number in range(shards):
        write_shard(tmp_path / f"shard_{number}.zip", 0)
    assert problems(tmp_path, sites=sites) == [f"{text}; every site needs one of its own" for text in said]


def test_labels_of_all_shards_are_held_against_the_number_of_classes(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard_0.zip", 0, 2)
    write_shard(tmp_path / "shard_1.zip", 1, 7, 3)
    write_shard(tmp_path / "shard_2.zip", 3)
    assert problems(tmp_path, num_classes=8) == []
    assert problems(tmp_path, num_classes=3) == [
        "shard_1.zip: label 7 (sample 's1') needs num_classes to be 8 or more; it is 3",
        "shard_2.zip: label 3 (sample 's0') needs num_classes to be 4 or more; it is 3",
    ]


def warnings(folder: Path, **options: Any) -> tuple[str, ...]:
    return check_shards(folder, images="none", **options).warnings


def shards_of(folder: Path, *sites: Iterable[Any]) -> None:
    """Writes a shard for each site, whose samples have these labels and bytes of their own."""
    for site, labels in enumerate(sites):
        samples = {f"images/{n}.png": b"image %d of %d" % (n, site) for n, _ in enumerate(labels)}
        write_zip(folder / f"shard_{site:02}.zip", {"manifest.ndjson": manifest(*labels), **samples})


@pytest.mark.parametrize(
    ("sites", "said"),
    [
        ([[0, 1], [1, 0]], []),
        ([[0, 1, 2], [0, 1]], ["only site-1 has label 2"]),
        ([[0, 1, 2, 3], [0, 1, 4]], ["only site-1 has labels 2 and 3", "only site-2 has label 4"]),
        ([[0, 0], [0, 1]], ["site-1 has only label 0", "only site-2 has label 1"]),
        ([[0, 0], [1, 1]], ["site-1 has only label 0", "site-2 has only label 1"]),
        ([[1, 2], [2, 1]], ["no sample has label 0 (are the labels counted from 1?)"]),
        ([[0, 5], [5, 0]], ["no sample has labels 1, 2, 3 and 4"]),
        ([[0, 99], [99, 0]], ["no sample has labels 1, 2, 3, 4, 5, 6, 7, 8 and 90 more"]),
        ([range(12), [0, 1]], ["only site-1 has labels 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"]),
        ([[0, 0], [0]], []),
        ([[0, 1]], []),
        ([[[0, 1], []], [[1, 2], [0]]], ["only site-2 has label 2"]),
    ],
)  # fmt: skip
def test_odd_classes_are_warnings(tmp_path: Path, sites: list[Any], said: list[str]) -> None:
    shards_of(tmp_path, *sites)
    assert list(warnings(tmp_path)) == said
    assert problems(tmp_path) == []


def test_classes_that_nobody_has_are_told_up_to_the_number_of_classes(tmp_path: Path) -> None:
    shards_of(tmp_path, [0, 1], [0, 1])
    assert warnings(tmp_path, num_classes=4) == ("no sample has labels 2 and 3",)


def test_a_label_far_from_the_others_is_told_at_once(tmp_path: Path) -> None:
    shards_of(tmp_path, [0, 999_999])
    assert warnings(tmp_path) == ("no sample has labels 1, 2, 3, 4, 5, 6, 7, 8 and 999,990 more",)


def test_the_same_samples_at_two_sites_are_a_warning_whatever_they_are_called(tmp_path: Path) -> None:
    images = {f"images/{n}.png": b"image %d" % n for n in range(3)}
    write_zip(tmp_path / "a.zip", {"manifest.ndjson": manifest(0, 1, 0), **images})
    other = b'{"id": "p", "uri": "x.png", "y": 0}\n{"id": "q", "uri": "y.png", "y": 1}\n'
    write_zip(tmp_path / "b.zip", {"manifest.ndjson": other, "x.png": b"image 2", "y.png": b"image 7"})
    assert warnings(tmp_path) == ("1 sample of b.zip is at another site, too, such as x.png (images/2.png of a.zip)",)
    assert problems(tmp_path) == []


def test_ids_say_nothing_of_samples_being_the_same(tmp_path: Path) -> None:
    shards_of(tmp_path, [0, 1], [0, 1])
    assert warnings(tmp_path) == ()


def test_files_with_the_same_checksum_are_not_taken_for_the_same(tmp_path: Path) -> None:
    left, right = b"plumless", b"buckeroo"  # whose CRC-32 is the same
    assert zlib.crc32(left) == zlib.crc32(right)
    write_zip(tmp_path / "a.zip", {"manifest.ndjson": manifest(0), "images/0.png": left})
    write_zip(tmp_path / "b.zip", {"manifest.ndjson": manifest(0), "images/0.png": right})
    assert warnings(tmp_path) == ()


@pytest.mark.parametrize("required", [True, False])
def test_a_shard_that_is_there_twice_is_a_warning(tmp_path: Path, required: bool) -> None:
    for name in ("a", "b", "c"):
        write_shard(tmp_path / f"{name}.zip", 0, 1)
    found = warnings(tmp_path, manifest_required=required)
    assert found == ("b.zip is the same as a.zip", "c.zip is the same as a.zip")


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
