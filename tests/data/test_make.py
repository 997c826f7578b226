"""Making shards, from what the user has to zips that check without a problem."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reson_jupyter.data.making import make_shards
from reson_jupyter.errors import ShardError

from .making import class_folders, digests, ids, images, made, records, write_images


def test_a_folder_of_class_folders_becomes_a_shard_for_each_site(tmp_path: Path) -> None:
    photos = write_images(tmp_path / "photos", [f"{name}/{n}.{kind}" for name in ("dog", "cat") for n, kind in enumerate(KINDS)])
    shards = made(photos, tmp_path / "shards", 2)
    assert [path.name for path in shards] == ["shard_0.zip", "shard_1.zip"]
    assert ids(*shards) == sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.*"))
    for shard in shards:
        with zipfile.ZipFile(shard) as archive:
            members = archive.infolist()
        assert [member.filename for member in members] == [
            "manifest.ndjson",
            *(record["uri"].removeprefix("file://") for record in records(shard)),
        ]
        assert {member.compress_type for member in members} == {zipfile.ZIP_STORED}
        for record in records(shard):
            name = record["id"].partition("/")[0]
            assert (record["y"], record["meta"]) == ([{"cat": 0, "dog": 1}[name]], {"class": name})
            assert record["uri"].startswith("file://images/") and record["uri"].endswith((".jpg", ".png"))
        assert all(data == (photos / name).read_bytes() for name, data in images(shard).items()), "as they are"


KINDS = ("png", "jpg", "JPEG", "PNG")


def test_class_folders_called_by_numbers_have_these_labels(tmp_path: Path) -> None:
    (shard,) = made(class_folders(tmp_path / "digits", **{"10": 1, "9": 1, "3": 1}), tmp_path / "shards", 1)
    assert {record["id"]: record["y"] for record in records(shard)} == {"10/0.png": [10], "9/0.png": [9], "3/0.png": [3]}
    assert not any("meta" in record for record in records(shard))


def test_the_same_makes_the_same_bytes_wherever_and_in_whatever_order_it_lies(tmp_path: Path) -> None:
    photos = class_folders(tmp_path / "photos", cat=20, dog=10)
    elsewhere = tmp_path / "else" / "where"
    for path in sorted(photos.rglob("*.png"), reverse=True):
        copy = elsewhere / path.relative_to(photos)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        os.utime(copy, (0, 0))
        copy.chmod(0o600)
    made(photos, tmp_path / "a", test=0.1)
    made(elsewhere, tmp_path / "b", test=0.1)
    made(photos, tmp_path / "c", test=0.1, seed=1)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert digests(tmp_path / "a").keys() == digests(tmp_path / "c").keys()
    assert not set(digests(tmp_path / "a").values()) & set(digests(tmp_path / "c").values())


def test_the_order_of_a_list_and_of_a_directory_is_of_no_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = class_folders(tmp_path / "photos", cat=9, dog=9)
    pairs = [(path, path.parent.name) for path in photos.rglob("*.png")]
    made(pairs, tmp_path / "a", partition="label")
    made(pairs[::-1], tmp_path / "b", partition="label")
    made(photos, tmp_path / "c", partition="label")
    scandir = os.scandir

    class Backwards:
        def __init__(self, path: str) -> None:
            with scandir(path) as entries:
                self.entries = list(entries)[::-1]

        def __enter__(self) -> list[Any]:
            return self.entries

        def __exit__(self, *_: object) -> None:
            pass

    with monkeypatch.context() as patch:
        patch.setattr("reson_jupyter.data.classes.os.scandir", Backwards)
        make_shards(photos, tmp_path / "d", partition="label", progress=False)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert digests(tmp_path / "c") == digests(tmp_path / "d")
    assert {key: len(records(tmp_path / "a" / key)) for key in digests(tmp_path / "a")} == {
        key: len(records(tmp_path / "c" / key)) for key in digests(tmp_path / "c")
    }


def test_more_than_ten_shards_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    shards = made(class_folders(tmp_path / "photos", cat=11), tmp_path / "shards", 11)
    assert [path.name for path in shards] == [f"shard_{number:02}.zip" for number in range(11)]


def test_the_test_set_is_kept_apart_and_no_sites_shard(tmp_path: Path) -> None:
    photos = class_folders(tmp_path / "photos", cat=20, dog=10)
    shards = made(photos, tmp_path / "shards", 2, test=0.2)
    test = tmp_path / "shards" / "test" / "test.zip"
    assert sorted(path.name for path in shards) == ["shard_0.zip", "shard_1.zip"]
    assert sorted(record["meta"]["class"] for record in records(test)) == ["cat"] * 4 + ["dog"] * 2
    assert ids(*shards, test) == sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))


def test_a_column_of_an_existing_manifest_makes_the_sites_and_names_their_shards(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "data", [f"{number}.png" for number in range(6)])
    lines = [{"id": str(n), "uri": f"{n}.png", "y": n % 2, "meta": {"city": ("Köln", "Ulm/Donau")[n % 2]}} for n in range(6)]
    (folder / "manifest.ndjson").write_text("\n".join(map(json.dumps, lines)))
    shards = made(folder, tmp_path / "shards", partition="column", column="city")
    assert [path.name for path in shards] == ["shard_0_Köln.zip", "shard_1_Ulm_Donau.zip"]
    assert [ids(shard) for shard in shards] == [["0", "2", "4"], ["1", "3", "5"]]
    assert [record["meta"] for record in records(shards[1])] == [{"city": "Ulm/Donau"}] * 3


@pytest.mark.parametrize(
    ("site", "called"),
    [
        ("Uniklinik Ko\u0308ln", "Uniklinik_Köln"),
        ("東京", "東京"),
        ("हिन्दी", "हिन्दी"),
        ("a/b: $(c)*?\"'\n", "a_b____c______"),
        ("\ud800", "_"),
        ("x" * 300, "x" * 80),
        ("東" * 100, "東" * 26),
    ],
)
def test_a_file_name_keeps_the_letters_of_a_sites_name_and_is_never_too_long(tmp_path: Path, site: str, called: str) -> None:
    (shard,) = made({site: {"a.txt": b"1"}}, tmp_path / "shards")
    assert shard.name == f"shard_0_{called}.zip"


# Whatever is given


@given(
    st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True), min_size=4, max_size=30),
    st.sampled_from([{"sites": 1}, {"sites": 4}, {"partition": "size", "sizes": [3, 1]}, {"partition": "label", "alpha": 3.0}]),
    st.sampled_from([0.0, 0.25]),
    st.integers(0, 3),
)
@settings(max_examples=25, deadline=None)
def test_what_is_made_has_every_sample_once_and_no_problem(labels: Any, options: Any, test: float, seed: int) -> None:
    source = [(np.full((2, 2), number, "uint8"), those) for number, those in enumerate(labels)]
    with tempfile.TemporaryDirectory() as folder:
        try:
            shards = made(source, Path(folder, "shards"), test=test, seed=seed, **options)
        except ShardError as error:
            assert "too few" in error.message or "would get no sample" in error.message or "always left" in error.message
            return
        made(source, Path(folder, "again"), test=test, seed=seed, **options)
        assert digests(Path(folder, "again")) == digests(Path(folder, "shards"))
        kept_back = [Path(folder, "shards", "test", "test.zip")] if test else []
        assert [int(name) for name in ids(*shards, *kept_back)] == list(range(len(labels)))
        for shard in [*shards, *kept_back]:
            assert all(record["y"] == labels[int(record["id"])] for record in records(shard))


# Memory


_MEASURED = r"""
import re, sys
from pathlib import Path
from reson_jupyter.data.making import make_shards
{source}
report = make_shards(source, sys.argv[1], test=0.1, progress=False)
# Not the peak that getrusage tells: that is of the process that started this one, if it was larger.
(peak,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
print(report.samples, int(peak) // 1024, "torch" in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks for the peak of the memory as Linux tells it")
@pytest.mark.parametrize("kind", ["folder", "data set"])
def test_gigabytes_pass_through_little_memory(tmp_path: Path, kind: str) -> None:
    if kind == "folder":
        from PIL import Image

        (tmp_path / "photos" / "cat").mkdir(parents=True)
        Image.frombytes("RGB", (3600, 3600), os.urandom(3600 * 3600 * 3)).save(tmp_path / "one.png", compress_level=0)
        for number in range(52):
            os.link(tmp_path / "one.png", tmp_path / "photos" / "cat" / f"{number}.png")
        source, count = f"source = {str(tmp_path / 'photos')!r}", 47
        assert 52 * (tmp_path / "one.png").stat().st_size > 2_000_000_000
    else:
        source = "import numpy\nclass Data:\n    def __len__(self): return 30\n"
        source += "    def __getitem__(self, n): return numpy.full((3, 2000, 2000), n, 'uint8'), n % 2\nsource = Data()"
        count = 27
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED.format(source=source), str(tmp_path / "shards")],
        capture_output=True,
        text=True,
        check=True,
    )
    samples, peak, torch = done.stdout.split()
    assert (int(samples), torch) == (count, "False")
    assert int(peak) < 200
