"""The wire to the platform and to its bucket breaks in every way: nothing is lost, nothing is submitted twice, and it is said."""

from __future__ import annotations

import random
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reson_jupyter as reson
from reson_jupyter.backend.record import known_records
from tests.faulty_server import Fault
from tests.patience import wait_for
from tests.runs.conftest import rounds
from tests.runs.models import Line, fl_train

from .answers import WireFault
from .app import Platform
from .by_hand import BOUNDS, ByHand
from .jobs import PlatformJob
from .looking import no_secret_is_told, the_job

TASKS = "POST /api/tasks"
INIT, COMPLETE = "POST /api/users/storage/upload/init", "POST /api/users/storage/upload/complete"
BUCKET = "GET /api/users/storage/bucket"
BEFORE = (BUCKET, "GET /api/customer/dashboard/workers/stats", "GET /api/gpu-catalog")
REQUESTS = (*BEFORE, INIT, COMPLETE, TASKS, "GET /api/customer/dashboard/jobs/{id}")
S3 = ("HeadObject", "GetObject", "PutObject", "ListMultipartUploads", "UploadPart", "ListParts", "DeleteObject")
FOR_EVER = 10**6
# These start a process that follows the job on the platform, which takes some seconds.
carried = pytest.mark.slow


def submit(shards: Path, name: str = "wire", **more: Any) -> reson.Run:
    """Submits a small job; returns at once."""
    return reson.submit(Line, train=fl_train, name=name, shards_dir=shards, target="reson", check=False, **more)


def accepted(platform: Platform, run: reson.Run) -> PlatformJob:
    """Waits until the platform has the run's job; returns it."""

    def jobs() -> list[PlatformJob]:
        return [job for job in platform.jobs.values() if job.task.prefix == f"jobs/{run.id}"]

    # The run says so when it knows its job; a second submission would have come before that.
    wait_for(lambda: run.state.done or any("on the platform" in note for note in run.progress.notes))
    assert not run.state.done, run.reason
    [job] = jobs()
    return job


def cancelled(platform: Platform, *runs: reson.Run) -> None:
    """Ends the runs."""
    for run in runs:
        platform.cancel(accepted(platform, run).id)
    wait_for(lambda: all(run.state.done for run in runs))


def new_shards(folder: Path) -> Path:
    """Writes two shards that nobody has seen before."""
    folder.mkdir()
    for number in range(2):
        with zipfile.ZipFile(folder / f"shard_{number}.zip", "w") as archive:
            archive.writestr("number.txt", random.randbytes(100))
    return folder


def whole(platform: Platform, run: reson.Run, shards: Path) -> bool:
    """Whether everything of the run is in the bucket as it is here, and nothing else of it."""
    files = {key for key in platform.bucket.keys(f"jobs/{run.id}/") if not key.startswith("files_out/")}
    for path in shards.iterdir():
        assert platform.bucket.get(f"jobs/{run.id}/shards/{path.name}") == path.read_bytes()
    assert platform.uploads.unfinished == []
    return len(files) == 3 + 3 + 1 + 2


@carried
def test_any_request_that_breaks_off_and_then_gets_no_answer_costs_nothing(customer: Platform, tmp_path: Path) -> None:
    runs = []
    for number, request in enumerate(REQUESTS):
        customer.faults[:] = [WireFault(request, reset=True), WireFault(request, lost=True)]
        shards = new_shards(tmp_path / str(number))
        runs.append(submit(shards))
        accepted(customer, runs[-1])
        wait_for(lambda: customer.faults[0].times == customer.faults[1].times == 0)
        assert whole(customer, runs[-1], shards), request
    cancelled(customer, *runs)
    assert len(customer.jobs) == len(runs), "every job was submitted once"
    no_secret_is_told(customer, runs[-1])


@pytest.mark.nvflare
def test_a_run_in_which_every_request_breaks_once_trains_to_its_model(customer: Platform, shards: Path) -> None:
    customer.trains = True
    status = ("GET /api/customer/dashboard/jobs", "GET /api/customer/dashboard/listJobsNvflare")
    customer.faults += [WireFault(request, reset=True) for request in (*REQUESTS, *status)]
    customer.s3.faults += [Fault(operation, after=0) for operation in (*S3, "PostObject")]
    run = submit(shards, federation=rounds(2)).wait(150)
    assert run.state == reson.RunState.FINISHED and run.errors() == [], run.reason
    assert run.model().state_dict()["weight"][0].item() == pytest.approx(1 + 10 / 3)
    assert [event.seq for event in run.events()] == list(range(len(run.events())))
    assert the_job(customer).state == "FINISHED"
    no_secret_is_told(customer, run)


@carried
def test_a_job_whose_answer_was_lost_is_found_among_others_of_its_name(customer: Platform, shards: Path, tmp_path: Path) -> None:
    earlier = submit(new_shards(tmp_path / "new"), "digits")
    accepted(customer, earlier)
    customer.faults.append(WireFault(TASKS, lost=True))
    run = submit(shards, "digits")
    job = accepted(customer, run)
    assert len(customer.jobs) == 2
    assert any(job.id in note for note in run.progress.notes), "it is followed, and not the older one"
    cancelled(customer, earlier, run)


@carried
def test_a_platform_that_has_too_much_to_do_is_asked_again_when_it_says(customer: Platform, shards: Path) -> None:
    customer.faults += [
        WireFault(request, answer=(status, {"message": "busy"}), headers={"Retry-After": "1"})
        for request in (BUCKET, INIT, COMPLETE, TASKS)
        for status in (429, 500, 503)
    ]
    began = time.monotonic()
    run = submit(shards)
    assert time.monotonic() - began >= 3
    accepted(customer, run)
    assert whole(customer, run, shards)
    cancelled(customer, run)
    assert len(customer.jobs) == 1


def test_a_platform_that_never_answers_well_is_told_of_and_nothing_was_sent(customer: Platform, shards: Path) -> None:
    customer.faults.append(WireFault(BUCKET, times=FOR_EVER, answer=(503, {"message": "maintenance until noon"})))
    with pytest.raises(reson.ResonError, match=r"503.*maintenance until noon"):
        submit(shards)
    nothing_was_sent(customer)


def nothing_was_sent(platform: Platform) -> None:
    """Asserts that the bucket, the platform and this machine know nothing of a run."""
    assert platform.bucket.keys("") == [] and platform.uploads.unfinished == [] and not platform.jobs
    assert known_records() == []


@carried
def test_slow_answers_are_waited_for(customer: Platform, shards: Path) -> None:
    customer.faults += [WireFault(request, delay=1.5) for request in REQUESTS]
    run = submit(shards)
    accepted(customer, run)
    assert whole(customer, run, shards)
    cancelled(customer, run)


@carried
def test_a_url_that_has_expired_is_replaced(customer: Platform, shards: Path) -> None:
    expired = Fault("UploadPart", times=2, answer=(403, "AccessDenied"))
    customer.s3.faults.append(expired)
    run = submit(shards)
    accepted(customer, run)
    assert expired.times == 0 and whole(customer, run, shards)
    cancelled(customer, run)


@carried
def test_urls_that_are_never_good_end_the_upload_and_say_why(customer: Platform, shards: Path) -> None:
    customer.s3.faults.append(Fault("UploadPart", times=FOR_EVER, answer=(403, "AccessDenied")))
    run = submit(shards)
    with pytest.raises(reson.RunFailed, match=r"does not take the parts of shard_\d.zip: 403 AccessDenied(.|\n)*keys"):
        run.wait(60)
    assert not customer.jobs and customer.asked_of(TASKS) == 0
    no_secret_is_told(customer, run, run.reason)


@carried
@pytest.mark.parametrize(
    "edit",
    [lambda body: {**body, "urls": body["urls"][:-1]}, lambda body: {**body, "urls": body["urls"] * 2}],
    ids=["one too few", "one too many"],
)
def test_a_wrong_number_of_urls_is_refused_before_a_byte_is_sent(
    customer: Platform, shards: Path, edit: Callable[[Any], Any]
) -> None:
    customer.faults.append(WireFault(INIT, times=FOR_EVER, edit=edit))
    run = submit(shards)
    with pytest.raises(reson.RunFailed, match=r"wants shard_\d.zip in \d parts; it has 1 of 50 MiB"):
        run.wait(60)
    assert customer.s3.asked.count("UploadPart") == 0 and customer.uploads.unfinished == []
    assert customer.bucket.keys("shards/sha256/") == [] and not customer.jobs


def test_a_bucket_that_is_not_there_is_named(customer: Platform, shards: Path) -> None:
    customer.account.bucket = "somebody-elses"
    with pytest.raises(reson.ResonError, match="somebody-elses"):
        submit(shards)
    customer.account.bucket = customer.bucket.name
    nothing_was_sent(customer)


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_keys_that_do_not_open_the_bucket_are_told_apart_from_the_platforms(customer: Platform, shards: Path, code: str) -> None:
    customer.s3.faults += [Fault(operation, times=FOR_EVER, answer=(403, code)) for operation in S3]
    with pytest.raises(reson.ResonError, match=r"RESON_S3_|bucket") as caught:
        submit(shards)
    assert "RESON_API_KEY" not in str(caught.value)
    customer.s3.faults.clear()
    nothing_was_sent(customer)


def test_a_revoked_key_is_called_a_key_and_nothing_was_sent(customer: Platform, shards: Path) -> None:
    customer.account.keys.clear()
    with pytest.raises(reson.ResonError, match=r"the platform key was refused(.|\n)*Mint a new key"):
        submit(shards)
    nothing_was_sent(customer)


@carried
def test_a_key_that_is_revoked_during_a_run_is_told_and_the_run_goes_on_with_it_back(customer: Platform, shards: Path) -> None:
    run = submit(shards)
    job = accepted(customer, run)
    keys = set(customer.account.keys)
    customer.account.keys.clear()
    wait_for(lambda: run.state.done or any("platform key was refused" in str(event.data) for event in run.events()))
    assert not run.state.done
    customer.account.keys |= keys
    customer.cancel(job.id)
    wait_for(lambda: run.state.done)
    assert run.state == reson.RunState.ABORTED and "CANCELLED" in run.reason
    no_secret_is_told(customer, run)


def test_pages_in_the_place_of_the_api_are_recognized(customer: Platform, shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    customer.faults.append(WireFault("*", times=FOR_EVER, answer=(200, "<!doctype html><title>ResonTech</title>")))
    with pytest.raises(reson.ResonError, match=r"is no JSON(.|\n)*the API's address, and not that of the pages"):
        submit(shards)
    monkeypatch.setenv("RESON_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(reson.ResonError, match=r"http://127\.0\.0\.1:9(.|\n)*RESON_BASE_URL"):
        submit(shards)


@carried
def test_the_client_is_as_strict_as_the_platform(customer: Platform, shards: Path) -> None:
    """What a clean submission asks for, in order: once each, as far as it is no polling."""
    run = submit(shards)
    job = accepted(customer, run)
    cancelled(customer, run)
    once = [request for request in customer.asked if "{id}" not in request and "Nvflare" not in request]
    assert set(once) == {*BEFORE, INIT, COMPLETE, TASKS} and once[0] == BUCKET and once[-1] == TASKS
    assert {request: once.count(request) for request in (BUCKET, INIT, COMPLETE, TASKS)} == {
        BUCKET: 1,
        INIT: 2,
        COMPLETE: 2,
        TASKS: 1,
    }
    by_hand = ByHand(customer, run.id).task(name=job.task.name, gpuModels=["rtx_4090", "rtx_3060"], maxPricePerGpuHourCents=250)
    assert job.task.model_dump(exclude_none=True) == by_hand and by_hand.keys() > BOUNDS.keys()
