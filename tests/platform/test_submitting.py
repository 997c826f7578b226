"""A job is submitted once, and what it left is judged by what is known."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reson_jupyter import ResonTechConfig
from reson_jupyter.backend.platform import retries, submitting
from reson_jupyter.backend.platform.api import Platform as Api
from reson_jupyter.backend.platform.client import Client
from reson_jupyter.backend.platform.outcome import Found, look_at, unreported
from reson_jupyter.backend.platform.states import over, run_state
from reson_jupyter.backend.platform.submitting import Submitter, body_of, remembered
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.backend.store import DirectoryStore
from reson_jupyter.errors import PlatformError
from reson_jupyter.events import RunState

from .answers import WireFault
from .app import Platform
from .by_hand import BOUNDS, ByHand
from .test_platform_server import hand, job  # noqa: F401

TASKS = "POST /api/tasks"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(submitting, "_BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr(submitting, "_LONGEST_PAUSE", 0.01)


@pytest.fixture
def record(hand: ByHand) -> RunRecord:  # noqa: F811
    """A run whose job lies in the bucket."""
    record = RunRecord(id=hand.slug, name="By hand", target="reson", store=f"s3://{hand.platform.account.bucket}", created=0)
    record.save()
    return record


def submitter(record: RunRecord, said: list[str] | None = None) -> Submitter:
    return Submitter(Api(Client(ResonTechConfig())), record, BOUNDS, False, [].append if said is None else said.append)


def test_the_body_is_as_documented(record: RunRecord) -> None:
    paths = {
        "shardsDirPath": "/jobs/by-hand/shards",
        "trainingScriptsFolderPath": "/jobs/by-hand/scripts",
        "trainingConfigFolderPath": "/jobs/by-hand/configs",
        "trainingRequirementsFolderPath": "/jobs/by-hand/requirements",
    }
    assert body_of(record, BOUNDS, False) == {"name": "by-hand", **paths, **BOUNDS}
    assert body_of(record, {}, True) == {"name": "by-hand", **paths, "modelFolderPath": "/jobs/by-hand/model"}


def test_the_id_is_remembered_and_nothing_is_submitted_again(platform: Platform, record: RunRecord) -> None:
    task_id = submitter(record).submit()
    assert list(platform.jobs) == [task_id]
    assert remembered(record.folder).task_id == task_id
    assert submitter(record).submit() == task_id
    assert platform.asked == [TASKS]


@pytest.mark.parametrize("fault", [WireFault(TASKS, lost=True), WireFault(TASKS, edit=lambda body: {})])
def test_a_job_whose_answer_got_lost_is_found(platform: Platform, record: RunRecord, fault: WireFault) -> None:
    platform.faults.append(fault)
    said: list[str] = []
    assert [submitter(record, said).submit()] == list(platform.jobs)
    assert platform.asked_of(TASKS) == 1
    assert "looking whether the job is there" in said[0]


@pytest.mark.parametrize("fault", [WireFault(TASKS, reset=True), WireFault(TASKS, times=2, answer=(504, ""))])
def test_a_job_that_did_not_arrive_is_sent_again_after_a_look(platform: Platform, record: RunRecord, fault: WireFault) -> None:
    times = fault.times
    platform.faults.append(fault)
    assert [submitter(record).submit()] == list(platform.jobs)
    assert platform.asked_of(TASKS) == times + 1
    assert platform.asked_of("GET /api/customer/dashboard/jobs") >= times


def test_who_died_waiting_for_the_answer_finds_the_job_when_he_is_back(platform: Platform, record: RunRecord) -> None:
    platform.faults += [
        WireFault(TASKS, lost=True),
        WireFault("GET /api/customer/dashboard/jobs", times=5, answer=(401, {"message": "gone"})),
    ]
    with pytest.raises(PlatformError, match="the platform key was refused"):
        submitter(record).submit()
    platform.faults.clear()
    assert [submitter(record).submit()] == list(platform.jobs)
    assert platform.asked_of(TASKS) == 1


def test_another_job_of_a_name_alike_is_not_taken_for_ours(platform: Platform, record: RunRecord, hand: ByHand) -> None:  # noqa: F811
    hand.ask("POST", "/api/tasks", hand.task(name="By hand")).raise_for_status()
    platform.faults.append(WireFault(TASKS, reset=True))
    task_id = submitter(record).submit()
    assert platform.jobs[task_id].task.name == record.id
    assert len(platform.jobs) == 2


def test_what_is_refused_is_not_tried_again(platform: Platform, record: RunRecord) -> None:
    platform.faults.append(WireFault(TASKS, answer=(400, {"message": ["no such workers"]})))
    with pytest.raises(PlatformError, match="no such workers"):
        submitter(record).submit()
    assert platform.asked == [TASKS]


def test_every_documented_state_is_mapped() -> None:
    words = ("QUEUED", "PENDING", "RUNNING", "FINISHED", "FAILED", "CANCELLED", "CANCELED", "DREAMING")
    assert [run_state(word) for word in words[:3]] == [RunState.QUEUED, RunState.STARTING, RunState.RUNNING]
    assert [over(word) for word in words] == [None, None, None, "FINISHED", "FAILED", "CANCELLED", "CANCELLED", None]
    assert run_state("DREAMING") is None


class TestOutcome:
    """What lies in model_out/ when nothing else is known."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> DirectoryStore:
        return DirectoryStore(tmp_path / "store")

    @staticmethod
    def put(store: DirectoryStore, tmp_path: Path, key: str, content: object) -> None:
        torch.save(content, tmp_path / "content")
        store.put_file(f"jobs/run/{key}", tmp_path / "content")

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            ({"model": {"w": torch.tensor([2.0])}, "train_conf": {}}, ""),
            ({"w": torch.tensor([2.0])}, ""),
            ({"w": torch.tensor([float("nan")])}, "has values that are not finite (NaN or infinity)"),
            ({"w": torch.tensor([1.0])}, "is the checkpoint that the run began with, untrained"),
            ({"w": torch.tensor([1.0], dtype=torch.float64)}, "is the checkpoint that the run began with, untrained"),
            ({"note": "no tensors"}, "holds no weights"),
        ],
    )
    def test_a_model_is_loaded_and_looked_at(self, store: DirectoryStore, tmp_path: Path, content: object, problem: str) -> None:
        self.put(store, tmp_path, "model/start.pt", {"w": torch.tensor([1.0])})
        self.put(store, tmp_path, "model_out/result.pt", content)
        [found] = look_at(store, "jobs/run")
        assert (found.name, found.problem) == ("result.pt", problem)

    def test_a_damaged_model_is_told_and_nothing_in_it_runs(self, store: DirectoryStore) -> None:
        store.put("jobs/run/model_out/a.pt", b"not a model")
        store.put("jobs/run/model_out/readme.txt", b"text")
        model, text = look_at(store, "jobs/run")
        assert model.problem.startswith("cannot be loaded")
        assert (text.name, text.bytes, text.problem) == ("readme.txt", 4, "")

    @pytest.mark.parametrize(
        ("word", "files", "aborted", "state", "said"),
        [
            ("FINISHED", [Found("a.pt", 1, "")], False, RunState.DEGRADED, "may also mean that it was stopped by hand"),
            ("FINISHED", [], False, RunState.FAILED, "there is no model in model_out/"),
            ("FINISHED", [Found("a.pt", 1, "", "holds no weights")], False, RunState.FAILED, "a.pt holds no weights"),
            ("FAILED", [], False, RunState.FAILED, "The platform says FAILED (out of memory)"),
            ("CANCELLED", [], False, RunState.ABORTED, "The platform says CANCELLED"),
            ("FAILED", [], True, RunState.ABORTED, "no report of the run arrived"),
            (None, [], False, RunState.FAILED, "does not say how it ended"),
        ],
    )
    def test_the_word_on_a_silent_run_is_honest(
        self, word: str | None, files: list[Found], aborted: bool, state: RunState, said: str
    ) -> None:
        told = unreported(word, "out of memory" if word == "FAILED" else "", files, aborted=aborted)
        assert told.state is state
        assert said in told.reason
