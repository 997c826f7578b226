"""Answers that no platform should give: each is an error in words or done without, and none keeps a run open."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reson_jupyter as reson
from reson_jupyter import ResonTechConfig
from reson_jupyter.backend.platform import retries, submitting
from reson_jupyter.backend.platform.api import Platform as Api
from reson_jupyter.backend.platform.api import Task, Workers
from reson_jupyter.backend.platform.client import Client
from reson_jupyter.backend.platform.extras import Extras
from reson_jupyter.backend.platform.submitting import Submitter
from reson_jupyter.backend.platform.watch import Watch
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.errors import PlatformError
from tests.patience import wait_for
from tests.servers import serving

from .account import EMAIL, PASSWORD
from .answers import WireFault
from .app import LOGIN, Platform
from .by_hand import BOUNDS
from .test_wire import accepted, carried, submit

BUCKET, TASKS, JOB = "GET /api/users/storage/bucket", "POST /api/tasks", "GET /api/customer/dashboard/jobs/{id}"
JOBS = "GET /api/customer/dashboard/jobs"
DEEP = "[" * 100_000
ODD = [
    pytest.param((302, ""), {"Location": "http://[x"}, id="sent on to no URL"),
    pytest.param((302, ""), {"Location": "/\x80"}, id="sent on to bytes"),
    pytest.param((302, ""), {"Location": f"http://{'a' * 300}.example/"}, id="sent on to no host"),
    pytest.param((200, DEEP), {}, id="deep"),
    pytest.param((200, "no gzip at all"), {"Content-Encoding": "gzip"}, id="badly packed"),
    pytest.param((400, DEEP), {}, id="refused deeply"),
    pytest.param((503, DEEP), {"Retry-After": "9" * 5000}, id="busy for ever"),
    pytest.param((200, "[]"), {}, id="a list"),
    pytest.param((200, '{"jobId": ["x"], "bucketAlias": "[x"}'), {}, id="of other types"),
]


@pytest.fixture
def client(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(retries, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(retries, "_LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(submitting, "_BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr(submitting, "_LONGEST_PAUSE", 0.01)
    return Client(ResonTechConfig())


@pytest.mark.parametrize(("answer", "headers"), ODD)
def test_an_odd_answer_is_an_error_in_words(
    platform: Platform, client: Client, answer: tuple[int, str], headers: dict[str, str]
) -> None:
    for route in (BUCKET, TASKS, JOB):
        platform.faults.append(WireFault(route, times=99, answer=answer, headers=headers))
    api = Api(client)
    for ask in (api.bucket, lambda: api.submit({}), lambda: api.task("cmp1")):
        with pytest.raises(PlatformError) as raised:
            ask()
        assert "[[[" not in str(raised.value) and len(str(raised.value)) < 400


@carried
@pytest.mark.parametrize(("answer", "headers"), [ODD[0], ODD[1], ODD[3], ODD[8]])
def test_a_run_that_met_an_odd_answer_ends_as_the_platform_says(
    customer: Platform, shards: Path, answer: tuple[int, str], headers: dict[str, str]
) -> None:
    run = submit(shards)
    job = accepted(customer, run)
    odd = WireFault(JOB, answer=answer, headers=headers)
    customer.faults.append(odd)
    wait_for(lambda: odd.times == 0)
    customer.cancel(job.id)
    wait_for(lambda: run.state.done, 30)
    assert run.state == reson.RunState.ABORTED and "CANCELLED" in run.reason


class Odd:
    """A client of a platform that answers everything with the same."""

    def __init__(self, said: Any) -> None:
        self.said = said

    def get(self, *_: object, **__: object) -> Any:
        return self.said

    post = get


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("jobs", "job_id", "current_round", "num_rounds", "workers", "onlineCount", "model", "free_memory_mb", "jobId", "id")
MORE = ("state", "status", "jobName", "error", "bucketAlias", "uploadId", "urls", "logs", "items", "data")
objects = st.dictionaries(
    st.sampled_from(NAMES + MORE), json_values | st.lists(st.dictionaries(st.sampled_from(NAMES), json_values))
)


@given(said=objects | st.lists(objects, max_size=3) | json_values)
def test_whatever_is_answered_is_read_by_its_type_or_refused(said: Any) -> None:
    api, extras = Api(Odd(said)), Extras(Odd(said))  # type: ignore[arg-type]
    asks = (
        api.bucket, lambda: api.begin_upload("k", 1, "t"), lambda: api.submit({}), lambda: api.task("x"),
        lambda: api.find("x"), api.workers, lambda: api.round_of("x"), extras.gpu_models, lambda: extras.logs("x"),
    )  # fmt: skip
    for ask in asks:
        try:
            found = ask()
        except PlatformError:
            continue
        repr(found).encode()
        if isinstance(found, Workers):
            assert found.online >= 0
        if isinstance(found, Task):
            (found.id + found.name + found.state + found.error).encode()


@pytest.mark.parametrize(
    ("said", "online"),
    [
        ({"onlineCount": 3}, 3),
        ({"onlineCount": -4, "workers": [{"model": "a"}]}, 1),
        ({"onlineCount": True, "workers": []}, 0),
        ({"onlineCount": 2, "workers": 5}, 2),
    ],
)
def test_workers_are_counted_by_what_can_be_counted(said: dict[str, Any], online: int) -> None:
    assert Api(Odd(said)).workers().online == online  # type: ignore[arg-type]


@pytest.mark.parametrize("said", [{"workers": 5}, {"onlineCount": -4}, {}, [], None])
def test_workers_that_cannot_be_counted_are_not_none(said: Any) -> None:
    with pytest.raises(PlatformError, match="no number of workers"):
        Api(Odd(said)).workers()  # type: ignore[arg-type]


def test_a_survey_goes_on_when_the_workers_cannot_be_counted(customer: Platform, shards: Path) -> None:
    customer.faults.append(WireFault("GET /api/customer/dashboard/workers/stats", times=9, edit=lambda _: {"workers": 5}))
    from reson_jupyter.backend.targets.platform import PlatformTarget

    survey = PlatformTarget().survey(ResonTechConfig())
    assert survey.capacity is None and "does not say which workers are online" in survey.notes[1]


@pytest.mark.parametrize("url", ["http://[x", "ftp://host/x", "", f"https://{'a' * 300}.example/x", "https://a:99999999/x"])
def test_a_place_for_a_part_that_is_none_is_told_and_not_shown(client: Client, url: str) -> None:
    with pytest.raises(PlatformError) as raised:
        client.put(f"{url}?X-Amz-Signature=s", io.BytesIO(b"data"), threading.Event())
    assert "Signature" not in f"{raised.value} {raised.value!r}"


@pytest.fixture
def circle() -> Iterator[tuple[str, list[str]]]:
    """A server that sends everybody on to where he is."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(302)
            self.send_header("Location", self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as url:
        yield url, asked


def test_a_circle_of_redirects_is_called_so_at_once(
    platform: Platform, circle: tuple[str, list[str]], pauses: list[float]
) -> None:
    url, asked = circle
    with pytest.raises(PlatformError, match="sends us on in a circle"):
        Client(ResonTechConfig(base_url=url)).get("/api/x")
    assert len(asked) < 10 and pauses == []


def test_an_answer_that_is_badly_packed_is_not_asked_for_again(platform: Platform, client: Client) -> None:
    platform.faults.append(WireFault(BUCKET, times=9, answer=(200, "no gzip at all"), headers={"Content-Encoding": "gzip"}))
    with pytest.raises(PlatformError, match="cannot be unpacked"):
        Api(client).bucket()
    assert platform.asked == [BUCKET]


@pytest.mark.parametrize("token", ["canaryT\r\nX: y", "canaryT\u20ac", "canary T", 5, None, "", ["canaryT"]])
def test_a_token_that_cannot_be_one_is_refused_and_not_shown(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, token: object
) -> None:
    monkeypatch.delenv("RESON_API_KEY")
    platform.hidden -= set(LOGIN)
    platform.faults.append(WireFault(LOGIN[0], edit=lambda body: {**body, "accessToken": token}))
    with pytest.raises(PlatformError, match="gave no token that can be sent") as raised:
        Api(Client(ResonTechConfig(email=EMAIL, password=PASSWORD))).bucket()
    assert "canary" not in f"{raised.value} {raised.value!r}" and raised.value.__cause__ is None
    assert platform.asked == [LOGIN[0]]


class TestSubmission:
    """A job that may have been submitted is looked for, and never submitted twice."""

    @pytest.fixture
    def said(self) -> list[str]:
        return []

    @staticmethod
    def submitter(api: Any, said: list[str]) -> Submitter:
        record = RunRecord(id="run", name="Run", target="reson", store="s3://b", created=0)
        record.save()
        return Submitter(api, record, BOUNDS, False, said.append)

    class Api:
        """A platform whose answers a test gives: an exception is raised, all else returned."""

        def __init__(self, submit: object, *finds: object) -> None:
            self._submit, self._finds, self.submits = submit, list(finds), 0

        def submit(self, body: object) -> Any:
            self.submits += 1
            return self._answer(self._submit)

        def find(self, name: str) -> Any:
            return self._answer(self._finds.pop(0))

        def _answer(self, answer: object) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

    def test_even_after_an_error_that_nobody_expected(self, client: Client, said: list[str]) -> None:
        api = self.Api(TypeError("secret"), None, Task("cmp1", "run", "QUEUED"))
        assert self.submitter(api, said).submit() == "cmp1"
        assert api.submits == 1 and "TypeError" in said[0] and "secret" not in said[0]

    def test_and_that_error_is_told_if_the_job_is_not_there(self, client: Client, said: list[str]) -> None:
        api = self.Api(TypeError("a bug"), None, None, None)
        with pytest.raises(TypeError, match="a bug"):
            self.submitter(api, said).submit()
        assert api.submits == 1

    def test_an_odd_answer_to_one_look_is_looked_past(self, client: Client, said: list[str]) -> None:
        api = self.Api(PlatformError("lost"), PlatformError("odd"), Task("cmp1", "run", "QUEUED"))
        assert self.submitter(api, said).submit() == "cmp1"

    @pytest.mark.parametrize(
        ("edit", "why"),
        [
            (lambda rows: {"jobs": rows}, "something that is no list of jobs"),
            (lambda rows: [{"task": "x"}], "a list in which nothing is a job"),
        ],
    )
    def test_a_list_that_tells_nothing_does_not_mean_that_it_is_not_there(
        self, platform: Platform, client: Client, said: list[str], edit: Any, why: str
    ) -> None:
        platform.faults += [WireFault(TASKS, reset=True), WireFault(JOBS, times=99, edit=edit)]
        with pytest.raises(PlatformError, match=f"nobody can tell whether the job was submitted: .*{why}") as raised:
            self.submitter(Api(client), said).submit()
        assert platform.asked_of(TASKS) == 1 and "look for run there" in str(raised.value)

    def test_a_list_without_end_is_unknown_too(self) -> None:
        class Endless(Odd):
            def get(self, path: str, limit: int, offset: int) -> list[dict[str, str]]:  # type: ignore[override]
                return [{"jobId": f"cmp{offset + number}", "jobName": "another"} for number in range(limit)]

        with pytest.raises(PlatformError, match="has no end: 10000 were read"):
            Api(Endless(None)).find("mine")  # type: ignore[arg-type]


def test_whatever_is_raised_a_watch_goes_on_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[PlatformError | None] = []

    class Broken:
        def task(self, task_id: str) -> Task:
            told.append(watch.problem)
            if len(told) < 3:
                raise KeyError("odd")
            return Task(task_id, "run", "CANCELLED")

    began = threading.Event()
    monkeypatch.setattr("reson_jupyter.backend.platform.watch._HURRIED", 0.02)
    monkeypatch.setattr(Broken, "task", lambda self, task_id, ask=Broken.task: (began.wait(5), ask(self, task_id))[1])
    watch = Watch(Broken(), "cmp1")  # type: ignore[arg-type]
    watch.hurry()
    began.set()
    wait_for(lambda: watch.over == "CANCELLED", 5)
    assert [problem and problem.message for problem in told] == [None, *["its answer could not be dealt with (KeyError)"] * 2]
    assert watch.problem is None
    assert capsys.readouterr().err.count("KeyError: 'odd'") == 1
