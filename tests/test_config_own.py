"""Names and values of the user's own in the configs: which are refused, and that nothing is spoilt by one that was tried."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reson_jupyter.config import FederationConfig, ModelConfig, ResonTechConfig, SubmitConfig, TrainingConfig
from reson_jupyter.config.written import value_of
from reson_jupyter.errors import ConfigError
from reson_jupyter.session import Session

OF_THE_CLASS = (
    "validate", "copy", "json", "dict", "schema", "model_dump", "model_fields", "model_post_init", "extra", "replace",
    "__init__", "__class__", "__eq__", "__setattr__", "__pydantic_fields_set__", "__pydantic_extra__", "__dict__", "__slots__",
)  # fmt: skip


@pytest.mark.parametrize("name", OF_THE_CLASS)
def test_a_name_that_the_config_has_itself_is_refused_at_once_and_the_next_change_works(name: str) -> None:
    session = Session()
    with pytest.raises(ConfigError, match=f"{name}: this name is taken by the config itself; choose another"):
        session.configure(**{name: 1})
    session.configure(learning_rate=0.5)
    assert session.training.learning_rate == 0.5 and session.training.extra == {}


@pytest.mark.parametrize("name", ["None", "True", "class", "lambda"])
def test_a_word_of_python_is_no_name(name: str) -> None:
    with pytest.raises(ConfigError, match="is not a name that Python code could use"):
        TrainingConfig(**{name: 1})


@given(st.from_regex(r"[a-z_][a-z_0-9]{0,12}", fullmatch=True))
def test_any_name_that_is_taken_can_be_changed_and_put_back(name: str) -> None:
    try:
        config = TrainingConfig(**{name: 1})
    except ConfigError:
        return
    changed = config.replace(local_epochs=3, **{name: 2})
    assert changed.extra.get(name, 2) == 2 and changed.local_epochs == 3
    assert name not in changed.replace(**{name: None}).extra


@pytest.mark.parametrize(
    ("config", "field", "value"),
    [
        (TrainingConfig, "mine", "\ud800"),
        (TrainingConfig, "mine", ["a", {"b": "x\udfff"}]),
        (TrainingConfig, "mine", {"\ud800": 1}),
        (TrainingConfig, "manifest_file", "m\ud800"),
        (ModelConfig, "model_args", {"a": "\ud800"}),
        (FederationConfig, "job_name", "\ud800"),
        (SubmitConfig, "name", "\ud800"),
        (SubmitConfig, "shards_dir", "\ud800"),
        (ResonTechConfig, "password", "canary\ud800"),
    ],
)
def test_half_a_character_is_refused_with_its_field(config: type, field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"\b{field}.*half a character") as caught:
        config(**{field: value})
    assert field in caught.value.fields and "canary" not in str(caught.value)


@pytest.mark.parametrize("value", [True, False])
def test_a_boolean_is_no_number(value: bool) -> None:
    for config, field in ((TrainingConfig, "batch_size"), (FederationConfig, "min_clients"), (TrainingConfig, "learning_rate")):
        with pytest.raises(ConfigError, match=rf"{field}: input should be a number \(got {value}\)"):
            config(**{field: value})
    assert TrainingConfig(augment=value, mine=value).augment is value


@pytest.mark.parametrize("field", ["batch_size", "mine"])
def test_a_number_of_thousands_of_digits_is_refused_with_its_field(field: str) -> None:
    with pytest.raises(ConfigError, match=f"TrainingConfig: {field}: ") as caught:
        TrainingConfig(**{field: 10**5_000})
    assert "set_int_max_str_digits" not in str(caught.value)
    with pytest.raises(ConfigError, match="too many digits"):
        value_of("9" * 5_000)


def test_a_price_that_is_no_number_is_told_so() -> None:
    with pytest.raises(ConfigError, match=r"max_price_per_gpu_hour: input should be a finite number \(got nan\)"):
        ResonTechConfig(max_price_per_gpu_hour=float("nan"))


def test_one_error_names_every_field_that_is_wrong() -> None:
    session = Session()
    with pytest.raises(ConfigError) as caught:
        session.configure(batch_size=0, copy=1, lr=2, num_rounds=0, bach_sise=1, target="moon", s3_endpoint="http://x.org")
    assert caught.value.fields.keys() == {"batch_size", "copy", "lr", "num_rounds", "target", "s3_endpoint"}
    assert "moon" not in session.target and session.training.extra == {}


@pytest.mark.parametrize("name", ["api_key", "s3_secret", "s3_secret_key", "token", "apiKey", "hf_token", "secret", "PASSWD"])
def test_text_under_the_name_of_a_secret_is_refused_however_short_it_is(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is a secret and is not set here") as caught:
        Session().configure(**{name: "zq"})
    assert "zq" not in str(caught.value) and "environ" in str(caught.value)


def test_an_api_key_is_told_the_variable_of_the_platforms() -> None:
    with pytest.raises(ConfigError, match="Set RESON_API_KEY before the kernel starts"):
        Session().configure(api_key="zq")


@pytest.mark.parametrize(
    ("name", "value"),
    [("pad_token", "<pad>"), ("token", 3), ("tokens", "abc"), ("secret_sharing", "shamir"), ("key", "a"), ("token_dim", 8),
     ("monkey", "abc"), ("cls_token", "x"), ("api_key", None)],
)  # fmt: skip
def test_a_name_of_language_or_data_is_a_hyperparameter(name: str, value: object) -> None:
    session = Session()
    session.configure(**{name: value})
    assert session.training.extra == ({} if value is None else {name: value})


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_every_text_that_is_taken_can_be_written(text: str) -> None:
    try:
        config = TrainingConfig(mine=text)
    except ConfigError:
        assert any("\ud800" <= sign <= "\udfff" for sign in text)
        return
    json.dumps(config.extra, ensure_ascii=False).encode()
