from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reson_jupyter.config.written import text_of, value_of
from reson_jupyter.errors import ConfigError
from reson_jupyter.forms import Form, forms_of
from reson_jupyter.session import Session

CANARY = "canary-5f1c"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STORE", "TARGET", "API_KEY", "PASSWORD", "S3_KEY", "S3_SECRET", "S3_BUCKET", "S3_ENDPOINT", "BASE_URL"):
        monkeypatch.delenv(f"RESON_{name}", raising=False)


def form(session: Session, name: str) -> Form:
    return next(form for form in forms_of(session) if form.id == name)


def as_json(session: Session) -> str:
    return json.dumps([repr(form) for form in forms_of(session)])


def test_every_field_that_can_be_set_is_in_one_form_under_its_own_name() -> None:
    forms = forms_of(Session())
    assert [form.id for form in forms] == ["training", "federation", "model", "target", "data", "run"]
    fields = [name for form in forms for name in form.schema["properties"]]
    assert len(fields) == len(set(fields)) and {"batch_size", "num_rounds", "model_class", "target", "shards_dir", "name"} <= {
        *fields
    }
    assert all(
        entry["title"] == name and entry["description"] for form in forms for name, entry in form.schema["properties"].items()
    )


def test_a_value_that_is_set_is_in_its_form_and_a_form_gives_back_what_it_was_given() -> None:
    session = Session()
    session.configure(batch_size=64, dropout=0.1, model_args={"width": 4}, name="digits", shards_dir=Path("shards"))
    assert form(session, "training").values["batch_size"] == 64
    rows = form(session, "training").rows
    assert rows is not None and rows.field == "" and rows.texts == {"dropout": "0.1"}
    arguments = form(session, "model").rows
    assert arguments is not None and arguments.field == "model_args" and arguments.texts == {"width": "4"}
    assert form(session, "run").values == {"name": "digits"} and form(session, "data").values == {"shards_dir": "shards"}
    session.configure(dropout=None, name=None)
    assert form(session, "training").rows.texts == {} and form(session, "run").values == {"name": ""}  # type: ignore[union-attr]


def test_the_number_of_sites_that_a_round_needs_is_open_until_somebody_sets_it() -> None:
    session = Session()
    federation = form(session, "federation")
    assert federation.schema["properties"]["min_clients"]["unset"] == "every site" and "min_clients" not in federation.values
    session.configure(min_clients=2)
    assert form(session, "federation").values["min_clients"] == 2
    session.configure(min_clients=None)
    assert "min_clients" not in form(session, "federation").values


def test_the_jobs_name_is_open_until_somebody_sets_it() -> None:
    session = Session()
    field = form(session, "federation").schema["properties"]["job_name"]
    assert field["unset"] == "the run's name" and "default" not in field
    for unset in ({}, {"job_name": ""}, {"job_name": None}):
        session.configure(job_name="mine")
        assert form(session, "federation").values["job_name"] == "mine"
        session.configure(**{"job_name": None, **unset})
        assert "job_name" not in form(session, "federation").values


@pytest.mark.parametrize(
    ("target", "there", "not_there"),
    [
        ("local", {"store", "s3_bucket"}, {"startup_kit", "base_url", "gpu_models"}),
        ("flare", {"startup_kit", "s3_bucket"}, {"base_url", "gpu_models"}),
        ("reson", {"base_url", "gpu_models", "worker_ids"}, {"startup_kit"}),
    ],
)
def test_the_form_of_the_target_has_the_fields_that_matter_there(target: str, there: set[str], not_there: set[str]) -> None:
    session = Session()
    session.configure(target=target)
    fields = form(session, "target").schema["properties"].keys()
    assert there <= fields and not not_there & fields
    assert form(session, "target").schema["properties"]["target"]["enum"] == ["local", "flare", "reson"]


def test_a_field_of_the_environment_says_whether_somebody_has_set_it_here() -> None:
    session = Session()
    session.configure(store="file:///tmp/store", stale_captures="refuse")

    def chosen() -> set[str]:
        return {name for name, entry in form(session, "target").schema["properties"].items() if entry.get("chosen")}

    assert chosen() == {"store"}
    session.configure(store=None, s3_bucket="jobs")
    assert chosen() == {"s3_bucket"}


def test_of_a_secret_there_is_only_whether_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESON_S3_KEY", f"{CANARY}-id")
    monkeypatch.setenv("RESON_S3_SECRET", CANARY)
    monkeypatch.setenv("RESON_S3_BUCKET", "jobs")
    monkeypatch.setenv("RESON_STORE", "s3://bucket/jobs")
    session = Session()
    for target in ("local", "flare", "reson"):
        session.configure(target=target)
        target_form = form(session, "target")
        assert {key.variable for key in target_form.keys if key.is_set} == {"RESON_S3_KEY", "RESON_S3_SECRET"}
        assert target_form.values["store"] == "s3://bucket/jobs" and target_form.values["s3_bucket"] == "jobs"
        assert CANARY not in as_json(session)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("RESON_STORE", f"s3://me:a/{CANARY}@bucket/jobs"), ("RESON_S3_ENDPOINT", f"https://:{CANARY}@s3.example.org")],
)
def test_an_address_with_a_password_is_a_problem_of_its_form_and_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    session = Session()
    assert "RESON_S3_SECRET" in form(session, "target").problem
    assert CANARY not in as_json(session) and CANARY not in session._repr_html_()


def test_an_environment_that_cannot_be_used_is_told_and_hides_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESON_S3_ENDPOINT", "http://example.org")
    session = Session()
    session.configure(batch_size=64)
    target = form(session, "target")
    assert "s3_endpoint: plain http to example.org" in target.problem and target.values["target"] == "local"
    assert form(session, "training").values["batch_size"] == 64


def test_a_refused_value_names_its_field() -> None:
    session = Session()
    with pytest.raises(ConfigError) as refused:
        session.configure(batch_size=0, learning_rate=-1)
    assert refused.value.fields == {
        "batch_size": "input should be greater than or equal to 1 (got 0)",
        "learning_rate": "input should be greater than 0 (got -1)",
    }
    with pytest.raises(ConfigError) as refused:
        session.configure(target="moon")
    assert refused.value.fields == {"target": "input should be 'local', 'flare' or 'reson'"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)
@given(JSON)
@example(9007199254740993)
@example(1.0)
@example("null")
@example(" padded ")
@example("\ud800 \u2028 \u202e\n")
def test_a_value_is_written_so_that_it_is_read_as_it_is(value: object) -> None:
    text = text_of(value)
    assert repr(value_of(text.strip())) == repr(value) and text.isprintable()


NUMBERS = st.integers(-5, 70_000) | st.floats() | st.booleans() | st.text(max_size=5) | st.none()


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(["batch_size", "num_rounds", "min_clients", "learning_rate", "dropout"]), NUMBERS, min_size=1)
)
def test_what_was_refused_has_changed_nothing_and_what_was_taken_is_shown(fields: dict[str, object]) -> None:
    session = Session()
    session.configure(batch_size=7, dropout=0.5)
    before = forms_of(session)
    try:
        session.configure(**fields)
    except ConfigError:
        assert forms_of(session) == before
    else:
        shown = {name: value for form in forms_of(session) for name, value in {**form.values, **_rows(form)}.items()}
        taken = {name: value for name, value in fields.items() if value is not None}
        assert all(shown[name] == value for name, value in taken.items())


def _rows(form: Form) -> dict[str, object]:
    return {name: value_of(text) for name, text in form.rows.texts.items()} if form.rows else {}
