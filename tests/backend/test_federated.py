"""What a job gets for a federation is added and taken out again without a trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reson_jupyter.backend import nvflare_config
from reson_jupyter.backend.carrying.channel import Link
from reson_jupyter.backend.federated import federated, plain, shown, with_shard
from reson_jupyter.backend.job import Job, JobParts, UserModule, build_job
from reson_jupyter.backend.store import UploadForm
from reson_jupyter.config import FederationConfig, TrainingConfig

MODEL = "import torch\n\nclass Net(torch.nn.Module): ...\n"
OWN = UserModule("class Mine: ...", "Mine")
LINK = Link(UploadForm("https://s3.example/bucket", {"policy": "sesame"}, "p/"), "https://s3.example/r?sig=sesame")
JOBS = {
    "default training": JobParts("a", "model_def.Net", MODEL),
    "own functions": JobParts("b", "model_def.Net", MODEL, train_fn="fl_train", validate_fn="fl_validate"),
    "own executor": JobParts("c", "model_def.Net", MODEL, executor=OWN),
    "own persistor": JobParts("d", "model_def.Net", MODEL, train_fn="fl_train", persistor=OWN),
    "model elsewhere": JobParts("e", "torchvision.models.ResNet", requirements=("torch==2.9.0", "torchvision==0.24.0")),
    "local modules": JobParts("f", "model_def.Net", MODEL, local_modules={"mine/blocks.py": "x = 1\n"}),
    "checkpoint": JobParts("g", "model_def.Net", MODEL, checkpoint=Path("start.pt")),
}
ADDED = {
    "scripts/custom_client_executor.py",
    "scripts/custom_persistor.py",
    "configs/config_fed_client.json",
    "configs/config_fed_server.json",
}


@pytest.fixture(params=JOBS)
def job(request: pytest.FixtureRequest) -> Job:
    return build_job(JOBS[request.param])


def preparation(job: Job) -> dict[str, Any]:
    args: dict[str, Any] = job.config("config_fed_client.json")["executors"][1]["executor"]["args"]
    return args


def test_it_is_taken_out_without_a_trace(job: Job) -> None:
    assert plain(federated(job, LINK, keep_outputs=True)) == job
    assert plain(job) == job


def test_it_is_the_same_job_however_often_and_whatever_was_before(job: Job) -> None:
    once = federated(job, LINK)
    assert federated(once, LINK) == federated(federated(job, keep_outputs=True), LINK) == once
    assert federated(job) != once


def test_nothing_else_changes(job: Job) -> None:
    adapted = federated(job)
    assert {key for key in adapted.files if adapted.files[key] != job.files.get(key)} == ADDED
    assert (adapted.name, adapted.checkpoint, adapted.sources) == (job.name, job.checkpoint, job.sources)


def test_the_scripts_begin_as_they_did_so_that_lines_stay_where_they_are(job: Job) -> None:
    adapted = federated(job)
    for key in ("scripts/custom_client_executor.py", "scripts/custom_persistor.py"):
        assert adapted.files[key].startswith(job.files[key])
        compile(adapted.files[key], key, "exec")


def test_every_class_that_the_configs_name_is_in_the_scripts(job: Job) -> None:
    adapted = federated(job, LINK)
    client, server = adapted.config("config_fed_client.json"), adapted.config("config_fed_server.json")
    entries = [*client["components"], *(entry["executor"] for entry in client["executors"])]
    for entry in [*entries, *server["components"], *server["workflows"]]:
        module, _, name = entry["path"].rpartition(".")
        if module in ("custom_client_executor", "custom_persistor"):
            assert f"class {name}" in adapted.files[f"scripts/{module}.py"].decode()


def test_the_configs_are_read_as_before(job: Job) -> None:
    adapted = federated(job, LINK)
    for name, read in (
        ("config_fed_client.json", nvflare_config.read_client),
        ("config_fed_server.json", nvflare_config.read_server),
    ):
        assert read(adapted.config(name)) == read(job.config(name))


def test_the_server_looks_before_the_rounds_and_needs_as_many_sites_as_they() -> None:
    server = federated(build_job(JobParts("a", "model_def.Net", MODEL, federation=FederationConfig(min_clients=3)))).config(
        "config_fed_server.json"
    )
    ids = [workflow["id"] for workflow in server["workflows"]]
    assert ids == ["preflight", "scatter_and_gather", "final_validation"]
    assert server["workflows"][0]["args"]["min_clients"] == 3
    assert server["components"][-1] == {
        "id": "link",
        "path": "custom_persistor.ResonLink",
        "args": {"form": None, "requests_url": None, "keep_outputs": False},
    }


def test_the_link_says_all_that_the_server_needs() -> None:
    [component] = [
        component
        for component in federated(build_job(JOBS["own functions"]), LINK, keep_outputs=True).config("config_fed_server.json")[
            "components"
        ]
        if component["id"] == "link"
    ]
    assert component["args"] == {
        "form": {"url": "https://s3.example/bucket", "fields": {"policy": "sesame"}, "prefix": "p/"},
        "requests_url": "https://s3.example/r?sig=sesame",
        "keep_outputs": True,
    }


def test_a_link_shows_no_secret() -> None:
    assert "sesame" not in repr(LINK) + repr(federated(build_job(JOBS["own functions"]), LINK))


@pytest.mark.parametrize("train_fn", ["", "fl_train"])
def test_the_sites_know_the_manifest_and_that_only_the_default_training_needs_it(train_fn: str) -> None:
    parts = JobParts("a", "model_def.Net", MODEL, train_fn=train_fn, training=TrainingConfig(manifest_file="samples.ndjson"))
    args = preparation(federated(build_job(parts)))
    assert (args["manifest"], args["own_training"]) == ("samples.ndjson", bool(train_fn))


def test_what_sites_need_has_names_and_versions_and_no_addresses() -> None:
    lines = (
        "torch==2.9.0",
        "numpy >= 2, < 3  # for arrays",
        "windows-only==1; sys_platform == 'win32'",
        "--extra-index-url https://user:sesame@index.example",
        "mine @ git+https://user:sesame@git.example/mine@abc",
        "-e git+https://user:sesame@git.example/other#egg=other",
        "./local.whl",
        "-r more.txt",
        "what is this",
        "",
    )
    args = preparation(federated(build_job(JobParts("a", "model_def.Net", MODEL, requirements=lines))))
    assert args["requirements"] == ["torch==2.9.0", "numpy<3,>=2", 'windows-only==1; sys_platform == "win32"', "mine", "other"]


def test_one_site_gets_its_shard() -> None:
    client = federated(build_job(JOBS["default training"])).config("config_fed_client.json")
    before = json.dumps(client)
    shard = {"name": "a.zip", "url": "https://s3.example/a?sig=sesame", "sha256": "0" * 64, "bytes": 3}
    changed = with_shard(client, shard)
    assert changed["executors"][1]["executor"]["args"].pop("shard") == shard
    assert json.dumps(client) == before
    assert client["executors"][1]["executor"]["args"].pop("shard") is None
    assert changed == client


# Of what people may write, anything comes back as it was.

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@settings(max_examples=60, deadline=None)
@given(
    source=st.one_of(TEXTS, st.just("x = 1\n\n\n# For sites that are machines of their own\ny = 2\n\n\n")),
    own=st.booleans(),
    requirements=st.lists(TEXTS, max_size=4),
    extra=st.dictionaries(st.sampled_from(["alpha", "beta"]), st.floats(allow_nan=False, allow_infinity=False) | TEXTS),
    min_clients=st.integers(1, 9),
)
def test_any_job_comes_back_as_it_was(
    source: str, own: bool, requirements: list[str], extra: dict[str, Any], min_clients: int
) -> None:
    job = build_job(
        JobParts(
            "a",
            "model_def.Net",
            MODEL,
            train_fn="fl_train",
            executor=UserModule(source, "Mine") if own else None,
            persistor=UserModule(source, "Mine"),
            requirements=tuple(requirements),
            training=TrainingConfig(**extra),
            federation=FederationConfig(min_clients=min_clients),
        )
    )
    assert plain(federated(job, LINK)) == job
    assert federated(plain(federated(job, LINK))) == federated(job)


def test_what_people_see_of_a_job_has_no_secret_and_all_else(job: Job) -> None:
    seen = shown(federated(job, LINK))
    assert not [key for key, data in seen.files.items() if b"sesame" in data]
    assert {key for key in seen.files if seen.files[key] != federated(job, LINK).files[key]} == {"configs/config_fed_server.json"}
    assert plain(seen) == job and shown(seen) == seen
    assert shown(job) == job and shown(federated(job)) == federated(job)
