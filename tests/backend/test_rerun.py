"""A run once more: what ships, what changes, what is refused before anything is stored."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from reson_jupyter.backend.carrying.channel import Link
from reson_jupyter.backend.federated import federated
from reson_jupyter.backend.history.deletion import delete
from reson_jupyter.backend.history.origin import read_origin
from reson_jupyter.backend.history.rerun import rerun
from reson_jupyter.backend.observers import on_run
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.backend.run.handle import Run
from reson_jupyter.backend.shard_pool import content_key
from reson_jupyter.backend.store import DirectoryStore, Store, UploadForm, open_store
from reson_jupyter.config import FederationConfig, ResonTechConfig, TrainingConfig
from reson_jupyter.errors import ConfigError, JobError, RehearsalFailed, ResonError, RunError
from tests.backend.stored_runs import MODEL, Nowhere, submitted
from tests.patience import wait_for
from tests.runs.conftest import write_image_shard
from tests.servers import s3_server

OWN_TRAINING = f"""{MODEL}

def fl_train(model, env, out_dir, logger=None):
    return {{"weights": {{name: value + env["step"] for name, value in model.state_dict().items()}}, "samples": 1}}
"""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("reson_jupyter.backend.observers._run_observers", [])


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    (tmp_path / "shards").mkdir()
    for number in range(2):
        write_image_shard(tmp_path / "shards" / f"s{number}.zip", [0, 1, 2, 0], seed=number)
    return tmp_path / "shards"


@pytest.fixture
def first(store: Store, shards: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose reruns are taken to have been rehearsed well."""
    monkeypatch.setattr(
        "reson_jupyter.backend.history.rerun.rehearse_told", lambda *_, **__: SimpleNamespace(said=["rehearsal: it went well"])
    )
    run, _ = submitted(store, Nowhere(store), shards)
    return run


def again(run: Run, store: Store, **changes: Any) -> Run:
    new = rerun(RunRecord.load(run.id), store, Nowhere(store), ResonTechConfig(), changes)
    wait_for(lambda: new.state.done, 20)
    assert new.state == "aborted", new.reason
    return new


def objects(store: Store, run: Run, *folders: str) -> dict[str, bytes]:
    prefix = f"jobs/{run.id}/"
    return {info.key.removeprefix(prefix): store.get(info.key) for folder in folders for info in store.list(prefix + folder)}


def test_without_changes_the_same_job_runs_on_the_same_data(store: Store, first: Run) -> None:
    new = again(first, store)
    assert new.id != first.id and new.progress.name == "digits"
    assert objects(store, new, "scripts", "configs", "requirements") == objects(
        store, first, "scripts", "configs", "requirements"
    )
    assert objects(store, new, "shards") == {}, "its data lies in the store already, once for all runs"
    digests = [site["sha256"] for site in first.events()[0].data["sites"].values()]
    assert [site["sha256"] for site in new.events()[0].data["sites"].values()] == digests
    for digest in digests:
        assert {info.name for info in store.list(f"shards/used/{digest}/")} == {first.id, new.id}
    (plan,) = (event.data["message"] for event in new.events() if event.type == "log")
    assert plan.startswith("all 2 shards are in the store already; ")
    assert new.progress.digest == first.progress.digest
    assert {name: site.shard for name, site in new.progress.sites.items()} == {"site-1": "s0.zip", "site-2": "s1.zip"}
    assert new.progress.sources == first.progress.sources, "a failure still knows the line of the cell"
    assert new.progress.notes == [f"rerun of {first.id}", "rehearsal: it went well"]
    assert new.config == first.config


def test_a_job_that_was_stored_for_a_federation_is_adapted_anew_by_its_target(
    store: Store, first: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_origin(store, first.id).job
    link = Link(UploadForm("https://s3.example/bucket", {"policy": "sesame"}, "p/"), "https://s3.example/r?sig=sesame")
    for key, data in federated(before, link).files.items():
        store.put(f"jobs/{first.id}/{key}", data)
    given = []
    monkeypatch.setattr(Nowhere, "adapt", lambda self, job, *rest: given.append(job) or job)
    again(first, store)
    assert given[0].files == before.files


def test_a_change_reaches_the_config_that_has_the_field(store: Store, first: Run) -> None:
    new = again(first, store, num_rounds=7, learning_rate=0.1, dropout=0.9, own=[1, 2], round_timeout=5, name="more digits")
    config = new.config
    assert (config.federation.num_rounds, config.federation.round_timeout, config.federation.site_timeout) == (7, 5, 30)
    assert config.training.learning_rate == 0.1 and config.training.extra == {"dropout": 0.9, "own": [1, 2]}
    assert new.progress.name == "more digits" and new.id.startswith("more-digits-") and new.progress.num_rounds == 7
    assert new.progress.notes[0].startswith(f"rerun of {first.id} with num_rounds=7, learning_rate=0.1")
    assert objects(store, new, "scripts") == objects(store, first, "scripts")
    assert json.loads(objects(store, new, "configs")["configs/meta.json"])["name"] == "more digits"
    assert first.config.federation.num_rounds == 3, "the first run stays as it was"


def test_none_drops_a_hyperparameter_and_puts_a_field_back(store: Store, first: Run) -> None:
    config = again(first, store, dropout=None, num_rounds=None, min_clients=None).config
    assert config.training.extra == {} and config.federation.num_rounds == FederationConfig().num_rounds
    assert config.federation.min_clients == 2, "unset it is every site, as at a submit"


def test_the_number_of_classes_reaches_the_models_constructor(store: Store, first: Run) -> None:
    new = again(first, store, num_classes=5)
    server = read_origin(store, new.id).job.config("config_fed_server.json")
    assert server["components"][0]["args"]["model"] == {"path": "model_def.Net", "args": {"num_classes": 5}}
    assert new.config.model.model_args == {"num_classes": 5} and new.config.training.num_classes == 5


def test_arguments_of_the_model_are_replaced_and_keep_the_number_of_classes(store: Store, first: Run) -> None:
    assert again(first, store, model_args={"width": 2}).config.model.model_args == {"num_classes": 3, "width": 2}


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"min_clients": 3}, JobError, "the run has 2 shards, so only 2 sites"),
        ({"num_rounds": 0}, ConfigError, "greater than or equal to 1"),
        ({"wait_time_after_min_received": 600}, ConfigError, "must be below heart_beat_timeout"),
        ({"batchsize": 8}, ConfigError, "did you mean 'batch_size'"),
        ({"num_round": 8}, ConfigError, "did you mean 'num_rounds'"),
        ({"lr": 8}, ConfigError, "did you mean 'learning_rate'"),
        ({"model_args": {"num_classes": 4}}, JobError, "the training config says 3"),
        ({"name": 3}, ConfigError, "name: give text"),
        ({"name": ""}, ConfigError, "name: give text"),
        ({"name": "\udc80"}, ConfigError, "not valid Unicode"),
        ({"foo": ["\udc80"]}, ConfigError, "'foo': .* not valid Unicode"),
        ({"\udc80": 1}, ConfigError, "not valid Unicode"),
        ({"token": "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"}, JobError, "must not ship"),
    ],
)
def test_a_change_that_cannot_be_is_refused_before_anything_is_stored(
    store: Store, first: Run, changes: dict[str, Any], kind: type[Exception], said: str
) -> None:
    before = [info.key for info in store.list("")]
    with pytest.raises(kind, match=said):
        rerun(RunRecord.load(first.id), store, Nowhere(store), ResonTechConfig(), changes)
    assert [info.key for info in store.list("")] == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"num_classes": 2}, "label"), ({"model_args": {"depth": 2}}, "depth"), ({"model_class": "Gone"}, "Gone")],
)
def test_a_rerun_is_rehearsed_on_its_data_before_anything_is_stored(
    store: Store, shards: Path, changes: dict[str, Any], said: str
) -> None:
    run, _ = submitted(store, Nowhere(store), shards)
    before = [info.key for info in store.list("")]
    with pytest.raises(ResonError, match=said):
        rerun(RunRecord.load(run.id), store, Nowhere(store), ResonTechConfig(), changes)
    assert [info.key for info in store.list("")] == before


def test_a_train_function_of_the_users_own_is_rehearsed_with_the_changes(store: Store, shards: Path) -> None:
    own = {"model_source": OWN_TRAINING, "train_fn": "fl_train", "training": TrainingConfig(num_classes=3, step=1)}
    run, _ = submitted(store, Nowhere(store), shards, **own)
    assert again(run, store, step=2).config.training.extra == {"step": 2}
    with pytest.raises(RehearsalFailed, match=r"step|Tensor"):
        rerun(RunRecord.load(run.id), store, Nowhere(store), ResonTechConfig(), {"step": "two"})


def test_shards_that_are_gone_are_an_error_that_names_them(store: Store, first: Run) -> None:
    store.delete(content_key(first.events()[0].data["sites"]["site-2"]["sha256"]))
    with pytest.raises(RunError, match=r"s1\.zip of site-2 is no longer in the store") as caught:
        again(first, store)
    assert "with its folder of shards" in str(caught.value)


def test_a_rerun_needs_the_shards_also_when_the_first_run_is_deleted(store: Store, first: Run) -> None:
    new = again(first, store)
    assert delete(RunRecord.load(first.id), store, Nowhere(store)).shards_kept == 2
    third = again(new, store)
    for run in (new, third):
        delete(RunRecord.load(run.id), store, Nowhere(store))
    assert list(store.list("")) == []


def test_a_checkpoint_goes_along(store: Store, shards: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "start.pt"
    torch.save({"weight": torch.ones(3, 3), "bias": torch.zeros(3)}, checkpoint)
    run, _ = submitted(store, Nowhere(store), shards, checkpoint=checkpoint)
    checkpoint.unlink()
    new = again(run, store)
    assert objects(store, new, "model") == objects(store, run, "model") != {}


def test_no_byte_of_the_data_is_read_when_it_is_much(store: Store, first: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reson_jupyter.backend.history.rerun._REHEARSED_SHARD", 10)
    read: list[str] = []
    fetch = DirectoryStore.get_file
    monkeypatch.setattr(DirectoryStore, "get_file", lambda self, key, path: read.append(key) or fetch(self, key, path))
    again(first, store)
    assert read == []


def test_other_versions_than_those_of_the_first_run_are_noted(store: Store, first: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    key = f"jobs/{first.id}/files_out/events/00000000.ndjson"
    store.put(key, store.get(key).replace(f'"torch":"{torch.__version__}"'.encode(), b'"torch":"1.9.0"'))
    note = f"this kernel has other versions than the one that submitted it: torch {torch.__version__} (was 1.9.0)"
    assert note in again(first, store).progress.notes


def test_a_rerun_is_told_to_whoever_shows_runs(store: Store, first: Run) -> None:
    shown: list[Run] = []
    on_run(shown.append)
    assert again(first, store) is shown[0]


def test_over_a_bucket_no_byte_of_the_data_is_sent_or_read(shards: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("reson_jupyter.backend.history.rerun.rehearse_told", lambda *_, **__: SimpleNamespace(said=[]))
    monkeypatch.setattr("reson_jupyter.backend.history.rerun._REHEARSED_SHARD", 10)
    with s3_server() as endpoint:
        for name, value in endpoint.environment.items():
            monkeypatch.setenv(name, value)
        store = open_store(f"s3://{endpoint.bucket}")
        run, _ = submitted(store, Nowhere(store), shards)
        asked: list[tuple[str, str]] = []

        def note(request: Any, event_name: str, **_: Any) -> None:
            asked.append((event_name.rpartition(".")[2], request.url.rpartition("/")[2]))

        vars(store)["_client"].meta.events.register("before-send.s3.*", note)
        new = again(run, store)
        digests = [site["sha256"] for site in new.events()[0].data["sites"].values()]
    assert len(digests) == 2
    assert {verb for verb, name in asked if name.removesuffix(".zip") in digests} == {"HeadObject"}
    assert [verb for verb, name in asked if name == new.id] == ["PutObject", "PutObject"], "its claims"


def test_a_rerun_can_be_run_again(store: Store, first: Run) -> None:
    second = again(first, store, num_rounds=4)
    third = again(second, store, learning_rate=0.5)
    assert third.config.federation.num_rounds == 4 and third.progress.notes[0].startswith(f"rerun of {second.id}")
