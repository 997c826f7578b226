"""Results of this package say in a few lines what they are, and a notebook shows them as cards."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

import reson_jupyter as reson
from reson_jupyter.config import ResonTechConfig, TrainingConfig
from reson_jupyter.errors import CaptureError, RehearsalFailed
from reson_jupyter.notebook.comparison_bundle import COMPARISON
from reson_jupyter.notebook.live.show import show
from reson_jupyter.notebook.reprs import show_results
from reson_jupyter.session import Session
from tests.backend.compared_runs import run_with
from tests.backend.test_compare import LOSSES, LOWER
from tests.hostile import Tags, harmless


@pytest.fixture
def shell() -> InteractiveShell:
    shell = InteractiveShell()
    show_results(shell)
    return shell


def shown(shell: InteractiveShell, value: Any) -> dict[str, Any]:
    assert shell.display_formatter is not None
    bundle: dict[str, Any] = shell.display_formatter.format(value)[0]
    return bundle


def test_a_run_is_one_line_of_text_and_a_card(tmp_path: Path) -> None:
    run = run_with(tmp_path, metrics=LOSSES)
    assert repr(run) == f"Run('{run.id}', finished, round 3 of 3)"
    text = harmless(run._repr_html_()).text
    for part in ("Run digits: finished", "3 of 3", "loss 0.5, accuracy 0.6", "local", run.id, "run.model()"):
        assert part in text


def test_a_run_whose_view_stands_under_the_cell_shows_no_card_in_it_but_in_a_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = InteractiveShell.instance()
    show_results(shell)
    run, other = run_with(tmp_path / "a", metrics=LOSSES), run_with(tmp_path / "b", metrics=LOSSES)
    assert "text/html" in shown(shell, run)
    show(run)
    assert shown(shell, run) == {"text/plain": repr(run)}
    assert "text/html" in shown(shell, other)
    monkeypatch.setattr(shell, "execution_count", shell.execution_count + 1)
    assert "3 of 3" in shown(shell, run)["text/html"]


@pytest.mark.parametrize(
    ("end", "said"), [("", "run.wait()"), ("failed", "run.errors()"), ("aborted", "run.logs()"), ("finished", "run.model()")]
)
def test_the_card_of_a_run_says_what_to_do_next(tmp_path: Path, end: str, said: str) -> None:
    assert said in harmless(run_with(tmp_path, end=end)._repr_html_()).text


def test_metrics_are_summed_up_instead_of_listed(tmp_path: Path) -> None:
    metrics = run_with(tmp_path, metrics=LOSSES).metrics
    assert repr(metrics) == "Metrics(18 values of loss, accuracy, from 2 sites; .to_pandas() has them all)"
    assert "0.5" in harmless(metrics._repr_html_()).text


def test_a_config_says_what_was_set_and_its_card_everything() -> None:
    config = TrainingConfig(batch_size=64, dropout=0.5)
    assert repr(config) == "TrainingConfig(batch_size=64, dropout=0.5)"
    assert "learning_rate" in harmless(config._repr_html_()).text


def test_a_connection_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESON_API_KEY", "rsk_dev_canary")
    config = ResonTechConfig()
    assert "canary" not in repr(config) + str(config) + config._repr_html_()


def test_the_session_shows_what_is_captured_and_set() -> None:
    session = Session()
    session.configure(num_rounds=7, name="digits")
    text = harmless(session._repr_html_()).text
    assert "num_rounds=7" in text and "digits" in text and "%%reson_model" in text
    assert repr(session) == "Session(nothing captured)"


def test_an_error_that_was_kept_is_a_card() -> None:
    text = harmless(CaptureError("In[3]: no class here", "Define one.")._repr_html_()).text
    assert "CaptureError: In[3]: no class here" in text and "Define one." in text


def test_a_rehearsal_that_failed_shows_its_steps(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "reson_jupyter.notebook.reprs.RehearsalCard", lambda rehearsal: SimpleNamespace(_repr_html_=lambda: rehearsal)
    )
    failed = RehearsalFailed("it failed", "Correct it.", "<b>the card of the rehearsal</b>")
    assert shown(shell, failed)["text/html"] == "<b>the card of the rehearsal</b>"


def test_a_comparison_is_data_for_the_extension_beside_html_and_text(shell: InteractiveShell, tmp_path: Path) -> None:
    runs = [run_with(tmp_path / "a", "one", LOSSES), run_with(tmp_path / "b", "two", LOWER)]
    bundle = shown(shell, reson.compare(*runs))
    assert set(bundle) == {COMPARISON, "text/html", "text/plain"}
    data = bundle[COMPARISON]
    assert [run["label"] for run in data["runs"]] == ["one", "two"]
    assert data["lines"][0] == {"name": "loss", "site": runs[0].id, "rounds": [0, 1, 2], "values": [0.9, 0.4, 0.5]}
    assert "loss, final" in Tags(bundle["text/html"]).text


def test_a_comparison_that_is_too_much_for_a_page_is_html(
    shell: InteractiveShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison = reson.compare(*(run_with(tmp_path / name, name, LOSSES) for name in "ab"))
    for limit in ("_LINES", "_ROWS"):
        with monkeypatch.context() as patch:
            patch.setattr(f"reson_jupyter.notebook.comparison_bundle.{limit}", 3)
            assert set(shown(shell, comparison)) == {"text/html", "text/plain"}


def test_lines_of_long_names_stay_two(shell: InteractiveShell, tmp_path: Path) -> None:
    runs = [run_with(tmp_path / end, f"{'a long name ' * 9}{end}", LOSSES) for end in ("1", "2")]
    data = shown(shell, reson.compare(*runs))[COMPARISON]
    assert {line["site"] for line in data["lines"]} == {run["id"] for run in data["runs"]} == {run.id for run in runs}
    assert len({run["label"] for run in data["runs"]}) == 2
