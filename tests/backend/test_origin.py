"""What made a run, told by nothing but its store."""

from __future__ import annotations

import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import reson_jupyter as reson
from reson_jupyter.backend.history.origin import Origin, digests, read_origin, read_submitted, versions
from reson_jupyter.backend.job import UserModule, build_job
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.backend.store import DirectoryStore, Store
from reson_jupyter.backend.submission import Submission
from reson_jupyter.config import FederationConfig, ModelConfig, TrainingConfig
from reson_jupyter.errors import RunError, RunNotFound, StoreError
from reson_jupyter.source_map import SourceMap, Span
from tests.backend.stored_runs import MODEL, Nowhere, job_parts, submitted
from tests.runs.conftest import write_image_shard


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    (tmp_path / "shards").mkdir()
    for number in range(2):
        write_image_shard(tmp_path / "shards" / f"s{number}.zip", [0, 1, 2], seed=number)
    return tmp_path / "shards"


def origin_of(store: Store, shards: Path, **changes: Any) -> Origin:
    run, _ = submitted(store, Nowhere(store), shards, **changes)
    return read_origin(store, run.id)


def test_the_configs_come_back_as_they_were_submitted(store: Store, shards: Path) -> None:
    config = origin_of(store, shards).config
    parts = job_parts()
    assert config.training == parts.training and config.training.extra == {"dropout": 0.5}
    assert config.federation.model_dump() == parts.federation.model_dump()
    assert config.model == ModelConfig(model_class="Net", model_args={"num_classes": 3})


@pytest.mark.parametrize(
    "federation",
    [FederationConfig(min_clients=2, job_name="mine"), FederationConfig(min_clients=1, wait_time_after_min_received=0)],
)
def test_every_field_of_the_federation_comes_back(store: Store, shards: Path, federation: FederationConfig) -> None:
    assert origin_of(store, shards, federation=federation).config.federation.model_dump() == federation.model_dump()


def test_a_model_of_a_package_comes_back_by_its_path(store: Store, shards: Path) -> None:
    config = origin_of(store, shards, model_path="torch.nn.Identity", model_source="", accepts_num_classes=False).config
    assert config.model == ModelConfig(model_class="torch.nn.Identity")


def test_the_sources_are_the_users_own_files_as_they_shipped(store: Store, shards: Path) -> None:
    sources = origin_of(store, shards).sources
    assert set(sources) == {"model_def.py", "helpers/more.py"}
    assert MODEL.strip() in sources["model_def.py"] and sources["helpers/more.py"] == "ONE = 1\n"


def test_an_executor_of_the_users_own_is_among_the_sources(store: Store, shards: Path) -> None:
    lines = SourceMap((Span(1, 2, "In[7]", 2),))
    executor = UserModule("class Mine:\n    pass\n", "Mine", lines)
    origin = origin_of(store, shards, executor=executor)
    assert "class Mine" in origin.sources["custom_client_executor.py"]
    assert origin.job.sources["custom_client_executor.py"] == lines


def test_the_job_comes_back_byte_for_byte(store: Store, shards: Path) -> None:
    run, job = submitted(store, Nowhere(store), shards)
    assert read_origin(store, run.id).job.digest == job.digest


def test_the_first_event_says_what_made_the_run(store: Store, shards: Path) -> None:
    run, job = submitted(store, Nowhere(store), shards)
    record, data = read_submitted(store, run.id)
    assert record == RunRecord.load(run.id)
    assert data["digests"] == digests(job) and data["digest"] == job.digest
    assert data["versions"]["python"] == platform.python_version()
    assert data["versions"]["torch"] == metadata.version("torch") and data["versions"]["numpy"] == metadata.version("numpy")
    assert (data["site_timeout"], data["round_timeout"]) == (30, 600)
    assert {len(shard["sha256"]) for shard in data["sites"].values()} == {64}


def test_a_digest_changes_with_what_it_is_of_and_with_nothing_else() -> None:
    before = digests(build_job(job_parts()))
    other_code = digests(build_job(job_parts(model_source=f"{MODEL}\nTWO = 2\n")))
    other_config = digests(build_job(job_parts(training=TrainingConfig(num_classes=3))))
    assert other_code["code"] != before["code"] and other_code["config"] == before["config"]
    assert other_config["code"] == before["code"] and other_config["config"] != before["config"]


def test_a_requirement_that_is_not_installed_here_has_no_version() -> None:
    assert "no-such-package" not in versions(build_job(job_parts(requirements=("no-such-package==1", "-r more.txt", ""))))


def test_a_run_that_was_submitted_before_there_were_digests_is_read_all_the_same(store: Store, shards: Path) -> None:
    run, _ = submitted(store, Nowhere(store), shards)
    key = f"jobs/{run.id}/files_out/events/00000000.ndjson"
    first, *more = store.get(key).decode().splitlines()
    event = json.loads(first)
    for name in ("digests", "versions", "site_timeout", "round_timeout", "lines"):
        del event["data"][name]
    store.put(key, "\n".join([json.dumps(event), *more]).encode())
    assert read_origin(store, run.id).config.federation.site_timeout == FederationConfig().site_timeout


def test_what_the_store_has_not_is_said(store: Store, shards: Path) -> None:
    with pytest.raises(RunNotFound, match="has no log of a run 'nobody'"):
        read_origin(store, "nobody")
    with pytest.raises(RunNotFound, match="is not a run id"):
        read_origin(store, "../etc")
    run, _ = submitted(store, Nowhere(store), shards)
    store.delete(f"jobs/{run.id}/configs/meta.json")
    with pytest.raises(RunError, match="are not all in its store"):
        read_origin(store, run.id)
    store.put(f"jobs/{run.id}/files_out/events/00000000.ndjson", b"[1]\n")
    with pytest.raises(StoreError, match="does not begin as a run's log does"):
        read_origin(store, run.id)


def test_a_run_is_attached_to_by_its_store_alone_with_its_name_and_its_time(
    store: Store, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = submitted(store, Nowhere(store), shards)
    record = RunRecord.load(run.id)
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "another machine"))
    with pytest.raises(RunNotFound, match="this machine knows no run"):
        reson.attach(run.id)
    monkeypatch.setenv("RESON_STORE", store.url)
    assert reson.attach(run.id).id == run.id, "the session's store is looked at"
    monkeypatch.delenv("RESON_STORE")
    assert reson.attach(run.id).config == run.config, "from now on this machine knows it"
    (found,) = reson.runs()
    assert found.record == record
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "a third one"))
    assert reson.attach(run.id, store=store.url).sources() == run.sources()


def test_the_log_says_where_the_target_runs_the_run(store: Store) -> None:
    parts, record = job_parts(), RunRecord.new("n", "local", store.url)
    submission = Submission(build_job(parts), {}, parts.federation, record, store, Nowhere(store), reson.ResonTechConfig())
    run = submission.start(place="clinics at fl.example.org:8002")
    assert run.progress.place == "clinics at fl.example.org:8002"
    with pytest.raises(reson.RunFailed):  # aborted at once
        run.wait()


def test_nothing_is_remembered_of_a_submit_that_the_store_refuses(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise StoreError("full")

    monkeypatch.setattr(DirectoryStore, "put", refuse)
    parts, record = job_parts(), RunRecord.new("n", "local", store.url)
    with pytest.raises(StoreError):
        Submission(build_job(parts), {}, parts.federation, record, store, Nowhere(store), reson.ResonTechConfig()).start()
    assert list(reson.runs()) == [] and not record.folder.exists()
