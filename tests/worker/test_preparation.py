"""What a site does before the first round, and what it tells of itself."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import nvflare
import pytest
import torch
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.shareable import ReturnCode, Shareable

from reson_jupyter.worker import agent, shard_fetch
from reson_jupyter.worker.executor import GenericClientExecutor
from reson_jupyter.worker.preparation import ResonPreparation
from reson_jupyter.worker.shard import _rt_read_manifest
from tests.data.zips import manifest, write_shard

from .job_folder import JobParts, run
from .loopback import Server
from .own_code import OWN_EXECUTOR
from .shelf import Shelf, shelf
from .sources import PAYLOAD_MODEL

NO_DATA = (
    "it has no data: set RESON_DATA_ROOT there, or data_root in local/reson.json (a federation of your own: "
    "%reson federation start --data DIR), or submit with shards from a bucket"
)
INSTALL = "(install them there, or leave them out of the requirements)"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what the preparation sets, before and after."""
    for name in ("RESON_DATA_ROOT", "RESON_CACHE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The user's code, with our training."""
    module = ModuleType("some_model_def")
    module._rt_read_manifest = _rt_read_manifest  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "some_model_def", module)
    return module


@pytest.fixture
def prepare(server: Server, module: ModuleType) -> Callable[..., Shareable]:
    """Has the site prepare, with these arguments of its executor; the user's own code trains unless there is a manifest."""
    server.agent.data_root = "/dev/null/nowhere"

    def do(*requirements: str, **args: Any) -> Shareable:
        args = {"own_training": "manifest" not in args, **args}
        reply = server.execute(ResonPreparation(list(requirements), **args), {}, task="reson_prepare")
        server.messenger.flush()
        return reply

    return do


def told(server: Server) -> dict[str, Any]:
    [event] = server.of("prepared")
    data: dict[str, Any] = event["data"]
    return data


def data_folder(tmp_path: Path, *labels: int) -> Path:
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    (folder / "manifest.ndjson").write_bytes(manifest(*labels))
    for number in range(len(labels)):
        (folder / f"images/{number}.png").touch()
    return folder


def test_a_site_tells_what_it_has(server: Server, prepare: Any) -> None:
    reply = prepare("torch", "numpy>=1", "nonesuch; python_version < '3'")
    assert reply.get_return_code() == ReturnCode.OK
    data = told(server)
    assert data["torch"] == torch.__version__ and data["nvflare"] == nvflare.__version__
    assert data["python"] == ".".join(map(str, sys.version_info[:3]))
    assert data["packages"] == {"torch": torch.__version__, "numpy": np.__version__}
    assert data["device"] == ("cpu" if not torch.cuda.is_available() else torch.cuda.get_device_name(0))
    assert data["disk"] > 0
    assert (data["data"], data["samples"], data["classes"], data["problems"]) == ("", None, None, [])
    assert data["notes"] == [NO_DATA]
    assert server.phases() == ["preparing"]
    assert server.of("error") == []


def test_a_site_that_cannot_train_answers_why_and_says_so(server: Server, prepare: Any) -> None:
    reply = prepare("nonesuch==1.0", "neither")
    assert reply.get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    assert (
        reply.get_header("reson_problems")
        == told(server)["problems"]
        == [f"the packages nonesuch and neither are missing {INSTALL}"]
    )
    assert told(server)["packages"] == {"nonesuch": "", "neither": ""}
    [error] = server.of("error")
    assert error["data"]["message"] == f"site-1 cannot train: the packages nonesuch and neither are missing {INSTALL}"


def test_a_site_without_data_cannot_train_where_the_training_reads_a_manifest(server: Server, prepare: Any) -> None:
    prepare(manifest="manifest.ndjson")
    assert told(server)["problems"] == [NO_DATA]


def test_the_data_that_a_site_has_itself_is_counted_and_used(
    server: Server, prepare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = data_folder(tmp_path, 0, 1, 2, 1)
    monkeypatch.setenv("RESON_DATA_ROOT", str(folder))
    prepare(manifest="manifest.ndjson")
    data = told(server)
    assert (data["data"], data["samples"], data["classes"], data["problems"]) == (str(folder), 4, 3, [])
    assert server.agent.env("/dev/null/nowhere", {})["DATA_ROOT"] == str(folder)


@pytest.mark.parametrize(
    ("lines", "samples", "classes"),
    [
        (manifest(0, 1, 2, 1), 4, 3),
        (b'{"y": ["cat", "dog"]}\n\n{"y": "cat"}\n', 2, 2),
        (b'{"text": "of no class"}\n', 1, None),
        (b"id,label\n1,2\n", None, None),
        (b'[1]\n{"y": 1}\n', None, None),
        (b'{"y": {"box": 1}}\n{"y": [[1]]}\n', None, None),
        (b"\xff\xfe", None, None),
        (None, None, None),
    ],
)
def test_what_a_train_function_of_the_users_own_reads_is_counted_where_it_can_be_and_is_never_a_problem(
    server: Server, prepare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: bytes | None,
    samples: int | None, classes: int | None,
) -> None:  # fmt: skip
    folder = data_folder(tmp_path, 0)
    (folder / "manifest.ndjson").unlink() if lines is None else (folder / "manifest.ndjson").write_bytes(lines)
    monkeypatch.setenv("RESON_DATA_ROOT", str(folder))
    prepare(manifest="manifest.ndjson", own_training=True)
    data = told(server)
    assert (data["samples"], data["classes"], data["problems"], data["notes"]) == (samples, classes, [], [])


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (b"", "its manifest cannot be used: manifest.ndjson has no samples"),
        (b"{}\n", "its manifest cannot be used: manifest.ndjson, line 1: not an object with an `id` that is a text"),
        (manifest(0, 1, 7), "its data has the label 7, and the run has 3 classes (0 to 2)"),
        (manifest(0, 1, 2, 1, 0), "the image images/3.png of the sample 's3' is not in its data"),
    ],
)
def test_data_that_would_fail_in_the_training_is_told_before(
    server: Server, prepare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: bytes, problem: str
) -> None:
    folder = data_folder(tmp_path, 0, 1, 2)
    (folder / "manifest.ndjson").write_bytes(lines)
    monkeypatch.setenv("RESON_DATA_ROOT", str(folder))
    monkeypatch.setattr(agent.ResonAgent, "training", {"num_classes": 3})
    prepare(manifest="manifest.ndjson")
    assert told(server)["problems"] == [problem]


def test_data_without_a_manifest_is_told(server: Server, prepare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = data_folder(tmp_path, 0)
    (folder / "manifest.ndjson").unlink()
    monkeypatch.setenv("RESON_DATA_ROOT", str(folder))
    prepare(manifest="manifest.ndjson")
    assert told(server)["problems"] == [f"there is no manifest.ndjson at the root of its data ({folder})"]


def test_a_setting_that_leads_nowhere_is_a_problem_and_no_shard_is_fetched_instead(
    server: Server, prepare: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESON_DATA_ROOT", "/not/there")
    with shelf(b"") as web:
        prepare(shard={"name": "a.zip", "url": web.url, "sha256": "0" * 64, "bytes": 1})
        assert web.asked == []
    assert told(server)["problems"] == ["RESON_DATA_ROOT says that the data is in '/not/there', which is no folder of this site"]


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[tuple[Shelf, dict[str, Any]]]:
    content = write_shard(tmp_path / "s.zip", 0, 1, 1).read_bytes()
    with shelf(content) as web:
        yield web, {"name": "s.zip", "url": web.url, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def test_a_shard_is_fetched_and_is_the_data_from_then_on(
    server: Server, prepare: Any, shard: tuple[Shelf, dict[str, Any]], tmp_path: Path
) -> None:
    prepare(manifest="manifest.ndjson", shard=shard[1])
    data = told(server)
    assert (data["data"], data["samples"], data["classes"], data["problems"]) == ("shard", 3, 2, [])
    place = tmp_path / "reson_cache/shards" / shard[1]["sha256"]
    assert server.agent.env("/dev/null/nowhere", {})["DATA_ROOT"] == str(place)
    assert Path(f"{place}.sha256").read_text() == shard[1]["sha256"]
    assert os.environ["RESON_DATA_ROOT"] == str(place)  # for code that asks for it itself
    assert os.environ["RESON_CACHE"] == str(tmp_path / "reson_cache")
    # With few threads the simulator has every task done by a new process.
    later = agent.ResonAgent("/dev/null/nowhere", "some_model_def", {})
    with server.new_context() as fl_ctx:
        later.handle_event(EventType.START_RUN, fl_ctx)
        later.handle_event(EventType.ABOUT_TO_END_RUN, fl_ctx)
    assert later.is_prepared and later.env("/dev/null/nowhere", {})["DATA_ROOT"] == str(place)


def test_a_place_that_the_site_has_set_wins_over_a_shard(
    server: Server, prepare: Any, shard: tuple[Shelf, dict[str, Any]], tmp_path: Path
) -> None:
    folder = data_folder(tmp_path, 0, 1)
    (tmp_path / "local").mkdir()
    (tmp_path / "local/reson.json").write_text(json.dumps({"data_root": str(folder)}))
    prepare(manifest="manifest.ndjson", shard=shard[1])
    assert told(server)["data"] == str(folder)
    said = tmp_path / "local/reson.json"
    assert told(server)["notes"] == [f"the shard s.zip was not fetched, as {said} says where the data is"]
    assert shard[0].asked == []


def test_the_place_that_the_platform_unpacks_to_is_found(
    server: Server, prepare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = data_folder(tmp_path, 0, 1)
    monkeypatch.setattr(server.agent, "data_root", str(folder))
    prepare(manifest="manifest.ndjson")
    assert (told(server)["data"], told(server)["samples"]) == (str(folder), 2)


def test_an_address_that_has_expired_is_told_without_it(
    server: Server, prepare: Any, shard: tuple[Shelf, dict[str, Any]]
) -> None:
    shard[0].faults = [("status", 403)]
    prepare(manifest="manifest.ndjson", shard=shard[1])
    [problem] = told(server)["problems"]
    assert problem.startswith("the store refuses the shard s.zip (403 AccessDenied)")
    assert "sesame" not in (server.run_dir / "events.ndjson").read_text()


def test_the_secret_is_in_no_repr(shard: tuple[Shelf, dict[str, Any]]) -> None:
    executor = ResonPreparation([], shard=shard[1])
    assert "sesame" not in repr(executor) + str(executor)


def test_a_site_that_joins_later_prepares_before_its_first_round(
    server: Server, module: ModuleType, shard: tuple[Shelf, dict[str, Any]]
) -> None:
    server.components["preparation"] = ResonPreparation([], "manifest.ndjson", shard[1])
    server.execute(GenericClientExecutor(adapter_module="some_model_def"), {"w": np.ones(1)})
    server.execute(GenericClientExecutor(adapter_module="some_model_def"), {"w": np.ones(1)}, round_=1)
    server.messenger.flush()
    assert told(server)["data"] == "shard"


def test_an_abort_while_it_prepares_is_answered(
    server: Server, prepare: Any, shard: tuple[Shelf, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_fetch, "_reson_FETCH_PAUSES", (30.0,) * 3)
    shard[0].faults = [("status", 503)] * 3
    shard[0].before = lambda: server.fire(EventType.ABORT_TASK)
    reply = prepare(shard=shard[1])
    assert reply.get_return_code() == ReturnCode.TASK_ABORTED
    assert server.of("prepared") == [] and server.phases() == ["preparing", "aborted"]


def test_a_fault_of_the_preparation_itself_is_a_problem(server: Server, prepare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "get_root_dir", lambda: 1 / 0)
    reply = prepare()
    assert reply.get_header("reson_problems") == ["the preparation failed: ZeroDivisionError: division by zero"]


def test_other_tasks_do_not_reach_it(server: Server) -> None:
    preparation = ResonPreparation(["nonesuch"])
    server.components["preparation"] = preparation
    server.fire(EventType.BEFORE_TASK_EXECUTION, **{FLContextKey.TASK_NAME: "validate", FLContextKey.TASK_DATA: Shareable()})
    server.messenger.flush()
    assert server.of("prepared") == []


# Real runs


def shards_of(tmp_path: Path, url: str) -> dict[str, dict[str, Any]]:
    content = (tmp_path / "s.zip").read_bytes()
    shard = {"name": "s.zip", "url": url, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    return {"site-1": shard, "site-2": shard}


# The user's own code then needs Python's own int and range; ours has to do without.
STARS = "from torch import *\nfrom numpy import *\nfrom builtins import int, range\n"
READS_DATA = PAYLOAD_MODEL.replace(
    '    logger({"type": "warning", "msg": "careful"})\n',
    '    import os\n    logger(str(sorted(os.listdir(payload["dataset"]["data_root"]))))\n',
)


@pytest.mark.nvflare
def test_two_sites_train_on_shards_that_they_fetched(tmp_path: Path, shard: tuple[Shelf, dict[str, Any]]) -> None:
    parts = JobParts(STARS + READS_DATA, "fl_train_model", model_args={"width": 5}, federated=True)
    parts.training, parts.shards = {"weight_decay": 0.5}, shards_of(tmp_path, shard[1]["url"])
    folder = tmp_path / "run"
    folder.mkdir()
    finished = run(folder, parts)
    assert finished.code == 0 and finished.of("error", "lost") == [], finished.output[-3000:]
    types = [event["type"] for event in finished.events]
    assert types.index("round_started") > max(index for index, kind in enumerate(types) if kind == "prepared")
    assert [event["data"]["data"] for event in finished.of("prepared")] == ["shard", "shard"]
    told = {event["data"]["message"] for event in finished.of("log")} - {""}
    assert "['images', 'manifest.ndjson']" in told
    assert len(finished.of("contribution")) == 4
    assert "sesame" not in finished.output + json.dumps(finished.events)
    for log in folder.glob("ws/**/*.txt"):
        assert "sesame" not in log.read_text()


@pytest.mark.nvflare
def test_a_site_with_an_executor_of_the_users_own_prepares_as_well(tmp_path: Path, shard: tuple[Shelf, dict[str, Any]]) -> None:
    own = (
        STARS
        + "import os\n"
        + OWN_EXECUTOR.replace(
            '        self.log_error(fl_ctx, "something was odd")\n',
            '        assert os.path.exists(os.environ["RESON_DATA_ROOT"] + "/manifest.ndjson")\n',
        )
    )
    parts = JobParts(PAYLOAD_MODEL, "", executor=own, executor_class="OwnExecutor", model_args={"width": 5}, federated=True)
    parts.shards = shards_of(tmp_path, shard[1]["url"])
    folder = tmp_path / "run"
    folder.mkdir()
    finished = run(folder, parts)
    assert finished.code == 0 and finished.of("error") == [], finished.output[-3000:]
    assert [event["data"]["data"] for event in finished.of("prepared")] == ["shard", "shard"]
    phases = [event["data"]["phase"] for event in finished.of("site") if event["site"] == "site-1"]
    assert phases == ["preparing", "training", "returned", "training", "returned"]
