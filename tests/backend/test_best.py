"""The best round is the one whose model was the best, not the one in which that was measured."""

from __future__ import annotations

import pytest

from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.backend.run.best import BestRound, best_round
from reson_jupyter.errors import RunError
from reson_jupyter.events import Event
from tests.backend.test_verdict import event, good_run

NAN = float("nan")


def run_with(name: str, *rounds: float, stage: str = "train", final: float | None = None, spread: float = 0.0) -> RunProgress:
    """A run whose rounds brought these values of a metric; `final` is that of the final model's validation."""
    log = good_run(rounds=len(rounds))
    values = [*rounds, *([] if final is None else [final])]
    for number, value in enumerate(values):
        log += [measured(name, site, number, value + by, stage) for site, by in (("site-1", -spread), ("site-2", spread))]
    if final is not None:
        log.append(event("validated", None, len(rounds), sites=["site-1", "site-2"]))
    run = RunProgress()
    run.apply(log)
    return run


def measured(name: str, site: str, number: int, value: float, stage: str) -> Event:
    return event("metrics", site, number, step=None, values={name: value}, stage=stage)


def test_what_is_measured_in_training_belongs_to_its_round() -> None:
    assert best_round(run_with("train_loss", 0.9, 0.2, 0.4), "train_loss", None) == BestRound(1, 0.2, "train_loss")


def test_what_is_validated_is_the_model_of_the_round_before() -> None:
    run = run_with("accuracy", 0.1, 0.5, 0.9, stage="validate", final=0.7)
    assert best_round(run, "accuracy", None) == BestRound(1, 0.9, "accuracy")


def test_the_final_validation_is_the_last_rounds() -> None:
    assert best_round(run_with("accuracy", 0.1, 0.5, stage="validate", final=0.7), "accuracy", None).round == 1


def test_the_untrained_model_is_no_rounds() -> None:
    run = run_with("accuracy", 0.99, 0.5, stage="validate", final=0.7)
    assert best_round(run, "accuracy", None) == BestRound(1, 0.7, "accuracy")
    with pytest.raises(RunError, match="no round has a mean of 'accuracy'"):
        best_round(run_with("accuracy", 0.99, stage="validate"), "accuracy", None)


@pytest.mark.parametrize(
    ("name", "best"),
    [
        ("loss", 0), ("val_loss", 0), ("CrossEntropy", 0), ("error_rate", 0), ("perplexity", 0), ("ppl", 0), ("val-mse", 0),
        ("RMSE", 0), ("top1_err", 0), ("accuracy", 1), ("f1", 1), ("auc", 1), ("dice", 1), ("bleu", 1), ("summer", 1),
        ("term_recall", 1),
    ],
)  # fmt: skip
def test_the_name_tells_which_way_is_better(name: str, best: int) -> None:
    assert best_round(run_with(name, 0.1, 0.9), name, None).round == best


def test_the_mode_can_be_said() -> None:
    assert best_round(run_with("loss", 0.1, 0.9), "loss", "max").round == 1
    with pytest.raises(RunError, match="'best', not 'min' or 'max'"):
        best_round(run_with("loss", 0.1), "loss", "best")  # type: ignore[arg-type]


def test_of_equal_rounds_the_first_is_the_best() -> None:
    assert best_round(run_with("loss", 0.5, 0.1, 0.1), "loss", None).round == 1


def test_the_mean_over_the_sites_counts() -> None:
    assert best_round(run_with("loss", 0.5, 0.4, spread=0.3), "loss", None) == BestRound(1, pytest.approx(0.4), "loss")


def test_a_value_that_is_no_number_is_never_the_best() -> None:
    assert best_round(run_with("loss", NAN, 0.4, float("-inf")), "loss", None).round == 1


def test_an_unknown_metric_names_those_there_are() -> None:
    with pytest.raises(RunError, match=r"reported no metric 'acc'\n  The metrics are: accuracy\."):
        best_round(run_with("accuracy", 0.5), "acc", None)
    with pytest.raises(RunError, match="There is none yet"):
        best_round(RunProgress(), "acc", None)


def test_people_are_told_the_round_as_they_count_and_how_to_load_it() -> None:
    shown = repr(best_round(run_with("accuracy", 0.5, 0.75), "accuracy", None))
    assert shown == "<round 2: accuracy 0.75; its model is run.model(round=1)>"
