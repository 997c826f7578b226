"""The whole job over each kind of store: the same run, the same result, and in the bucket exactly the platform's layout."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import reson_jupyter as reson
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.backend.store import Store, open_store
from tests.runs.conftest import rounds
from tests.runs.models import SmallNet
from tests.servers import s3_server

pytestmark = pytest.mark.nvflare


@pytest.fixture(params=["directory", "s3 over http", "s3 over https"])
def store(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty store, with the environment that a user of it has."""
    if request.param == "directory":
        yield (home / "somewhere").absolute().as_uri()
        return
    with s3_server(tls=request.param.endswith("https")) as endpoint:
        for name, value in endpoint.environment.items():
            monkeypatch.setenv(name, value)
        yield f"s3://{endpoint.bucket}"


def keys(store: Store, prefix: str) -> list[str]:
    found = [info.key.removeprefix(f"{prefix}/") for info in store.list("")]
    # How many segments the log has is a matter of time.
    return sorted({re.sub(r"events/\d{8}\.ndjson", "events/NNNNNNNN.ndjson", key) for key in found})


def test_a_run_leaves_exactly_the_platforms_layout_and_its_result(store: str, image_shards: Path) -> None:
    training = reson.TrainingConfig(img_size=12, local_epochs=1)
    run = reson.submit(
        SmallNet, name="colours", shards_dir=image_shards, training=training, federation=rounds(2), store=store, check=False
    ).wait(120)
    assert run.state == reson.RunState.FINISHED
    opened = open_store(store, reson.ResonTechConfig())
    digests = [hashlib.sha256((image_shards / f"shard_{number}.zip").read_bytes()).hexdigest() for number in (0, 1)]
    assert keys(opened, RunRecord.load(run.id).prefix) == [
        "configs/config_fed_client.json",
        "configs/config_fed_server.json",
        "configs/meta.json",
        "files_out/events/NNNNNNNN.ndjson",
        "files_out/latest.json",
        "files_out/logs/server.txt",
        "files_out/logs/simulator.txt",
        "files_out/logs/site-1.txt",
        "files_out/logs/site-2.txt",
        "files_out/rounds/round_00000.pt",
        "files_out/rounds/round_00001.pt",
        "model_out/GLOBAL_MODEL.pt",
        "requirements/requirements.txt",
        "scripts/custom_client_executor.py",
        "scripts/custom_persistor.py",
        "scripts/model_def.py",
        *sorted(f"shards/sha256/{digest}.zip" for digest in digests),
        *sorted(f"shards/used/{digest}/{run.id}" for digest in digests),
    ]
    assert sum(parameter.numel() for parameter in run.model().parameters()) > 0
    for info in opened.list(""):
        assert b"test-secret" not in opened.get(info.key), f"the secret key lies in {info.key}"


def test_a_store_that_cannot_be_reached_is_an_error_in_the_cell(
    home: Path, image_shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ENDPOINT": "http://127.0.0.1:9", "KEY": "k", "SECRET": "canary", "BUCKET": "bucket"}.items():
        monkeypatch.setenv(f"RESON_S3_{name}", value)
    with pytest.raises(reson.ResonError) as caught:
        reson.submit(SmallNet, name="colours", shards_dir=image_shards)
    assert "127.0.0.1:9" in str(caught.value) and "canary" not in str(caught.value)
    assert not list(home.glob("runs/*"))
