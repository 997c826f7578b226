"""`%reson shards` as a user types it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from PIL import Image

import reson_jupyter as reson
from reson_jupyter.data import bars
from reson_jupyter.notebook.capturing.kernel import kernel_of
from reson_jupyter.notebook.commands import shards as shards_command
from tests.runs.conftest import write_image_shard, write_plain_shards


def run(shell: InteractiveShell, source: str) -> tuple[Any, str]:
    """Runs a cell; returns its result and all that it shows, in the order in which it does."""
    reson.session().kernel = kernel_of(shell)
    with capture_output(display=False) as captured:
        result = shell.run_cell(source, store_history=True)
    return result, captured.stdout + captured.stderr


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    (tmp_path / "shards").mkdir()
    write_image_shard(tmp_path / "shards" / "a.zip", [0, 0, 2], seed=1)
    write_image_shard(tmp_path / "shards" / "b.zip", [0, 1, 2], seed=2)
    return tmp_path / "shards"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder for each of two classes."""
    for number in range(12):
        path = tmp_path / "images" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number, 0, 0)).save(path)
    return tmp_path / "images"


@pytest.mark.parametrize("action", ["", " make", " check", " cache"])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_is_printed_and_nothing_else_happens(shell: InteractiveShell, action: str, option: str) -> None:
    result, text = run(shell, f"%reson shards{action} {option}")
    assert result.success and result.result is None and f"usage: %reson shards{action}" in text


@pytest.mark.parametrize(
    "line",
    ["", "nonsense", "check", "make", "make images", "check a b", "check a --sites many", "make images --out o --partition odd"],
)  # fmt: skip
def test_a_line_that_cannot_be_understood_is_a_usage_error(shell: InteractiveShell, line: str) -> None:
    result, text = run(shell, f"%reson shards {line}")
    assert isinstance(result.error_in_exec, UsageError) and "Traceback" not in text and "usage: %reson" in text


# check


def test_check_shows_each_site(shell: InteractiveShell, shards: Path) -> None:
    result, text = run(shell, "%reson shards check shards")
    assert result.success and result.result.samples == 6
    assert "2 shards, 6 samples, 3 labels, 6 images read: no problems" in text
    assert "site-2  b.zip        3  830 B  0: 1 · 1: 1 · 2: 1" in text and "warning: only site-2 has label 1" in text


def test_check_shows_the_report_and_then_fails_when_something_is_wrong(shell: InteractiveShell, shards: Path) -> None:
    (shards / "c.zip").write_bytes(b"no zip")
    result, text = run(shell, "%reson shards check shards --sites 2")
    assert isinstance(result.error_in_exec, reson.ResonError) and "Traceback" not in text
    assert "c.zip is not a zip file" in text and "3 shards for 2 sites" in text
    assert text.count("c.zip is not a zip file") == 1
    assert text.index("c.zip is not a zip file") < text.index("the shards in shards have 2 problems, listed above")


def test_check_uses_the_sessions_manifest_classes_and_hosts(shell: InteractiveShell, shards: Path) -> None:
    result, text = run(shell, "%reson config num_classes=2\n%reson shards check shards")
    assert isinstance(result.error_in_exec, reson.ResonError) and "a.zip: label 2" in text
    result, text = run(shell, "%reson config num_classes=0 manifest_file=other.ndjson\n%reson shards check shards")
    assert "a.zip: it has no other.ndjson at its root" in text


def test_check_all_reads_every_image(shell: InteractiveShell, tmp_path: Path) -> None:
    write_image_shard(tmp_path / "a.zip", [0, 1] * 20, seed=1)
    assert run(shell, "%reson shards check .")[0].result.shards[0].images_read == 16
    assert run(shell, "%reson shards check . --all")[0].result.shards[0].images_read == 40


def test_reading_all_shards_has_one_bar_which_is_no_error_and_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bars, "_QUICK", 0)
    for name in "abc":
        write_image_shard(tmp_path / f"{name}.zip", [0, 1] * 20, seed=ord(name))
    reson.check_shards(tmp_path)
    assert capsys.readouterr() == ("", "")
    reson.check_shards(tmp_path, images="all")
    shown, errors = capsys.readouterr()
    assert errors == "" and "reading" in shown and "\n" not in shown
    assert shown.endswith("\r") and not shown.rstrip("\r").rpartition("\r")[2].strip()


OWN = """%%reson_train
def fl_train(model, env, logger):
    return {"weights": model.state_dict(), "samples": 1}
"""


def test_check_wants_no_manifest_for_a_train_function_of_ones_own(shell: InteractiveShell, tmp_path: Path) -> None:
    write_plain_shards(tmp_path, 2)
    result, text = run(shell, "%reson shards check .")
    assert result.success and "warning: no shard has manifest.ndjson: the default training needs one" in text
    run(shell, OWN)
    assert reson.session().has_own_training
    result, text = run(shell, "%reson shards check .")
    assert result.success and "warning" not in text


# make


def test_make_makes_shards_and_shows_them(shell: InteractiveShell, images: Path, tmp_path: Path) -> None:
    result, text = run(shell, "%reson shards make images --out out --sites 2")
    assert result.success and "2 shards, 12 samples, 2 labels" in text
    assert reson.check_shards(tmp_path / "out", sites=2).problems.count == 0


def test_make_names_the_next_step_unless_it_is_done(shell: InteractiveShell, images: Path) -> None:
    for folder, said in (("out", "shards_dir=out"), ("a b", "'shards_dir=a b'")):
        _, text = run(shell, f"%reson shards make images --out '{folder}' --sites 2")
        assert f"next: %reson config {said}\n" in text
        run(shell, f"%reson config {said}")
        _, text = run(shell, f"%reson shards make images --out '{folder}' --sites 2")
        assert "replaced 2 shards\n" in text and "next:" not in text
        assert run(shell, "%reson shards check")[0].result.samples == 12


def test_check_without_a_folder_says_how_to_name_one(shell: InteractiveShell) -> None:
    _, text = run(shell, "%reson shards check")
    assert "no folder of shards is named: give DIR, or set it for all commands by %reson config shards_dir=DIR\nusage:" in text


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What make_shards was called with."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(shards_command, "make_shards", lambda source, out, **given: calls.append((source, out, given)))
    return calls


def test_make_passes_on_what_is_given_and_nothing_else(shell: InteractiveShell, asked: list[tuple[Any, ...]]) -> None:
    run(shell, "%reson shards make pictures --out o")
    run(shell, "%reson shards make pictures --out o --sites 3 --partition size --sizes 0.5,0.3,.2 --test 0.2 --seed 7")
    run(shell, "%reson shards make pictures --out 'a b' --partition label --alpha 0.1")
    run(shell, "%reson shards make pictures --out o --partition column --column hospital")
    usual = {"partition": "iid", "seed": 0}
    assert asked == [
        ("pictures", "o", usual),
        ("pictures", "o", {"sites": 3, "partition": "size", "sizes": [0.5, 0.3, 0.2], "test": 0.2, "seed": 7}),
        ("pictures", "a b", {**usual, "partition": "label", "alpha": 0.1}),
        ("pictures", "o", {**usual, "partition": "column", "column": "hospital"}),
    ]


def test_make_takes_a_variable_of_the_notebook_unless_there_is_such_a_path(
    shell: InteractiveShell, asked: list[tuple[Any, ...]], images: Path
) -> None:
    run(shell, "images = 1; frame = [1, 2]")
    for source in ("frame", "images", "nowhere"):
        run(shell, f"%reson shards make {source} --out o")
    assert [source for source, _, _ in asked] == [[1, 2], "images", "nowhere"]


def test_make_of_what_is_not_there_is_a_users_mistake(shell: InteractiveShell) -> None:
    result, text = run(shell, "%reson shards make nowhere --out o")
    assert isinstance(result.error_in_exec, reson.ResonError) and "nowhere" in text and "Traceback" not in text


# cache


@pytest.fixture
def cached(tmp_path: Path) -> Callable[[str, int], Path]:
    folder = tmp_path / "home/cache/images"
    folder.mkdir(parents=True)

    def write(rest: str, size: int) -> Path:
        path = folder / f"{'ab' * 32}-{rest}"
        path.write_bytes(bytes(size))
        return path

    return write


def test_cache_shows_what_is_kept_and_clear_deletes_it(shell: InteractiveShell, cached: Callable[[str, int], Path]) -> None:
    kept = [cached("224-0123456789ab.u8", 3_000_000), cached("64-exact-0123456789ab.u8", 1_500_000)]
    left = cached("64-0123456789ab.u8.x1_y.part", 500_000)
    other = kept[0].with_name("notes.txt")
    other.write_text("somebody's")
    result, text = run(shell, "%reson shards cache")
    assert "Decoded images kept on this machine: 5.0 MB" in text and result.result.bytes == 5_000_000
    assert "abababababab  224       3.0 MB" in text and "abababababab  64 exact  1.5 MB" in text
    assert "abababababab" in result.result._repr_html_()
    _, text = run(shell, "%reson shards cache --clear")
    assert text == "deleted 5.0 of 5.0 MB of decoded images; what runs are using stays\n"
    assert not any(path.exists() for path in (*kept, left)) and other.exists()


def test_cache_names_the_shard_where_it_is_known(shell: InteractiveShell, shards: Path, tmp_path: Path) -> None:
    os.utime(shards / "a.zip", (1, 1))  # a file of this moment is not remembered
    digest = reson.check_shards(shards).shards[0].sha256
    folder = tmp_path / "home/cache/images"
    folder.mkdir(parents=True)
    (folder / f"{digest}-64-0123456789ab.u8").write_bytes(bytes(10))
    _, text = run(shell, "%reson shards cache")
    header, line = text.strip().splitlines()[-2:]
    assert header.split() == ["shard", "img_size", "size", "last", "used"]
    assert line.split()[:3] == ["a.zip", f"({digest[:12]})", "64"]


def test_a_mistake_is_told_with_the_usage_of_the_action(shell: InteractiveShell) -> None:
    result, text = run(shell, "%reson shards cache clear")
    assert isinstance(result.error_in_exec, UsageError)
    assert "unrecognized arguments: clear\nusage: %reson shards cache [-h] [--clear]\n" in text


def test_clear_leaves_what_a_run_is_using(shell: InteractiveShell, cached: Callable[[str, int], Path]) -> None:
    used, free = cached("224-0123456789ab.u8", 10), cached("64-0123456789ab.u8", 20)
    with used.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert reson.image_cache().clear() == 20
    assert used.exists() and not free.exists()


def test_an_empty_cache_is_said_to_be_empty(shell: InteractiveShell) -> None:
    for line in ("%reson shards cache", "%reson shards cache --clear", "%reson shards cache"):
        result, text = run(shell, line)
        assert result.success
    assert "Decoded images kept on this machine: none" in text
