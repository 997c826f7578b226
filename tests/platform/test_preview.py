"""A preview for the platform: what goes into the account's bucket, without what is secret in it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import reson_jupyter as reson
from reson_jupyter.backend.targets.detached import DetachedTarget
from reson_jupyter.preview import making
from tests.patience import wait_for
from tests.previews import end_at_once
from tests.runs.models import Line, fl_train

from .answers import WireFault
from .app import Platform
from .looking import no_secret_is_told

UPLOADED = ("scripts/", "configs/", "requirements/", "shards/")


def previewed(shards: Path) -> reson.Preview:
    return reson.preview(Line, train=fl_train, name="Numbers", shards_dir=shards, target="reson")


def test_it_shows_what_then_lies_in_the_bucket_but_for_the_secrets(
    customer: Platform, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DetachedTarget, "start", end_at_once)
    preview = previewed(shards)
    assert preview.unseen == () and preview.obstacles == () and preview.place == "127.0.0.1"
    assert preview.store == f"s3://{customer.bucket.name}"
    assert customer.jobs == {} and customer.bucket.keys("") == []

    run = reson.submit(Line, train=fl_train, name="Numbers", shards_dir=shards, target="reson", check=False)
    wait_for(lambda: run.state.done, 30)
    prefix = f"jobs/{run.id}/"
    there = {path: customer.bucket.get(prefix + path) for path in customer.bucket.keys(prefix) if path.startswith(UPLOADED)}
    planned = {file.path: file.sha256 for file in preview.files}
    data = {key.removeprefix("jobs/<run id>/"): shard.sha256 for shard in preview.shards for key in shard.keys[1:]}
    assert {**planned, **data}.keys() == there.keys()
    differing = {path for path, digest in {**planned, **data}.items() if hashlib.sha256(there[path]).hexdigest() != digest}
    assert differing == {"configs/config_fed_server.json"}, "which holds the form that the run's server reports with"
    assert planned["configs/config_fed_server.json"] == ""
    sizes = {file.path: file.bytes for file in preview.files}
    assert abs(sizes["configs/config_fed_server.json"] - len(there["configs/config_fed_server.json"])) < 100

    again = previewed(shards)
    assert again.since.run is not None and again.since.run.id == run.id and again.since.changes is not None
    assert not again.since.changes, again.diff
    assert [shard.stored for shard in again.shards] == [True, True]
    told = [f"{shown!r}{shown._repr_html_()}{shown.files}{shown.job.files}{shown.diff}" for shown in (preview, again)]
    assert all("X-Amz" not in text and "policy" not in text for text in told)
    assert "(a secret, another for each run)" in told[0]
    no_secret_is_told(customer, None, *told)


def test_a_platform_that_does_not_answer_leaves_the_job_to_be_seen(
    customer: Platform, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "_TARGET_PATIENCE", 0.5)
    customer.faults.append(WireFault("GET /api/users/storage/bucket", times=50, answer=(503, {"message": "down for work"})))
    preview = previewed(shards)
    assert preview.unseen[0].startswith("the target reson could not be looked at: ")
    assert len(preview.files) == 7 and [shard.site for shard in preview.shards] == ["", ""]
