"""Which workers a job asks for: all of it is checked before anything is sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reson_jupyter import ResonTechConfig
from reson_jupyter.backend.platform.selection import described, selection
from reson_jupyter.backend.targets.platform import PlatformTarget
from reson_jupyter.errors import ConfigError, PlatformError, ResonError, StoreError, TargetError

from .answers import WireFault
from .app import Platform

CATALOGUE = {"rtx_5090", "rtx_4090"}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GPU_MODELS", "MAX_PRICE_PER_GPU_HOUR", "WORKER_IDS", "ONLY_MINE_WORKERS", "ESTIMATED_MEMORY_MB"):
        monkeypatch.delenv(f"RESON_{name}", raising=False)


def test_models_and_a_price_become_the_documented_fields() -> None:
    connection = ResonTechConfig(
        gpu_models=["rtx_5090", "rtx_4090"], max_price_per_gpu_hour=3, only_mine_workers=True, estimated_memory_mb=6000
    )
    assert selection(connection, CATALOGUE) == {
        "estimatedMemoryMb": 6000,
        "autoSelectWorkers": True,
        "gpuModels": ["rtx_5090", "rtx_4090"],
        "maxPricePerGpuHourCents": 300,
        "onlyMineWorkers": True,
    }


def test_workers_by_id_win_over_models_and_price() -> None:
    connection = ResonTechConfig(worker_ids=["w2", "w1"], gpu_models=["rtx_4090"], max_price_per_gpu_hour=2)
    assert selection(connection) == {"workerIds": ["w2", "w1"]}
    assert described(selection(connection)) == "workers: w2, w1"


def test_one_model_may_be_given_as_text() -> None:
    connection = ResonTechConfig(gpu_models="rtx_5090", max_price_per_gpu_hour=2.5)
    assert selection(connection)["gpuModels"] == ["rtx_5090"]
    assert described(selection(connection)) == "workers: rtx_5090, at most $2.50 for an hour of each GPU"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "gpu_models is not set"),
        ({"max_price_per_gpu_hour": 2}, "gpu_models is not set"),
        ({"gpu_models": []}, "gpu_models is not set"),
        ({"gpu_models": ["rtx_4090"]}, "max_price_per_gpu_hour is not set"),
        ({"gpu_models": ["rtx_4090"], "max_price_per_gpu_hour": 0}, "max_price_per_gpu_hour is not set"),
        ({"gpu_models": ["rtx_4090"], "max_price_per_gpu_hour": 0.004}, "no whole number of cents"),
        ({"gpu_models": ["rtx_4090"], "max_price_per_gpu_hour": 1.005}, "no whole number of cents"),
        ({"gpu_models": ["rtx_4090", "rtx_4090"], "max_price_per_gpu_hour": 2}, "names rtx_4090 twice"),
        ({"gpu_models": ["rtx_4909"], "max_price_per_gpu_hour": 2}, "did you mean 'rtx_4090'"),
        ({"gpu_models": ["RTX 4090"], "max_price_per_gpu_hour": 2}, "cannot be an id"),
        ({"gpu_models": ["rtx_4090", ""], "max_price_per_gpu_hour": 2}, "cannot be an id"),
        ({"worker_ids": ["w1", "w1"]}, "names w1 twice"),
        ({"worker_ids": ["w 1"]}, "cannot be an id"),
    ],
)
def test_what_the_platform_would_refuse_after_the_upload_is_refused_before(fields: dict[str, object], message: str) -> None:
    with pytest.raises(TargetError, match=message):
        selection(ResonTechConfig(**fields), CATALOGUE)


@pytest.mark.parametrize("price", [-1, float("nan"), float("inf"), "much", 10_001])
def test_what_is_no_price_is_refused_when_it_is_set(price: object) -> None:
    with pytest.raises(ConfigError, match="max_price_per_gpu_hour"):
        ResonTechConfig(max_price_per_gpu_hour=price)


@given(cents=st.integers(1, 1_000_000))
def test_every_cent_arrives(cents: int) -> None:
    connection = ResonTechConfig(gpu_models=["rtx_4090"], max_price_per_gpu_hour=cents / 100)
    assert selection(connection)["maxPricePerGpuHourCents"] == cents


def test_where_nobody_knows_the_models_any_is_taken() -> None:
    connection = ResonTechConfig(gpu_models=["h100"], max_price_per_gpu_hour=2)
    assert selection(connection, None)["gpuModels"] == ["h100"]


@pytest.fixture
def chosen(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A platform from which workers are asked for as they should be."""
    monkeypatch.setenv("RESON_GPU_MODELS", "rtx_5090,rtx_4090")
    monkeypatch.setenv("RESON_MAX_PRICE_PER_GPU_HOUR", "2.5")
    return platform


def test_a_survey_tells_the_bucket_and_the_workers(chosen: Platform) -> None:
    survey = PlatformTarget().survey(ResonTechConfig())
    assert (survey.store, survey.capacity, survey.needed, survey.sites) == (f"s3://{chosen.account.bucket}", 4, None, ())
    assert survey.notes == (
        "workers: rtx_5090, then rtx_4090, at most $2.50 for an hour of each GPU",
        "4 workers are online (rtx_4090)",
    )


def test_named_workers_are_as_many_as_the_shards_have_to_be(chosen: Platform) -> None:
    survey = PlatformTarget().survey(ResonTechConfig(worker_ids=["worker-1", "worker-2"]))
    assert (survey.capacity, survey.needed) == (None, 2)


def test_a_memory_that_no_worker_has_free_is_noted(chosen: Platform) -> None:
    survey = PlatformTarget().survey(ResonTechConfig(estimated_memory_mb=48_000))
    assert survey.notes[-1] == "no worker that is online has 48000 MB of GPU memory free; the most is 24000 MB"


@pytest.mark.parametrize("hidden", ["GET /api/gpu-catalog", "GET /api/customer/dashboard/workers/stats"])
def test_a_platform_that_tells_less_can_be_used(chosen: Platform, hidden: str) -> None:
    chosen.hidden.add(hidden)
    survey = PlatformTarget().survey(ResonTechConfig())
    assert survey.store == f"s3://{chosen.account.bucket}"
    assert survey.capacity == (4 if "gpu" in hidden else None)


@pytest.mark.parametrize(
    ("catalogue", "refused"),
    [
        (["rtx_5090", "rtx_4090"], False),
        ({"models": [{"model": "rtx_5090"}, {"model": "rtx_4090"}]}, False),
        ({"rtx_5090": 90}, False),  # of a schema that nobody knows
        ([{"price": 3}], False),
        ([{"id": "rtx_3060"}], True),
    ],
)
def test_the_catalogue_may_be_written_in_many_ways(chosen: Platform, catalogue: object, refused: bool) -> None:
    chosen.faults.append(WireFault("GET /api/gpu-catalog", edit=lambda _: catalogue))
    if refused:
        with pytest.raises(TargetError, match="no GPU model 'rtx_5090'"):
            PlatformTarget().survey(ResonTechConfig())
    else:
        assert PlatformTarget().survey(ResonTechConfig()).capacity == 4


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"s3_bucket": "another-bucket"}, TargetError, "s3_bucket names another-bucket"),
        ({"s3_access_key_id": "", "s3_secret_access_key": ""}, StoreError, "the keys of the account's bucket are not set"),
        ({"platform_api_key": "rsk_live_wrong"}, PlatformError, "the platform key was refused"),
    ],
)
def test_what_opens_the_account_is_tried_before_anything_is_built(
    chosen: Platform, fields: dict[str, str], kind: type[ResonError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        PlatformTarget().survey(ResonTechConfig(**fields))
    assert "POST /api/users/storage/upload/init" not in chosen.asked


@pytest.mark.parametrize("url", ["file:///tmp/store", "s3://bucket/prefix"])
def test_the_platform_reads_from_no_other_store(chosen: Platform, url: str) -> None:
    with pytest.raises(StoreError, match="reads from the account's bucket only"):
        PlatformTarget().open_store(url, ResonTechConfig())


def test_all_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BASE_URL", "API_KEY", "EMAIL", "S3_KEY", "S3_SECRET", "GPU_MODELS", "MAX_PRICE_PER_GPU_HOUR", "WORKER_IDS"):
        monkeypatch.delenv(f"RESON_{name}", raising=False)
    with pytest.raises(TargetError) as caught:
        PlatformTarget().survey(ResonTechConfig())
    for name in ("RESON_BASE_URL", "RESON_API_KEY", "RESON_S3_KEY and RESON_S3_SECRET", "gpu_models and max_price_per_gpu_hour"):
        assert name in str(caught.value)
