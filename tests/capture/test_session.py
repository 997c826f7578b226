"""The kernel's session: configured as a whole or not at all, never with secrets, and its observers hear of it."""

from __future__ import annotations

import threading

import pytest

from reson_jupyter.capture.capture import Capture
from reson_jupyter.capture.text.module import Module
from reson_jupyter.errors import ConfigError
from reson_jupyter.session import Session, current_session

CAPTURE = Capture("model", "Net", Module("class Net: ...\n", (("In[1]", 1),), ()), "In[1]")


def test_each_field_reaches_the_config_that_has_it() -> None:
    session = Session()
    session.configure(
        batch_size=8, num_rounds=3, model_args={"width": 2}, s3_bucket="jobs", target="flare", store="file:///tmp/x"
    )
    assert (session.training.batch_size, session.federation.num_rounds) == (8, 3)
    assert session.model_config.model_args == {"width": 2}
    assert session.connection.s3_bucket == "jobs"
    assert (session.target, session.store) == ("flare", "file:///tmp/x")


def test_an_unknown_name_is_a_hyperparameter_of_the_users_own() -> None:
    session = Session()
    session.configure(momentum=0.9)
    session.configure(weight_decay=0.1)
    assert session.training.extra == {"momentum": 0.9, "weight_decay": 0.1}


@pytest.mark.parametrize(
    ("name", "meant"),
    [("num_round", "num_rounds"), ("batchsize", "batch_size"), ("s3_buckett", "s3_bucket"), ("min_client", "min_clients")],
)
def test_a_name_close_to_a_field_of_any_config_is_refused(name: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"did you mean '{meant}'"):
        Session().configure(**{name: 3})


def test_all_fields_are_set_or_none() -> None:
    session = Session()
    with pytest.raises(ConfigError, match="num_rounds"):
        session.configure(batch_size=8, target="flare", momentum=0.9, num_rounds=0)
    assert session.training.batch_size == 32 and session.target == "local" and session.training.extra == {}


@pytest.mark.parametrize(
    ("field", "variable"),
    [("password", "RESON_PASSWORD"), ("platform_api_key", "RESON_API_KEY"), ("s3_secret_access_key", "RESON_S3_SECRET")],
)
def test_secrets_are_refused_with_the_variable_to_use(field: str, variable: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Session().configure(**{field: "hunter2"})
    assert variable in str(caught.value) and "hunter2" not in str(caught.value)


def test_an_unset_field_stays_unset() -> None:
    session = Session()
    session.configure(num_rounds=3)
    assert session.federation.model_fields_set == {"num_rounds"}


def test_the_environment_counts_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session()
    monkeypatch.setenv("RESON_S3_ENDPOINT", "http://example.org")
    session.configure(batch_size=8)
    with pytest.raises(ConfigError, match="plain http"):
        _ = session.connection
    monkeypatch.setenv("RESON_S3_ENDPOINT", "https://example.org")
    assert session.connection.s3_endpoint == "https://example.org"


def test_store_and_target_come_from_the_environment_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session()
    assert (session.store, session.target) == ("", "local")
    monkeypatch.setenv("RESON_STORE", "s3://jobs")
    monkeypatch.setenv("RESON_TARGET", "flare")
    assert (session.store, session.target) == ("s3://jobs", "flare")
    monkeypatch.setenv("RESON_TARGET", "moon")
    with pytest.raises(ConfigError, match="target: input should be 'local', 'flare' or 'reson'"):
        _ = session.target
    session.configure(target="local")
    assert session.target == "local"


def test_a_capture_takes_the_place_of_the_earlier_one_of_its_role() -> None:
    session = Session()
    session.set_capture(CAPTURE)
    before = session.captures
    session.set_capture(Capture("model", "Net2", "", (), "In[2]"))
    assert before["model"].name == "Net"
    assert session.captures["model"].name == "Net2"
    assert session.captures.get("train") is None


def test_observers_hear_of_every_change_after_it_is_made() -> None:
    session = Session()
    heard: list[int] = []
    stop = session.observe(lambda changed: heard.append(changed.training.batch_size))
    session.configure(batch_size=8)
    session.set_capture(CAPTURE)
    stop()
    session.configure(batch_size=9)
    assert heard == [8, 8]


def test_a_refused_change_is_not_announced() -> None:
    session = Session()
    heard: list[Session] = []
    session.observe(heard.append)
    with pytest.raises(ConfigError):
        session.configure(batch_size=0)
    assert heard == []


def test_an_observer_that_fails_does_not_undo_the_change_nor_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    session = Session()
    heard: list[Session] = []
    session.observe(lambda changed: 1 / 0)  # type: ignore[arg-type]
    session.observe(heard.append)
    session.configure(batch_size=8)
    assert session.training.batch_size == 8 and heard == [session]
    assert "observer" in caplog.text


def test_an_observer_may_use_the_session_from_another_thread() -> None:
    session = Session()
    seen: list[int] = []

    def observer(changed: Session) -> None:
        thread = threading.Thread(target=lambda: seen.append(changed.training.batch_size))
        thread.start()
        thread.join(60)

    session.observe(observer)
    session.configure(batch_size=8)
    assert seen == [8]


def test_the_kernel_has_one_session() -> None:
    assert current_session() is current_session()


def test_a_secret_under_any_name_is_refused_and_not_shown() -> None:
    token = "hf_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3f"
    with pytest.raises(ConfigError, match="hub holds a Hugging Face") as caught:
        Session().configure(hub=token)
    assert token not in str(caught.value)


def test_none_drops_a_hyperparameter_of_the_users_own() -> None:
    session = Session()
    session.configure(momentum=0.9, weight_decay=0.1)
    session.configure(momentum=None)
    assert session.training.extra == {"weight_decay": 0.1}


def test_none_puts_back_fields_of_the_connection_the_target_and_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TARGET", "STORE", "STARTUP_KIT", "GPU_MODELS"):
        monkeypatch.delenv(f"RESON_{name}", raising=False)
    session = Session()
    session.configure(target="flare", store="file:///tmp/x", startup_kit="/kits/me", gpu_models=["rtx_4090"])
    session.configure(target=None, store=None, startup_kit=None, gpu_models=None)
    assert (session.target, session.store) == ("local", "")
    assert (session.connection.startup_kit, session.connection.gpu_models) == ("", ())


def test_a_platform_key_is_sent_to_the_variable_of_this_machine_and_not_to_the_sites() -> None:
    with pytest.raises(ConfigError) as caught:
        Session().configure(api_key="rsk_live_" + "canary0123456789" * 2)
    assert "RESON_API_KEY" in str(caught.value) and "getpass" in str(caught.value)
    assert "each site" not in str(caught.value) and "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"model_args": {"api_key": "rsk_live_0123456789abcdef0123456789abcdef"}},
        {"model_args": {"hub": {"names": ["a", {"api-key": "rsk_live_0123456789abcdef0123456789abcdef"}]}}},
        {"creds": ["rsk_live_0123456789abcdef0123456789abcdef"]},
        {"creds": {"rsk_live_0123456789abcdef0123456789abcdef": 1}},
        {"hub": {"password": "Tr0ub4dor&3-c4n4ry"}},
    ],
)
def test_a_secret_is_refused_however_deep_it_lies(fields: dict[str, object]) -> None:
    session = Session()
    with pytest.raises(ConfigError, match="ships, and is shown") as caught:
        session.configure(batch_size=8, **fields)
    assert "rsk_live_0" not in str(caught.value) and "c4n4ry" not in str(caught.value)
    assert session.training.batch_size == 32 and session.model_config.model_args == {}


def test_nested_values_that_are_no_secret_are_taken() -> None:
    session = Session()
    values = {"layers": [{"name": "conv", "kind": "3x3"}], "token_length": 8, "eos_token": "<s>"}
    session.configure(model_args=values, classes=["cat", "dog"])
    assert session.model_config.model_args == values and session.training.extra == {"classes": ["cat", "dog"]}
