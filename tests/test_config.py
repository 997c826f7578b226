"""What a user can set, and what is said when a value cannot be used."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reson_jupyter.config import FederationConfig, ModelConfig, ResonTechConfig, SubmitConfig, TrainingConfig, check_url
from reson_jupyter.config.urls import without_user
from reson_jupyter.errors import ConfigError


def test_the_defaults_are_those_that_the_platform_documents() -> None:
    assert TrainingConfig().model_dump() == {
        "num_classes": 0,
        "local_epochs": 2,
        "batch_size": 32,
        "learning_rate": 0.001,
        "img_size": 224,
        "augment": False,
        "exact_pixels": False,
        "manifest_file": "manifest.ndjson",
        "image_hosts": (),
    }
    assert FederationConfig().model_dump() == {
        "num_rounds": 5,
        "min_clients": 1,
        "wait_time_after_min_received": 10,
        "site_timeout": 12,
        "round_timeout": 0,
        "heart_beat_timeout": 600,
        "job_name": "",  # the run has a name, which the platform's "rt_job" would hide
    }


def test_an_executor_gets_the_fields_that_the_platform_knows_and_of_the_others_those_that_were_set() -> None:
    platform = {"num_classes", "local_epochs", "batch_size", "learning_rate", "img_size", "manifest_file"}
    assert TrainingConfig().as_arguments().keys() == platform
    given = TrainingConfig(augment=True, image_hosts=["images.example.org"], dropout=0.5).as_arguments()
    assert given.keys() == platform | {"augment", "image_hosts", "dropout"}
    assert given["image_hosts"] == ["images.example.org"] and TrainingConfig(**given).as_arguments() == given


NO_HOSTS = (
    "",
    "*",
    "*.example.org",
    "https://a.org",
    "a.org:443",
    "127.0.0.1",
    "localhost",
    "[::1]",
    "A.org",
    "a..org",
    "a.org\n",
)


@pytest.mark.parametrize("host", NO_HOSTS)
def test_images_come_from_hosts_by_name_only(host: str) -> None:
    with pytest.raises(ConfigError, match="is no host name"):
        TrainingConfig(image_hosts=[host])


def test_extra_keys_are_kept_beside_the_fixed_ones() -> None:
    config = TrainingConfig(dropout=0.1, patch_size=4, schedule=[1, 2, {"a": None}])
    assert config.extra == {"dropout": 0.1, "patch_size": 4, "schedule": [1, 2, {"a": None}]}
    assert config.model_dump()["dropout"] == 0.1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: TrainingConfig(batch_size=0), "batch_size: input should be greater than or equal to 1 (got 0)"),
        (lambda: TrainingConfig(learning_rate=float("nan")), "learning_rate"),
        (lambda: TrainingConfig(learning_rate="fast"), "learning_rate: input should be a valid number"),
        (lambda: TrainingConfig(batchsize=8), "did you mean 'batch_size'?"),
        (lambda: TrainingConfig(data_root="/tmp"), "taken by the run itself"),
        (lambda: TrainingConfig(LR=1), "did you mean 'learning_rate'?"),
        (lambda: TrainingConfig(tokenizer={"path": "my.tok"}), "built into an object by NVFlare"),
        (lambda: TrainingConfig(model=object()), "a object cannot travel in a config"),
        (lambda: TrainingConfig(limit=float("inf")), "cannot be written as JSON"),
        (lambda: TrainingConfig(manifest_file="../x"), "plain file name"),
        (lambda: FederationConfig(num_round=3), "did you mean 'num_rounds'?"),
        (lambda: FederationConfig(num_rounds=0), "num_rounds"),
        (lambda: FederationConfig(wait_time_after_min_received=700), "must be below heart_beat_timeout"),
        (lambda: ModelConfig(model_class="not a name"), "must be a class name"),
        (lambda: ModelConfig(model_args={"a": object()}), "a object cannot travel in a config"),
        (lambda: ResonTechConfig(s3_access_key_id="key"), "set RESON_S3_SECRET"),
        (lambda: ResonTechConfig(s3_endpoint="http://10.0.0.1:3900"), "use https"),
    ],
)
def test_a_bad_value_is_refused_with_the_field_and_what_to_do(make: object, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()  # type: ignore[operator]
    assert said in str(caught.value)


def test_replace_keeps_what_was_set_and_leaves_unset_fields_unset() -> None:
    config = FederationConfig(num_rounds=3)
    assert "min_clients" not in config.replace(num_rounds=4).model_fields_set
    with pytest.raises(ConfigError):
        config.replace(num_rounds=-1)
    assert config.num_rounds == 3


def test_the_connection_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"KEY": "id", "SECRET": "canary-1", "BUCKET": "jobs", "ENDPOINT": "http://127.0.0.1:1/"}.items():
        monkeypatch.setenv(f"RESON_S3_{name}", value)
    config = ResonTechConfig()
    assert (config.s3_access_key_id, config.s3_bucket, config.s3_endpoint) == ("id", "jobs", "http://127.0.0.1:1")
    assert config.s3_secret_access_key.get_secret_value() == "canary-1"


def test_no_secret_shows_in_any_text_of_the_connection() -> None:
    config = ResonTechConfig(
        password="canary-1", platform_api_key="canary-2", s3_access_key_id="id", s3_secret_access_key="canary-3", s3_bucket="b"
    )
    for text in (repr(config), str(config), config.model_dump_json(), str(config.model_dump())):
        assert "canary" not in text


def test_a_wrong_secret_is_not_repeated_in_the_error() -> None:
    with pytest.raises(ConfigError) as caught:
        ResonTechConfig(password=["canary-1"])
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "http://localhost", "http://[::1]:3", "https://s3.example.org", "https://10.0.0.1"]
)
def test_https_is_taken_from_anywhere_and_http_from_this_machine(url: str) -> None:
    assert check_url(url + "/") == url


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "http://127.0.0.1.evil.org",
        "http://127.1",
        "http://2130706433",
        "http://[::ffff:127.0.0.1]",
        "https://user@example.org",
        "https://example.org?x=1",
        "ftp://example.org",
        "example.org",
        "",
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        check_url(url)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(JSON)
def test_any_extra_value_is_refused_or_survives_json_unchanged(value: object) -> None:
    try:
        config = TrainingConfig(mine=value)
    except ConfigError:
        assert "path" in repr(value)
        return
    assert json.loads(json.dumps(config.extra))["mine"] == config.extra["mine"]


def test_a_process_that_gets_the_environment_of_a_connection_has_the_same_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    given = ResonTechConfig(
        allow_http=True, base_url="http://10.77.0.1:8000", platform_api_key="rsk_dev_canary", gpu_models=["rtx_5090", "rtx_4090"],
        max_price_per_gpu_hour=2.5, only_mine_workers=True, estimated_memory_mb=6000, startup_kit="/kits/admin",
        s3_access_key_id="id", s3_secret_access_key="canary", s3_bucket="b",
    )  # fmt: skip
    for name, value in given.environment().items():
        monkeypatch.setenv(name, value)
    assert ResonTechConfig() == given
    assert ResonTechConfig().platform_api_key.get_secret_value() == "rsk_dev_canary"


def test_plain_http_to_another_machine_is_taken_when_it_is_allowed_and_the_error_says_how(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigError, match="RESON_ALLOW_HTTP=1"):
        ResonTechConfig(base_url="http://10.77.0.1:8000")
    monkeypatch.setenv("RESON_ALLOW_HTTP", "1")
    assert ResonTechConfig(base_url="http://10.77.0.1:8000/").base_url == "http://10.77.0.1:8000"


def test_several_models_of_gpus_may_be_given_as_text() -> None:
    assert ResonTechConfig(gpu_models="rtx_5090, rtx_4090").gpu_models == ("rtx_5090", "rtx_4090")
    assert ResonTechConfig(gpu_models="rtx_5090").gpu_models == ("rtx_5090",)


SECRET = "c4n4ry"
WITH_KEYS = (
    f"s3://AKIAX:{SECRET}/abc@bucket/prefix",
    f"s3://{SECRET}@bucket",
    f"s3://AKIAX:{SECRET}/abc",
    f"s3:/user:{SECRET}@bucket",
    f"s3:user:{SECRET}",
    f"user:{SECRET}@bucket",
    f"s3://b?aws_secret={SECRET}",
    f"s3://b/#{SECRET}",
    f"s3://user%3A{SECRET}%40bucket",
    f"ftp://u:{SECRET}/ry@h",
    f"file:///a/u:{SECRET}@h",
)


@pytest.mark.parametrize("url", WITH_KEYS)
def test_a_store_with_what_may_be_a_key_is_refused_and_not_repeated(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as given:
        SubmitConfig(store=url)
    monkeypatch.setenv("RESON_STORE", url)
    with pytest.raises(ConfigError) as read:
        SubmitConfig()
    for caught in (given, read):
        assert "store: must be a plain URL" in str(caught.value)
        assert "RESON_S3_KEY and RESON_S3_SECRET" in str(caught.value) and SECRET not in str(caught.value)


@pytest.mark.parametrize("url", ["", "s3://b", "s3://b/p/a:b", "file:///a%40b/c%23", "file:///a b", "/a/folder", "gs://b"])
def test_a_store_without_keys_is_taken_as_it_is(url: str) -> None:
    assert SubmitConfig(store=url).store == url


@pytest.mark.parametrize("variable", ["RESON_BASE_URL", "RESON_DASHBOARD_URL", "RESON_S3_ENDPOINT"])
@pytest.mark.parametrize(
    "url",
    [
        f"https://u:{SECRET}/pw@s3.example.org",
        f"https://u:{SECRET}/pw",
        f"https://:{SECRET}@s3.example.org",
        f"https://{SECRET}@s3.example.org",
        f"https://s3.example.org?{SECRET}",
        f"https://s3.example.org/#{SECRET}",
        f"https://u%3A{SECRET}%40s3.example.org",
        f"https://[{SECRET}]",
        f"https://{SECRET}\u2100@h",
        f"https:u:{SECRET}@s3.example.org",
        f"u:{SECRET}@s3.example.org",
    ],
)
def test_a_server_with_what_may_be_a_password_is_refused_and_not_repeated(
    variable: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, url)
    with pytest.raises(ConfigError) as caught:
        ResonTechConfig()
    assert "must be a plain URL" in str(caught.value) and SECRET not in str(caught.value)


@pytest.mark.parametrize("bucket", [f"u:{SECRET}@b", f"b?k={SECRET}"])
def test_a_bucket_with_what_may_be_a_key_is_refused_and_not_repeated(bucket: str) -> None:
    with pytest.raises(ConfigError, match="s3_bucket: must be a bucket's name") as caught:
        ResonTechConfig(s3_bucket=bucket)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ("s3://AKIAX:c4n4ry/a@b@bucket/prefix", "s3://...@bucket/prefix"),
        ("user:c4n4ry@bucket", "...@bucket"),
        ("s3://bucket?key=c4n4ry", "s3://bucket?..."),
    ],
)
def test_of_a_url_that_came_through_neither_user_nor_query_is_shown(url: str, shown: str) -> None:
    assert without_user(url) == shown


@given(st.text(), st.text())
def test_nothing_before_an_at_sign_is_shown_or_taken(secret: str, place: str) -> None:
    url = f"s3://u:{secret}@{place}"
    assert without_user(url).startswith("s3://...@")
    with pytest.raises(ConfigError):
        SubmitConfig(store=url)
