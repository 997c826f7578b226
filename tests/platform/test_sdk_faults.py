"""What the platform's own SDK is known to do badly, or to leave to the user, and which test shows that it is done better here.

The first column is a row of the SDK's troubleshooting table, by its error, or a weak point of it, by its number.
"""

from __future__ import annotations

import ast
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

import reson_jupyter as reson
from tests.faulty_server import Fault
from tests.patience import wait_for
from tests.runs.models import Line, fl_train

from . import mistyped, uploads
from .answers import WireFault
from .app import Platform
from .looking import no_secret_is_told, the_job
from .test_wire import FOR_EVER, TASKS, accepted, cancelled, carried, nothing_was_sent, submit

_TESTS = Path(__file__).resolve().parents[1]
_HERE, _WIRE, _CLIENT = "platform/test_sdk_faults.py", "platform/test_wire.py", "platform/test_client.py"
_UPLOADS, _SELECTION = "platform/test_uploads.py", "platform/test_selection.py"
_CONFIG, _SUBMIT, _CAPTURE = "test_config.py", "platform/test_submit.py", "capture/test_contract.py"
_NOT_OURS = ""

ROWS: tuple[tuple[str, str, str], ...] = (
    # Before and during submission
    ("AuthError: no platform api key", _CLIENT, "test_what_cannot_be_a_key_is_told_before_anything_is_asked"),
    ("AuthError: malformed platform api key", _CLIENT, "test_what_cannot_be_a_key_is_told_before_anything_is_asked"),
    ("AuthError 401", _HERE, "test_a_401_is_said_to_be_the_key"),
    ("AuthError 403 session_only, role_required", _HERE, "test_a_403_is_said_to_be_what_the_key_may_not"),
    ("ValidationError 409 too_many_keys", _NOT_OURS, "keys are made on the platform's pages only"),
    ("ValueError: plain http", _CONFIG, "test_plain_http_to_another_machine_is_taken_when_it_is_allowed_and_the_error_says_how"),
    ("StorageError: S3 keys are required", _HERE, "test_what_is_missing_is_named_before_anything_is_sent"),
    ("StorageError: could not resolve your bucket, whatever the reason", _HERE, "test_a_401_is_said_to_be_the_key"),
    ("StorageError: no S3 bucket configured", _HERE, "test_an_account_without_a_bucket_is_told_where_to_get_one"),
    ("StorageError: AccessDenied", _WIRE, "test_keys_that_do_not_open_the_bucket_are_told_apart_from_the_platforms"),
    ("StorageError: InvalidAccessKeyId", _WIRE, "test_keys_that_do_not_open_the_bucket_are_told_apart_from_the_platforms"),
    ("ValidationError: shards_dir, no shard zip files", _HERE, "test_bad_input_is_refused_before_the_first_byte"),
    ("ValidationError: auto-selection requires both bounds", _HERE, "test_bad_input_is_refused_before_the_first_byte"),
    ("TypeError: auto_select_workers", _NOT_OURS, "there never was such an argument: without worker_ids workers are chosen"),
    ("ValueError: could not extract source", "capture/test_refusals.py", "test_a_class_that_the_cell_does_not_define_is_refused"),
    ("AttributeError: instance instead of a class", _CAPTURE, "test_an_instance_is_refused_with_the_class_to_pass"),
    ("ValueError: quantization is not supported", _CONFIG, "test_a_bad_value_is_refused_with_the_field_and_what_to_do"),
    ("TypeError: not JSON serializable", _CONFIG, "test_any_extra_value_is_refused_or_survives_json_unchanged"),
    ("ValidationError: model_checkpoint not found", _HERE, "test_bad_input_is_refused_before_the_first_byte"),
    ("HTTPStatusError 403 on a part", _WIRE, "test_a_url_that_has_expired_is_replaced"),
    ("Part N: missing ETag", _UPLOADS, "test_a_tag_that_a_proxy_removes_is_said"),
    ("ReadTimeout on POST /api/tasks", _WIRE, "test_a_job_whose_answer_was_lost_is_found_among_others_of_its_name"),
    ("ResonTechError: cannot reach", _CLIENT, "test_nobody_there_is_told_soon"),
    # No look before the work
    ("17 bounds are checked after the upload", _HERE, "test_bad_input_is_refused_before_the_first_byte"),
    ("18 nothing is checked here", _HERE, "test_a_job_that_cannot_train_is_refused_before_the_first_byte"),
    ("18 shards and workers differ in number", _HERE, "test_bad_input_is_refused_before_the_first_byte"),
    ("19 one GPU model becomes its letters", _SELECTION, "test_one_model_may_be_given_as_text"),
    ("19 a price of less than a cent", _HERE, "test_bad_input_is_refused_before_the_first_byte"),
    ("19 models are not held against the catalogue", _HERE, "test_bad_input_is_refused_before_the_first_byte"),
    ("20 ._shard_0.zip is a shard", _HERE, "test_the_zips_of_a_hidden_folder_are_shards_and_no_others"),
    ("21 requirements", "test_prepare.py", "test_the_requirements_are_those_of_what_ships_unless_the_user_gives_others"),
    # After the submission
    ("22 no wait, progress, cancel", _SUBMIT, "test_a_run_goes_on_without_its_kernel_and_obeys_another_one"),
    ("22 no metrics, no download", _SUBMIT, "test_a_model_alone_is_trained_by_the_platforms_workers_and_comes_back"),
    ("23 a running epoch cannot be stopped", _SUBMIT, "test_abort_ends_the_training"),
    ("24 the model's file name is not documented", _HERE, "test_the_model_is_found_whatever_its_file_is_called"),
    # Transport
    ("25 a failed part does not stop the upload", _HERE, "test_a_part_that_fails_stops_the_upload"),
    ("25 an interrupt does not stop the upload", _UPLOADS, "test_an_interrupt_stops_it_at_once_too"),
    ("26 no call and no part is tried again", _WIRE, "test_any_request_that_breaks_off_and_then_gets_no_answer_costs_nothing"),
    ("26 no URL is signed again", _UPLOADS, "test_a_url_that_is_no_longer_good_costs_no_part_twice"),
    ("27 400 MB of parts in memory", _UPLOADS, "test_a_part_is_never_held_in_memory"),
    ("27 the kernel is blocked for minutes", _HERE, "test_submit_returns_while_the_platform_still_thinks"),
    ("27 raw errors of the HTTP library", _HERE, "test_no_error_shows_the_http_library_or_a_url"),
    ("28 a 401 is called an error of the storage", _HERE, "test_a_401_is_said_to_be_the_key"),
    ("29 the first 1,000 objects only", "store/test_s3_store.py", "test_listing_goes_on_after_the_first_thousand"),
    ("30 the bucket's server is beta's whatever the API is", _CLIENT, "test_the_other_addresses_follow_from_the_apis"),
    ("31 a project below a dot folder is empty", _HERE, "test_the_zips_of_a_hidden_folder_are_shards_and_no_others"),
    ("32 inference.yaml", _NOT_OURS, "no models are served from here"),
    ("33 documents disagree", _NOT_OURS, "there is one schema, and the help is made of it"),
    # Elsewhere in the list, and as costly
    ("6 a changed shard of equal size is not sent", _HERE, "test_a_changed_shard_is_sent_and_no_job_shares_a_folder"),
    ("7 a second job of one name overwrites the first", _HERE, "test_a_changed_shard_is_sent_and_no_job_shares_a_folder"),
    ("8 a checkpoint is not started from", _SUBMIT, "test_a_checkpoint_is_where_the_training_starts"),
    ("9 too few URLs truncate the object", _WIRE, "test_a_wrong_number_of_urls_is_refused_before_a_byte_is_sent"),
    ("11 CANCELLED is waited on for ever", _HERE, "test_a_job_that_is_over_is_waited_for_no_longer"),
    ("5 secrets in outputs", _HERE, "test_no_error_shows_the_http_library_or_a_url"),
)  # fmt: skip


def test_every_row_has_a_test_or_a_reason() -> None:
    for fault, file, named in ROWS:
        if file:
            tree = ast.parse((_TESTS / file).read_text())
            tests = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert named in tests, f"{fault}: {file} has no {named}"
        else:
            assert named, fault


@pytest.mark.parametrize("code", ["invalid_api_key", "malformed_bearer", "session_required"])
def test_a_401_is_said_to_be_the_key(customer: Platform, shards: Path, code: str) -> None:
    customer.faults.append(WireFault("*", times=FOR_EVER, answer=(401, {"code": code, "message": "Unauthorized"})))
    with pytest.raises(reson.ResonError, match=rf"the platform key was refused \(401 {code}\)(.|\n)*RESON_API_KEY"):
        submit(shards)
    assert len(customer.asked) == 1, "a key that is refused is not tried again"
    nothing_was_sent(customer)


@carried
@pytest.mark.parametrize("code", ["session_only", "role_required"])
def test_a_403_is_said_to_be_what_the_key_may_not(customer: Platform, shards: Path, code: str) -> None:
    customer.faults.append(WireFault(TASKS, times=FOR_EVER, answer=(403, {"code": code, "message": "Forbidden"})))
    run = submit(shards)
    with pytest.raises(reson.RunFailed, match=rf"does not allow this \(403 {code}\)"):
        run.wait(60)
    assert customer.asked_of(TASKS) == 1


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("RESON_BASE_URL", "RESON_BASE_URL"),
        ("RESON_API_KEY", "RESON_API_KEY"),
        ("RESON_S3_KEY RESON_S3_SECRET", "RESON_S3_KEY and RESON_S3_SECRET"),
        ("RESON_S3_ENDPOINT", "RESON_S3_ENDPOINT"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_sent(
    customer: Platform, shards: Path, monkeypatch: pytest.MonkeyPatch, variable: str, said: str
) -> None:
    for name in variable.split():
        monkeypatch.delenv(name)
    with pytest.raises(reson.ResonError, match=said):
        submit(shards)
    nothing_was_sent(customer)


def test_an_account_without_a_bucket_is_told_where_to_get_one(customer: Platform, shards: Path) -> None:
    customer.account.bucket = ""
    with pytest.raises(reson.ResonError, match=r"no bucket(.|\n)*Provision Bucket"):
        submit(shards)
    nothing_was_sent(customer)


@pytest.mark.parametrize(
    ("environment", "changes", "said"),
    [
        ({"GPU_MODELS": ""}, {}, "gpu_models is not set"),
        ({"MAX_PRICE_PER_GPU_HOUR": ""}, {}, "max_price_per_gpu_hour is not set"),
        ({"MAX_PRICE_PER_GPU_HOUR": "0.004"}, {}, "no whole number of cents"),
        ({"GPU_MODELS": "rtx_4900"}, {}, r"no GPU model 'rtx_4900'; did you mean 'rtx_4\d90'\?|rtx_4090"),
        ({"WORKER_IDS": "worker-1"}, {}, "2 shards"),
        ({"WORKER_IDS": "worker-1,worker-1"}, {}, "worker-1 twice"),
        ({}, {"shards_dir": "nowhere"}, "nowhere"),
        ({}, {"shards_dir": "."}, "no shard"),
        ({}, {"checkpoint": "nowhere.pt"}, r"nowhere\.pt"),
        ({}, {"store": "s3://another"}, "account's bucket"),
    ],
)
def test_bad_input_is_refused_before_the_first_byte(
    customer: Platform,
    shards: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    changes: dict[str, Any],
    said: str,
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    for name, value in environment.items():
        monkeypatch.setenv(f"RESON_{name}", value) if value else monkeypatch.delenv(f"RESON_{name}")
    given = {"shards_dir": shards, "name": "bad", "target": "reson", "check": False, **changes}
    with pytest.raises(reson.ResonError, match=said):
        reson.submit(Line, train=fl_train, **given)
    assert "POST" not in {request.split()[0] for request in customer.asked}
    nothing_was_sent(customer)


def test_more_shards_than_workers_are_refused_before_the_first_byte(customer: Platform, shards: Path) -> None:
    customer.workers = {"worker-1": "rtx_4090"}
    with pytest.raises(reson.ResonError, match="2 shards, and every one needs a worker, of which there are only 1 online"):
        submit(shards)
    nothing_was_sent(customer)


def test_a_job_that_cannot_train_is_refused_before_the_first_byte(customer: Platform, shards: Path) -> None:
    with pytest.raises(reson.RehearsalFailed, match="state_dct"):
        reson.submit(Line, train=mistyped.fl_train, name="broken", shards_dir=shards, target="reson")
    nothing_was_sent(customer)


@carried
def test_the_zips_of_a_hidden_folder_are_shards_and_no_others(customer: Platform, shards: Path) -> None:
    (shards / "._shard_0.zip").write_bytes(b"Mac OS X")
    run = submit(shards.rename(shards.parent / ".hidden"))
    assert accepted(customer, run).workers == 2
    assert customer.bucket.keys(f"jobs/{run.id}/shards/") == ["shard_0.zip", "shard_1.zip"]
    cancelled(customer, run)


@carried
def test_a_changed_shard_is_sent_and_no_job_shares_a_folder(customer: Platform, shards: Path) -> None:
    first = submit(shards, "v1.0 run")
    accepted(customer, first)
    before = (shards / "shard_0.zip").read_bytes()
    (shards / "shard_0.zip").write_bytes(before.replace(b"number.txt", b"NUMBER.txt"))
    second = submit(shards, "v10-run")
    jobs = [accepted(customer, run) for run in (first, second)]
    sent = [customer.bucket.get(f"{job.task.prefix}/shards/shard_0.zip") for job in jobs]
    assert sent == [before, (shards / "shard_0.zip").read_bytes()] and len(sent[0]) == len(sent[1])
    assert customer.asked_of("POST /api/users/storage/upload/init") == 3, "the other shard was not sent again"
    cancelled(customer, first, second)


@carried
@pytest.mark.parametrize(
    ("word", "state"),
    [("CANCELLED", reson.RunState.ABORTED), ("FAILED", reson.RunState.FAILED), ("FINISHED", reson.RunState.FAILED)],
)
def test_a_job_that_is_over_is_waited_for_no_longer(customer: Platform, shards: Path, word: str, state: reson.RunState) -> None:
    run = submit(shards)
    job = accepted(customer, run)
    job.error = "worker-2 ran out of memory" if word == "FAILED" else ""
    job.state = word
    with pytest.raises(reson.RunFailed, match=rf"says {word}.*{job.error}.*no model in model_out"):
        run.wait(40 if word != "FINISHED" else 80)
    assert run.state == state


@carried
def test_a_state_that_nobody_knows_is_told_and_waited_on(customer: Platform, shards: Path) -> None:
    run = submit(shards)
    accepted(customer, run).state = "REBALANCING"
    wait_for(lambda: run.state.done or any("'REBALANCING'" in str(event.data) for event in run.events()))
    assert not run.state.done
    cancelled(customer, run)
    assert run.state == reson.RunState.ABORTED


@carried
def test_the_model_is_found_whatever_its_file_is_called(customer: Platform, shards: Path, tmp_path: Path) -> None:
    run = submit(shards)
    job = accepted(customer, run)
    torch.save({"weight": torch.tensor([3.0, 4.0])}, tmp_path / "result.pt")
    customer.bucket.put(f"jobs/{run.id}/model_out/result.pt", (tmp_path / "result.pt").read_bytes())
    job.state = "FINISHED"
    run.wait(60)
    assert run.state == reson.RunState.DEGRADED and "no report of the run arrived" in run.reason
    assert run.model().state_dict()["weight"].tolist() == [3.0, 4.0]
    assert [path.name for path in run.download(tmp_path / "got") if "model_out" in path.parts] == ["result.pt"]


@carried
def test_a_part_that_fails_stops_the_upload(
    customer: Platform, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "PART_BYTES", 5 << 20)
    monkeypatch.setattr("reson_jupyter.backend.platform.uploads.PART_BYTES", 5 << 20)
    with zipfile.ZipFile(shards / "shard_1.zip", "w") as archive:
        archive.writestr("zeros", bytes(100 << 20))
    customer.s3.faults.append(Fault("UploadPart", times=FOR_EVER, answer=(400, "BadDigest")))
    run = submit(shards)
    with pytest.raises(reson.RunFailed, match="refused part 1"):
        run.wait(60)
    assert customer.s3.asked.count("UploadPart") < 15, "of 21"
    assert not customer.jobs


@carried
def test_submit_returns_while_the_platform_still_thinks(customer: Platform, shards: Path) -> None:
    thinks = threading.Event()
    customer.faults.append(WireFault(TASKS, until=thinks))
    run = submit(shards)
    wait_for(lambda: customer.asked_of(TASKS) == 1)
    assert not customer.jobs and not run.state.done
    thinks.set()
    accepted(customer, run)
    cancelled(customer, run)
    assert the_job(customer)


@carried
@pytest.mark.parametrize(
    "fault",
    [
        WireFault(TASKS, times=FOR_EVER, answer=(422, {"message": ["see https://s3/x?X-Amz-Signature=abc"], "hint": "pay"})),
        WireFault(TASKS, times=FOR_EVER, answer=(402, "payment required")),
    ],
    ids=["422", "402"],
)
def test_no_error_shows_the_http_library_or_a_url(customer: Platform, shards: Path, fault: WireFault) -> None:
    customer.faults.append(fault)
    run = submit(shards)
    with pytest.raises(reson.RunFailed, match="the platform refused it") as caught:
        run.wait(60)
    text = f"{caught.value} {run!r} {run.errors()} {reson.runs()}"
    assert "requests." not in text and "urllib3" not in text and "Traceback" not in text
    no_secret_is_told(customer, run, text)
    assert customer.asked_of(TASKS) == 1, "what is refused is not asked again"
