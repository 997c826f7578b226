"""What `%reson` says of mistakes: all of them, and what to write instead."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell

import reson_jupyter as reson
from tests.notebook.typed import MODEL, run


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STORE", "TARGET", "API_KEY", "S3_KEY", "S3_SECRET", "S3_BUCKET", "BASE_URL", "EMAIL", "PASSWORD"):
        monkeypatch.delenv(f"RESON_{name}", raising=False)


def refusal(shell: InteractiveShell, line: str) -> str:
    result, _ = run(shell, line)
    assert isinstance(result.error_in_exec, reson.ResonError)
    return str(result.error_in_exec)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("bach_size=4 num_round=3", ["did you mean 'batch_size'?", "did you mean 'num_rounds'?"]),
        ("num_rounds=0 learning_rate=-1", ["num_rounds: input", "learning_rate: input"]),
        ("copy=1 lr=2 batch_size=0", ["copy: this name is taken", "did you mean 'learning_rate'?", "batch_size: input"]),
        ("store=s3://a@b batch_size=0 password=x", ["store: must be", "batch_size: input", "RESON_PASSWORD"]),
        ("1 =2", ["'1' is not of the form KEY=VALUE", "'=2' is not of the form KEY=VALUE"]),
        ("batch_size=" + "9" * 5_000, ["batch_size: This whole number has too many digits"]),
        ('model_args={"wdth":8}', ["model_args: input should be a valid dictionary", "'model_args={\"width\": 4}'"]),
        ("x=[1, 2]", ["'2]' is not of the form KEY=VALUE", "into quotes, as JSON: 'x=[1, 2]'"]),
        ("dropout", ["There is no field 'dropout'.", "%reson config dropout=VALUE"]),
        ("batch_sise", ["There is no field 'batch_sise'; did you mean 'batch_size'?"]),
        ("epochs_mine=3 batch_sise", ["did you mean 'batch_size'?"]),
    ],
)
def test_one_answer_names_all_mistakes_of_a_line_and_sets_nothing(shell: InteractiveShell, line: str, said: list[str]) -> None:
    text = refusal(shell, f"%reson config {line}")
    assert [part for part in said if part not in text] == []
    assert reson.session().training.extra == {} and "password" not in text.lower().replace("reson_password", "").replace(
        "password is a secret", ""
    )


def test_what_looks_like_a_list_and_is_kept_as_text_is_told(shell: InteractiveShell) -> None:
    _, text = run(shell, "%reson config x=[1,2")
    assert text.splitlines()[-1] == "x: kept as text, as it is no JSON; a list or a dict stands in quotes: 'x=[1, 2]'"
    assert "kept as text" not in run(shell, "%reson config y=[1,2] z=adam")[1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("batch_size", "batch_size = 32\n"),
        ("job_name min_clients", "job_name = (unset: the run's name)\nmin_clients = (unset: every site)\n"),
        ("platform_api_key", "platform_api_key: not set (RESON_API_KEY)\n"),
        ("batch_size=8 batch_size", "batch_size = 8\nbatch_size = 8\n"),
        ("batch_size=1e3", "batch_size = 1000\n"),
        ("dropout=0.5 dropout", "dropout = 0.5\ndropout: of your own, for your train function\ndropout = 0.5\n"),
        ("gpu_models=a,b", "gpu_models = a, b\n"),
    ],
)
def test_a_field_that_is_named_alone_is_shown_as_it_is_kept(shell: InteractiveShell, line: str, said: str) -> None:
    assert run(shell, f"%reson config {line}")[1] == said


def test_an_unset_name_of_the_job_is_shown_as_the_runs(shell: InteractiveShell) -> None:
    assert "  job_name = (unset: the run's name)\n" in run(shell, "%reson config")[1]
    assert "job_name = mine" in run(shell, "%reson config job_name=mine")[1]


def test_a_submit_names_all_that_stands_in_its_way_and_what_to_write(shell: InteractiveShell) -> None:
    lines = refusal(shell, "%reson submit").splitlines()
    assert lines[0] == "the run has no name" and lines[2].strip().startswith("There is no model: put %%reson_model")
    assert lines[3].endswith("one zip for each site. --shards DIR, or %reson config shards_dir=DIR.") and len(lines) == 4
    assert "no model" in (named := refusal(shell, "%reson submit --name x --shards nowhere")) and "--shards" not in named
    run(shell, MODEL)
    lines = refusal(shell, "%reson submit --name x").splitlines()
    assert "does not fit" in lines[0] and lines[-1].endswith("--shards DIR, or %reson config shards_dir=DIR.")
    assert "--shards DIR" not in refusal(shell, "%reson check")


def test_none_puts_a_field_back_to_its_default(shell: InteractiveShell) -> None:
    run(shell, "%reson config min_clients=2 batch_size=8")
    run(shell, "%reson config min_clients=None batch_size=None")
    assert "min_clients" not in reson.session().federation.model_fields_set
    assert reson.session().training.batch_size == 32
