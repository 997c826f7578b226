"""The platform that is tested against takes exactly what is documented, and really trains."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import requests

import reson_jupyter as reson
from reson_jupyter.backend.job import Job, JobParts, build_job
from tests.runs.conftest import write_plain_shards

from .account import EMAIL, PASSWORD
from .answers import WireFault
from .app import LOGIN, Platform
from .by_hand import ByHand

SOURCE = """import torch
from torch import nn


class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0]))


def fl_train(model, env, out_dir, logger=None):
    number = int(env["SITE_NAME"].rpartition("-")[2])
    with open(env["DATA_ROOT"] + "/number.txt") as file:
        assert int(file.read()) == number - 1
    return {"weights": {name: value + number for name, value in model.state_dict().items()}, "samples": number}
"""


@pytest.fixture
def job() -> Job:
    federation = reson.FederationConfig(num_rounds=2, min_clients=2)
    return build_job(JobParts("By hand", "model_def.Line", SOURCE, train_fn="fl_train", federation=federation))


@pytest.fixture
def hand(platform: Platform, job: Job, tmp_path: Path) -> ByHand:
    """A client whose job is in the bucket."""
    hand = ByHand(platform)
    hand.put_job(job, sorted(write_plain_shards(tmp_path, 2).glob("*.zip")))
    return hand


def wrong(answer: requests.Response, message: str, status: int = 400) -> None:
    """Asserts that a request was refused, in the envelope."""
    assert answer.status_code == status, answer.text
    assert message in str(answer.json()["message"])
    assert answer.json().keys() <= {"code", "message", "hint"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": None}, "name Field required"),
        ({"name": ""}, "name String should have at least 1 character"),
        ({"slug": "by-hand"}, "slug Extra inputs are not permitted"),
        ({"shardsDirPath": "jobs/by-hand/shards"}, "must be /jobs/<slug>/shards"),
        ({"shardsDirPath": "/jobs/by-hand/shards/"}, "must be /jobs/<slug>/shards"),
        ({"shardsDirPath": "/jobs/../by-hand/shards"}, "must be /jobs/<slug>/shards"),
        ({"trainingConfigFolderPath": "/jobs/other/configs"}, "trainingConfigFolderPath must be /jobs/by-hand/configs"),
        ({"trainingConfigFolderPath": "/jobs/by-hand/settings"}, "trainingConfigFolderPath must be"),
        ({"trainingScriptsFolderPath": None}, "trainingScriptsFolderPath Field required"),
        ({"modelFolderPath": "/jobs/by-hand/model"}, "modelFolderPath names an empty folder"),
        ({"estimatedMemoryMb": 1.5}, "estimatedMemoryMb Input should be a valid integer"),
        ({"estimatedMemoryMb": "6000"}, "estimatedMemoryMb Input should be a valid integer"),
        ({"autoSelectWorkers": False}, "autoSelectWorkers Input should be True"),
        ({"onlyMineWorkers": False}, "onlyMineWorkers Input should be True"),
        ({"gpuModels": "rtx_4090"}, "gpuModels Input should be a valid list"),
        ({"gpuModels": []}, "gpuModels List should have at least 1 item"),
        ({"gpuModels": ["r", "t", "x"]}, "gpuModels are not in the catalogue"),
        ({"gpuModels": None}, "go together"),
        ({"maxPricePerGpuHourCents": 0}, "maxPricePerGpuHourCents Input should be greater than or equal to 1"),
        ({"maxPricePerGpuHourCents": 3.0}, "maxPricePerGpuHourCents Input should be a valid integer"),
        ({"maxPricePerGpuHourCents": None}, "go together"),
        ({"workerIds": ["worker-1", "worker-2"]}, "workerIds go without"),
    ],
)
def test_a_task_that_is_not_as_documented_is_refused(hand: ByHand, changes: dict[str, Any], message: str) -> None:
    wrong(hand.ask("POST", "/api/tasks", hand.task(**changes)), message)
    assert hand.platform.jobs == {}


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["worker-1"], "there are 2 shards but 1 workers"),
        (["worker-1", "worker-9"], "not online: worker-9"),
        (["worker-1", "worker-1"], "must differ"),
    ],
)
def test_workers_that_cannot_carry_the_job_out_are_refused(hand: ByHand, ids: list[str], message: str) -> None:
    pinned = {"autoSelectWorkers": None, "gpuModels": None, "maxPricePerGpuHourCents": None}
    wrong(hand.ask("POST", "/api/tasks", hand.task(workerIds=ids, **pinned)), message)
    taken = hand.ask("POST", "/api/tasks", hand.task(workerIds=["worker-2", "worker-1"], **pinned))
    assert (taken.status_code, taken.json()["status"], taken.json()["name"]) == (201, "QUEUED", "By hand")


def test_a_null_is_no_value(hand: ByHand) -> None:
    wrong(
        hand.ask("POST", "/api/tasks", {**hand.task(), "modelFolderPath": None}), "modelFolderPath Input should be a valid string"
    )


@pytest.mark.parametrize(
    ("key", "data", "message"),
    [
        ("shards/._shard_0.zip", b"", "one zip for each worker"),
        ("shards/readme.txt", b"x", "one zip for each worker"),
        ("shards/more/shard_2.zip", b"x", "one zip for each worker"),
        ("configs/meta.json", b"{}", "configs cannot be used"),
        ("configs/config_fed_client.json", b'{"format_version": 1}', "configs cannot be used"),
    ],
)
def test_files_that_are_not_as_documented_are_refused(hand: ByHand, key: str, data: bytes, message: str) -> None:
    hand.put(f"jobs/by-hand/{key}", data)
    wrong(hand.ask("POST", "/api/tasks", hand.task()), message)


def test_a_folder_that_is_missing_is_refused(platform: Platform) -> None:
    hand = ByHand(platform)
    wrong(hand.ask("POST", "/api/tasks", hand.task()), "scripts lacks custom_client_executor.py")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"key": "/jobs/a/shards/a.zip"}, "key must be relative"),
        ({"key": "jobs/../a.zip"}, "key must be relative"),
        ({"size": 0}, "size Input should be greater than or equal to 1"),
        ({"size": "5"}, "size Input should be a valid integer"),
        ({"contentType": "zip"}, "contentType must be a MIME type"),
        ({"parts": 1}, "parts Extra inputs are not permitted"),
    ],
)
def test_an_upload_that_is_not_as_documented_is_not_begun(platform: Platform, body: dict[str, Any], message: str) -> None:
    sound = {"key": "jobs/a/shards/a.zip", "size": 5, "contentType": "application/zip"}
    wrong(ByHand(platform).ask("POST", "/api/users/storage/upload/init", {**sound, **body}), message)
    assert platform.uploads.unfinished == []


def test_a_file_goes_up_in_parts_of_50_mib_and_an_upload_blocks_the_next_of_its_key(platform: Platform) -> None:
    hand, upload = ByHand(platform), "/api/users/storage/upload"
    size = (50 << 20) + 1
    body = {"key": "jobs/a/shards/a.zip", "size": size, "contentType": "application/zip"}
    begun = hand.ask("POST", f"{upload}/init", body).json()
    assert len(begun["urls"]) == 2
    wrong(hand.ask("POST", f"{upload}/init", body), "unfinished", 409)
    data = bytes(50 << 20), b"x"
    tags = [requests.put(url, part, timeout=30).headers["ETag"] for url, part in zip(begun["urls"], data, strict=True)]
    named = {"uploadId": begun["uploadId"], "key": body["key"]}
    for parts, message in (
        ([{"PartNumber": 1, "ETag": tags[0]}, {"PartNumber": 2, "ETag": tags[1]}], "String should match pattern"),
        ([{"PartNumber": 2, "ETag": tags[1].strip('"')}], "numbered from 1"),
        ([{"PartNumber": 1, "ETag": "0" * 32}], "InvalidPart"),
        ([], "at least 1 item"),
    ):
        wrong(hand.ask("POST", f"{upload}/complete", {**named, "parts": parts}), message)
    parts = [{"PartNumber": number, "ETag": tag.strip('"')} for number, tag in enumerate(tags, start=1)]
    assert hand.ask("POST", f"{upload}/complete", {**named, "parts": parts}).status_code == 204
    assert platform.bucket.sizes("jobs/a/") == {"shards/a.zip": size}
    wrong(hand.ask("POST", f"{upload}/abort", named), "no such upload", 404)


@pytest.mark.parametrize(
    ("header", "code"),
    [("", "session_required"), ("rsk_dev_1", "malformed_bearer"), ("Bearer rsk_dev_1", "invalid_api_key")],
)
def test_who_has_no_key_is_told_so(platform: Platform, header: str, code: str) -> None:
    answer = ByHand(platform).ask("GET", "/api/users/storage/bucket", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, code)


def test_the_older_login_gives_tokens_that_expire(platform: Platform) -> None:
    login = {"email": EMAIL, "password": PASSWORD}
    hand = ByHand(platform)
    wrong(hand.ask("POST", "/api/auth/login", login), "Cannot POST", 404)
    platform.hidden -= set(LOGIN)
    wrong(hand.ask("POST", "/api/auth/login", {**login, "password": "guess"}), "Wrong", 401)
    session = requests.Session()

    def ask(method: str, path: str, token: str = "", **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return session.request(method, platform.base_url + path, headers=headers, timeout=10, **more)

    token = ask("POST", "/api/auth/login", json=login).json()["accessToken"]
    assert ask("GET", "/api/users/storage/bucket", token).json()["bucketAlias"] == platform.bucket.name
    platform.account.expire_tokens()
    wrong(ask("GET", "/api/users/storage/bucket", token), "invalid", 401)
    token = ask("POST", "/api/auth/refresh").json()["accessToken"]
    assert ask("GET", "/api/users/storage/bucket", token).ok
    platform.account.expire_tokens(and_sessions=True)
    wrong(ask("POST", "/api/auth/refresh"), "over", 401)


def test_the_dashboard_lists_pages_and_refuses_what_it_does_not_know(hand: ByHand) -> None:
    made = [hand.ask("POST", "/api/tasks", hand.task(name=f"job {number}")).json()["id"] for number in range(3)]
    jobs = "/api/customer/dashboard/jobs"
    assert [row["jobId"] for row in hand.ask("GET", f"{jobs}?offset=0").json()] == made[::-1]
    assert [row["jobName"] for row in hand.ask("GET", f"{jobs}?offset=1&limit=1").json()] == ["job 1"]
    wrong(hand.ask("GET", f"{jobs}?page=1"), "page should not exist")
    wrong(hand.ask("GET", f"{jobs}/nonsense"), "not found", 404)
    wrong(hand.ask("GET", "/api/customer/dashboard/showStatsNvflare?job_id=" + made[0]), "target_job_id")
    wrong(hand.ask("GET", "/api/customer/dashboard/listJobsNvflare"), "job_id must be given")
    wrong(hand.ask("GET", "/api/nonsense"), "Cannot GET /api/nonsense", 404)
    wrong(hand.ask("POST", "/api/tasks", headers={"Content-Type": "text/plain"}, data=b"{}"), "application/json", 415)


def test_faults_happen_as_often_as_a_test_says(platform: Platform) -> None:
    hand, path = ByHand(platform), "/api/users/storage/bucket"
    platform.faults += [
        WireFault("*", reset=True),
        WireFault(f"GET {path}", lost=True),
        WireFault(f"GET {path}", answer=(429, {"message": "slow down"}), headers={"Retry-After": "1"}),
        WireFault(f"GET {path}", edit=lambda body: {**body, "bucketAlias": "other"}),
    ]
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            hand.ask("GET", path)
    answer = hand.ask("GET", path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert hand.ask("GET", path).json()["bucketAlias"] == "other"
    assert hand.ask("GET", path).json()["bucketAlias"] == platform.bucket.name
    assert platform.asked == [f"GET {path}"] * 5


@pytest.mark.nvflare
def test_a_job_is_really_trained_and_its_model_is_in_the_bucket(hand: ByHand, tmp_path: Path) -> None:
    import torch

    platform = hand.platform
    platform.trains = True
    posted = hand.ask("POST", "/api/tasks", hand.task()).json()
    page = f"/api/customer/dashboard/jobs/{posted['id']}"
    states = [posted["status"]]
    while states[-1] not in ("FINISHED", "FAILED"):
        state = hand.ask("GET", page).json()["state"]
        states += [state] if state != states[-1] else []
        time.sleep(0.02)
    assert states == ["QUEUED", "PENDING", "RUNNING", "FINISHED"], platform.jobs[posted["id"]].error
    nvflare = hand.ask("GET", f"/api/customer/dashboard/listJobsNvflare?job_id={posted['id']}").json()["jobs"][0]["job_id"]
    stats = f"/api/customer/dashboard/showStatsNvflare?job_id={posted['id']}&target_job_id={nvflare}&target_type=server"
    assert hand.ask("GET", stats).json() == {"current_round": 1, "num_rounds": 2}
    (tmp_path / "model.pt").write_bytes(platform.bucket.get("jobs/by-hand/model_out/GLOBAL_MODEL.pt"))
    weights = torch.load(tmp_path / "model.pt", weights_only=True)["model"]
    # Weighted by samples 1 and 2, a round adds 5/3: each worker had the shard of its place, as it was unpacked for it.
    assert torch.allclose(weights["weight"], torch.tensor([1.0, 2.0]) + 10 / 3)
    assert "files_out/training_log.txt" in platform.bucket.keys("jobs/by-hand/")
