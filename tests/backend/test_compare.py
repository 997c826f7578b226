"""Runs beside each other: what differs in how they were made, and which came to the best."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import reson_jupyter as reson
from reson_jupyter.backend.run.compare import Comparison, best_of, compare_runs
from reson_jupyter.backend.run.comparison_html import labels_of, metric_figure, notes, tables
from reson_jupyter.errors import RunError
from tests.backend.compared_runs import run_with
from tests.hostile import HOSTILE, harmless

LOSSES = {"loss": [0.9, 0.4, 0.5], "accuracy": [0.2, 0.7, 0.6]}
LOWER = {"loss": [0.8, 0.5, 0.3], "accuracy": [0.1, 0.65, 0.6]}


def test_only_what_differs_in_how_runs_were_made_is_told(tmp_path: Path) -> None:
    first = run_with(tmp_path / "a", training={"batch_size": 16, "dropout": 0.5})
    second = run_with(tmp_path / "b", training={"batch_size": 32})
    configs = compare_runs([first, second]).configs
    assert configs == {"batch_size": {first.id: 16, second.id: 32}, "dropout": {first.id: 0.5}}


def test_code_data_target_and_versions_are_compared_too(tmp_path: Path) -> None:
    first = run_with(tmp_path / "a")
    other = {"local_modules": {"helpers/more.py": "ONE = 2\n"}}
    second = run_with(tmp_path / "b", job=other, versions={"torch": "2.8.0"}, target="flare")
    second.progress.events[0].data["sites"]["site-1"]["sha256"] = "1"
    configs = compare_runs([first, second]).configs
    assert set(configs) == {"code (sha256)", "target", "torch (version)"}
    assert configs["target"] == {first.id: "local", second.id: "flare"}


def test_other_data_under_the_same_names_is_a_difference(tmp_path: Path) -> None:
    sites = {site: {"shard": f"{site}.zip", "sha256": digest} for site, digest in (("site-1", "a"), ("site-2", "b"))}
    first, second = run_with(tmp_path / "a", sites=sites), run_with(tmp_path / "b")
    assert set(compare_runs([first, second]).configs) == {"data (sha256)"}


def test_each_metric_has_its_final_value_and_its_best_round(tmp_path: Path) -> None:
    first, second = run_with(tmp_path / "a", metrics=LOSSES), run_with(tmp_path / "b", metrics=LOWER)
    metrics = compare_runs([first, second]).metrics
    assert list(metrics) == ["loss", "accuracy"]
    loss, accuracy = metrics["loss"][first.id], metrics["accuracy"][first.id]
    assert (loss.final, loss.best.round, loss.best.value) == (0.5, 1, 0.4)
    assert (accuracy.final, accuracy.best.round, accuracy.best.value) == (0.6, 1, 0.7)


def test_the_best_of_the_runs_is_marked_with_a_star_and_of_equal_ones_all_are(tmp_path: Path) -> None:
    runs = [run_with(tmp_path / "a", "one", LOSSES), run_with(tmp_path / "b", "two", LOWER)]
    came, _ = tables(compare_runs(runs))
    assert came.header == ("", "one", "two")
    assert came.rows == [
        ("state", "finished", "finished"),
        ("rounds", "3 of 3", "3 of 3"),
        ("loss, final", "0.5", "0.3 ★"),
        ("loss, lowest", "0.4 in round 2", "0.3 in round 3 ★"),
        ("accuracy, final", "0.6 ★", "0.6 ★"),
        ("accuracy, highest", "0.7 in round 2 ★", "0.65 in round 2"),
    ]


def test_a_metric_that_only_one_run_has_is_nobodys_best(tmp_path: Path) -> None:
    assert best_of("loss", {"a": 1.0}) == set()
    assert best_of("loss", {"a": 1.0, "b": math.nan}) == set()
    runs = [run_with(tmp_path / "a", metrics=LOSSES), run_with(tmp_path / "b")]
    assert "★" not in str(tables(compare_runs(runs))[0].rows)


def test_runs_of_the_same_name_are_called_by_their_ids(tmp_path: Path) -> None:
    runs = [run_with(tmp_path / "a"), run_with(tmp_path / "b")]
    assert [run.label for run in compare_runs(runs).runs] == [runs[0].id, runs[1].id]


def test_a_run_that_goes_on_is_compared_as_it_is_now_and_it_is_said(tmp_path: Path) -> None:
    going = run_with(tmp_path / "a", "going", LOSSES, end="")
    ended = run_with(tmp_path / "b", "ended", LOWER)
    shown = repr(compare_runs([going, ended]))
    assert "going is pending and goes on: its values are those of round 3." in shown


def test_a_run_whose_files_are_not_all_stored_is_compared_by_what_it_said(tmp_path: Path) -> None:
    whole, half = run_with(tmp_path / "a", "whole", LOSSES), run_with(tmp_path / "b", "half", LOWER)
    half._store.delete(f"jobs/{half.id}/configs/meta.json")
    compared = compare_runs([whole, half])
    assert compared.configs == {}
    assert f"How half was made is not known: the files of run {half.id} are not all in its store." in repr(compared)
    assert compared.metrics["loss"][half.id].final == 0.3


def test_that_nothing_differs_is_said_only_of_runs_of_which_it_is_known(tmp_path: Path) -> None:
    runs = [run_with(tmp_path / name, name, LOSSES) for name in ("one", "two", "three")]
    assert tables(compare_runs(runs))[1].title == "Nothing differs in how they were made"
    runs[2]._store.delete(f"jobs/{runs[2].id}/configs/meta.json")
    assert tables(compare_runs(runs))[1].title == "Nothing differs in how the others were made"
    assert tables(compare_runs(runs[1:]))[1].title == "What differs in how they were made is not known"


def test_the_last_value_of_a_run_that_ended_without_its_final_model_is_not_called_final_and_wins_no_star(tmp_path: Path) -> None:
    metrics = ({"loss": line, "accuracy": [0.1]} for line in ([0.9, 0.5, 0.4], [0.9, 0.6, 0.5], [0.9, 0.1]))
    ends = ("finished", "degraded", "aborted")
    compared = compare_runs([run_with(tmp_path / end, end, of, end) for end, of in zip(ends, metrics, strict=True)])
    rows = {row[0]: row[1:] for row in tables(compared)[0].rows}
    assert rows["loss, final"] == ("0.4 ★", "0.5", "0.1 after 2 rounds")
    assert rows["loss, lowest"][2] == "0.1 in round 2 ★", "a round's value is one, however the run ended"
    assert rows["accuracy, final"][2] == "0.1 after 1 round"
    aborted = compared.metrics["loss"][compared.runs[2].id]
    assert (aborted.final, aborted.newest, aborted.rounds) == (None, 0.1, 2)


def test_what_is_validated_before_a_round_is_of_the_model_of_the_rounds_before(tmp_path: Path) -> None:
    runs = [run_with(tmp_path / end, end, LOSSES, end) for end in ("aborted", "finished")]
    runs[0].progress.stages["loss"] = "validate"
    assert tables(compare_runs(runs))[0].rows[2] == ("loss, final", "0.5 after 2 rounds", "0.5")


@pytest.mark.parametrize("what", [3, None, object()])
def test_what_is_no_run_is_not_compared(what: Any) -> None:
    with pytest.raises(RunError, match="is no run that can be compared\n  Name runs by their ids"):
        reson.compare(what, what)


def test_a_list_of_runs_is_to_be_given_one_by_one() -> None:
    with pytest.raises(RunError, match=r"reson\.compare\(\*runs\)"):
        reson.compare(["a", "b"])  # type: ignore[arg-type]


@pytest.mark.parametrize(("count", "told"), [(0, "0 runs"), (1, "1 run"), (13, "13 runs")])
def test_from_two_to_twelve_runs_can_be_compared(tmp_path: Path, count: int, told: str) -> None:
    runs = [run_with(tmp_path / "a")] * count
    with pytest.raises(RunError, match=f"{told} cannot be compared"):
        compare_runs(runs)


def test_a_run_is_not_compared_with_itself(tmp_path: Path) -> None:
    run = run_with(tmp_path / "a")
    with pytest.raises(RunError, match="named twice"):
        compare_runs([run, run])


def test_the_means_become_a_data_frame(tmp_path: Path) -> None:
    runs = [run_with(tmp_path / "a", "one", LOSSES), run_with(tmp_path / "b", "two", LOWER)]
    frame = compare_runs(runs).to_pandas()
    assert list(frame.columns) == ["run", "name", "metric", "round", "value"]
    assert len(frame) == 12
    assert frame.query("name == 'two' and metric == 'loss'")["value"].tolist() == [0.8, 0.5, 0.3]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_and_values_are_text_and_nothing_else(tmp_path: Path, name: str) -> None:
    runs = [
        run_with(tmp_path / number, f"{name}{number}", {name: [0.5, 0.4, 0.3]}, training={"note": f"{name}{number}"}, target=name)
        for number in ("1", "2")
    ]
    compared = compare_runs(runs)
    page = harmless(compared._repr_html_())
    assert [image["alt"] for tag, image in page.tags if tag == "img"]
    assert "\x1b" not in repr(compared) and "\u2028" not in repr(compared) and "\u202e" not in repr(compared)


LONG = "a study of many sites with augmentation, "


def compared(tmp_path: Path, *names: str, **made: Any) -> Comparison:
    return compare_runs([run_with(tmp_path / str(at), name, LOSSES, **made) for at, name in enumerate(names)])


@pytest.mark.parametrize(
    "names",
    [
        (f"{LONG}lr 0.1 and more of it", f"{LONG}lr 0.2 and more of it", "short"),
        (f"{LONG * 3}one{LONG * 3}", f"{LONG * 3}two{LONG * 3}"),
        ("a b", "a  b"),
        ("digits\n", "digits\\n"),
    ],
)
def test_no_two_runs_are_called_alike(tmp_path: Path, names: tuple[str, ...]) -> None:
    comparison = compared(tmp_path, *names)
    called = list(labels_of(comparison).values())
    assert len({" ".join(name.split()) for name in called}) == len(names)
    assert all(len(name) <= 40 for name in called)
    assert tables(comparison)[0].header == ("", *called)
    figure = metric_figure(comparison, "loss")
    assert [line.get_label() for line in figure.axes[0].lines] == called


def test_a_note_says_which_of_the_long_names_it_means(tmp_path: Path) -> None:
    going = run_with(tmp_path / "a", f"{LONG * 3}one{LONG * 3}", LOSSES, end="")
    ended = run_with(tmp_path / "b", f"{LONG * 3}two{LONG * 3}", LOWER)
    [note] = [note for note in notes(compare_runs([going, ended])) if "goes on" in note]
    assert f"({going.id[-6:]}) is pending" in note


def test_a_star_tells_no_two_values_apart_that_look_the_same(tmp_path: Path) -> None:
    first = run_with(tmp_path / "a", "one", {"loss": [0.9, 0.5, 0.12344]})
    second = run_with(tmp_path / "b", "two", {"loss": [0.9, 0.5, 0.12342]})
    rows = tables(compare_runs([first, second]))[0].rows
    assert ("loss, final", "0.12344", "0.12342 ★") in rows
    assert ("loss, lowest", "0.12344 in round 3", "0.12342 in round 3 ★") in rows


@pytest.mark.parametrize(
    ("one", "two", "shown"),
    [
        ("1", 1, ('"1"', "1")),
        ("true", True, ('"true"', "true")),
        ("a  b", "a b", ('"a  b"', '"a b"')),
        ("adam", "sgd", ("adam", "sgd")),
        ("é", "e\u0301", ('"\\u00e9"', '"e\\u0301"')),
        ("–", None, ('"\\u2013"', "null")),
    ],
)
def test_values_that_differ_look_different(tmp_path: Path, one: object, two: object, shown: tuple[str, str]) -> None:
    runs = [run_with(tmp_path / name, name, training={"note": value}) for name, value in (("a", one), ("b", two))]
    row = next(row for row in tables(compare_runs(runs))[1].rows if row[0] == "note")
    assert row[1:] == shown


def test_long_values_are_cut_so_that_the_difference_shows(tmp_path: Path) -> None:
    texts = ["x" * 100 + "1", "x" * 100 + "2"], ["x" * 100 + "1" + "x" * 100, "x" * 100 + "2" + "x" * 100]
    for at, pair in enumerate(texts):
        runs = [run_with(tmp_path / f"{at}{name}", name, training={"note": text}) for name, text in zip("ab", pair, strict=True)]
        [row] = [row for row in tables(compare_runs(runs))[1].rows if row[0] == "note"]
        assert row[1] != row[2] and max(map(len, row)) <= 60
        assert ("sha256" in row[1]) == bool(at)
