"""The parts of the state: captures, data, what stands in the way, runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter import api
from reson_jupyter.backend import observers
from reson_jupyter.backend.event_log import EventLogWriter
from reson_jupyter.backend.history import history
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.backend.run.handle import Run
from reson_jupyter.backend.store import DirectoryStore
from reson_jupyter.capture.across.inputs import Kernel
from reson_jupyter.capture.capture import Capture, capture_cell
from reson_jupyter.capture.roles import model_check
from reson_jupyter.capture.text.cell import parse
from reson_jupyter.errors import ResonError
from reson_jupyter.notebook.away import away_from_cells
from reson_jupyter.notebook.live import show as show_module
from reson_jupyter.notebook.sidebar import runs as runs_module
from reson_jupyter.notebook.sidebar.comms import Sidebar
from reson_jupyter.session import Refusal, Session
from tests.backend.test_verdict import event, good_run
from tests.runs.conftest import write_image_shard

from .fake_page import FakePage

MODEL = """from torch import nn

class Net(nn.Linear):
    def __init__(self, num_classes: int):
        super().__init__(3, num_classes)

    def forward(self, images):
        return super().forward(images.mean(dim=(2, 3)))
"""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take long for what is else decided within seconds."""
    monkeypatch.setattr(model_check, "LIMIT", 60)


def captured(text: str, number: int = 4, role: Any = "model", command: str = "") -> Capture:
    label, namespace = f"In[{number}]", {"__name__": "__main__"}
    exec(compile(text, label, "exec"), namespace)
    return capture_cell(role, parse(text, label, 2, number=number), Kernel(namespace), command=command)


def test_a_captured_model_is_told_with_its_size_when_that_is_known(page: FakePage, session: Session) -> None:
    session.set_capture(captured(MODEL))
    row = page.wait_for(lambda state: state["captures"][0]["size"] and state["captures"][0], 60)
    assert row == {
        "key": "model", "role": "model", "name": "Net", "cell": "In[4]", "cell_id": "", "lines": 7,
        "size": "40 parameters, 160 B down + 160 B up per round and site",
        "checks": [{"level": "ok", "text": "nothing stands out"}],
    }  # fmt: skip


def test_an_argument_that_the_constructor_does_not_take_is_a_warning_with_the_right_advice(
    page: FakePage, session: Session
) -> None:
    session.set_capture(captured(MODEL))
    session.configure(model_args={"num_clases": 4})
    (check,) = page.wait_for(lambda state: _levels(state, 0) == ["warning"] and state["captures"][0]["checks"], 60)
    assert "unexpected keyword argument 'num_clases'" in check["text"]
    assert check["text"].endswith("Remove 'num_clases' from model_args, or did you mean 'num_classes'?")
    session.configure(model_args={})
    page.wait_for(lambda state: _levels(state, 0) == ["ok"], 60)


def test_a_model_that_the_default_training_cannot_use_has_a_warning_until_something_else_trains(
    page: FakePage, session: Session
) -> None:
    session.set_capture(captured(MODEL.replace("(3, num_classes)", "(3, 2)")))
    session.configure(num_classes=7)
    (check,) = page.wait_for(lambda state: _levels(state, 0) == ["warning"] and state["captures"][0]["checks"], 60)
    assert "until you capture a train function" in check["text"]
    session.set_capture(captured("def fl_train_model(payload):\n    return payload\n", 5, "train"))
    page.wait_for(lambda state: state["captures"][1]["name"] == "fl_train_model" and _levels(state, 0) == ["ok"], 60)
    assert page.seen["captures"][1]["checks"][0] == {"level": "ok", "text": "fl_train_model is called to train"}


def test_a_refused_cell_is_an_error_of_the_row_whose_earlier_capture_stays(page: FakePage, session: Session) -> None:
    session.set_capture(captured(MODEL))
    session.set_refusal(Refusal("model", "In[9]", "In[9], line 3: open is missing", "The model Net from In[4] stays captured."))
    row = page.wait_for(lambda state: "error" in _levels(state, 0) and state["captures"][0])
    assert (row["name"], row["cell"]) == ("Net", "In[4]")
    said = "In[9], line 3: open is missing\nThe model Net from In[4] stays captured."
    assert row["checks"][0] == {"level": "error", "text": said, "cell": "In[9]", "cell_id": ""}
    session.set_capture(captured(MODEL, 10))
    page.wait_for(lambda state: state["captures"][0]["cell"] == "In[10]" and _levels(state, 0) == ["ok"])


def test_what_was_captured_anew_is_a_warning(page: FakePage, session: Session) -> None:
    session.set_capture(replace(captured(MODEL), renewed=("the model Net changed; captured anew",)))
    page.wait_for(
        lambda state: {"level": "warning", "text": "the model Net changed; captured anew"} in state["captures"][0]["checks"]
    )


def test_commands_follow_the_roles(page: FakePage, session: Session) -> None:
    session.set_capture(captured("def tell(params):\n    return 1\n", 5, "command", "tell"))
    session.set_refusal(Refusal("command ask", "In[6]", "no", ""))
    page.wait_for(lambda state: len(state["captures"]) == 6)
    assert [(row["key"], row["role"], row["name"]) for row in page.seen["captures"]][4:] == [
        ("command ask", "command", ""), ("command tell", "command", "tell"),
    ]  # fmt: skip


def test_shards_are_told_as_the_magic_tells_them_and_put_away_when_another_folder_is_configured(
    page: FakePage, session: Session, tmp_path: Path
) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    write_image_shard(folder / "site-1.zip", [0, 0, 1], 1)
    write_image_shard(folder / "site-2.zip", [1, 2], 2)
    assert "shards_dir" in page.refused("check_shards")["fields"]
    session.configure(shards_dir=str(folder))
    assert page.ask("check_shards") is None
    data = page.seen["data"]
    assert (data["folder"], data["classes"], data["more"], data["error"], data["problems"]) == (
        str(folder),
        ["0", "1", "2"],
        0,
        "",
        [],
    )
    assert [(one["site"], one["name"], one["samples"], one["counts"]) for one in data["shards"]] == [
        ("site-1", "site-1.zip", 3, [2, 1, 0]), ("site-2", "site-2.zip", 2, [0, 1, 1]),
    ]  # fmt: skip
    assert data["headline"].startswith("2 shards, 5 samples, 3 labels") and data["shards"][0]["bytes"] > 0
    session.configure(shards_dir=str(tmp_path / "elsewhere"))
    page.wait_for(lambda state: state["data"]["folder"] == "" and state["data"]["shards"] == [])
    page.ask("check_shards")
    assert page.seen["data"]["folder"] == str(tmp_path / "elsewhere") and "elsewhere" in page.seen["data"]["error"]


def test_a_folder_that_changed_since_it_was_looked_at_says_so(
    page: FakePage, sidebar: Sidebar, session: Session, tmp_path: Path
) -> None:
    write_image_shard(tmp_path / "site-1.zip", [0, 1], 1)
    session.configure(shards_dir=str(tmp_path))
    page.ask("check_shards")
    looked = page.seen["data"]["looked"]
    assert abs(looked - time.time()) < 60 and not page.seen["data"]["changed"]
    (tmp_path / "notes.txt").write_text("no shard")
    sidebar.look_again()
    write_image_shard(tmp_path / "site-2.zip", [0, 1], 2)
    sidebar.look_again()
    page.wait_for(lambda state: state["data"]["changed"])
    assert page.seen["data"]["looked"] == looked and page.seen["data"]["headline"].startswith("1 shard")
    page.ask("check_shards")
    assert not page.seen["data"]["changed"] and page.seen["data"]["headline"].startswith("2 shards")


def test_many_shards_and_classes_are_bounded(
    page: FakePage, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reson_jupyter.notebook.sidebar.data._SHARDS", 2)
    monkeypatch.setattr("reson_jupyter.notebook.sidebar.data._CLASSES", 1)
    folder = tmp_path / "shards"
    folder.mkdir()
    for number in range(3):
        write_image_shard(folder / f"site-{number}.zip", [0, 0, 1, 2], number)
    session.configure(shards_dir=str(folder))
    page.ask("check_shards")
    data = page.seen["data"]
    assert (data["classes"], data["more"]) == (["0", "others"], 1)
    assert [one["counts"] for one in data["shards"]] == [[2, 2], [2, 2]]


def test_what_stands_in_the_way_goes_as_it_is_done(page: FakePage, session: Session, tmp_path: Path) -> None:
    obstacles = page.seen["submit"]["obstacles"]
    assert obstacles["check"] == obstacles["preview"] and len(obstacles["check"]) == 1 and len(obstacles["submit"]) == 3
    session.set_capture(captured(MODEL))
    session.configure(name="digits", shards_dir=str(tmp_path))
    page.wait_for(lambda state: state["submit"]["obstacles"] == {"check": [], "preview": [], "submit": []})


# Runs


def made_up(tmp_path: Path, name: str = "colours", done: bool = False) -> tuple[RunRecord, DirectoryStore]:
    store = DirectoryStore(tmp_path / "store")
    record = RunRecord.new(name, "local", store.url)
    record.save()
    log = EventLogWriter(store, record.prefix)
    log.append([*good_run()[:4], *([event("state", state="finished", reason="")] if done else [event("state", state="running")])])
    return record, store


def test_a_run_of_this_process_appears_at_once_and_its_rounds_advance(
    page: FakePage, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reson_jupyter.backend.targets.local.LocalTarget.is_carried", lambda *_: True)
    record, store = made_up(tmp_path)
    run = observers.announce(api.find(record.id))
    row = page.wait_for(lambda state: state["runs"]["rows"] and state["runs"]["rows"][0])
    assert (row["id"], row["state"], row["done"], row["round"], row["rounds"]) == (run.id, "running", False, 0, 2)
    run.set_note("12 of 40 MB sent")
    page.wait_for(lambda state: state["runs"]["rows"][0]["reason"] == "12 of 40 MB sent")
    log = EventLogWriter(store, record.prefix)
    log.append(good_run()[4:9])
    page.wait_for(lambda state: state["runs"]["rows"][0]["round"] == 1)
    assert not page.seen["runs"]["rows"][0]["stopping"]
    monkeypatch.setattr(Run, "abort", lambda _: None)
    page.ask("abort", run=run.id)
    page.wait_for(lambda state: state["runs"]["rows"][0]["stopping"] and state["runs"]["rows"][0]["state"] == "running")
    log.append([event("state", state="failed", reason="It \x1b[31mended.")])
    page.wait_for(lambda state: state["runs"]["rows"][0]["done"])
    assert page.seen["runs"]["rows"][0]["reason"] == "It \\x1b[31mended."
    assert not page.seen["runs"]["rows"][0]["stopping"]


def test_a_run_that_ends_before_anybody_looks_into_the_history_stays(page: FakePage, tmp_path: Path) -> None:
    page.ask("runs")
    record, _ = made_up(tmp_path, done=True)
    observers.announce(api.find(record.id))
    page.wait_for(lambda state: [row["id"] for row in state["runs"]["rows"]] == [record.id])
    assert page.seen["runs"]["rows"][0]["done"]


def test_runs_of_others_are_looked_at_while_a_page_is_open(
    open_page: Callable[[], FakePage], sidebar: Sidebar, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_module, "_EVERY", 0.1)
    record, store = made_up(tmp_path)
    monkeypatch.setattr("reson_jupyter.backend.targets.local.LocalTarget.is_carried", lambda *_: True)
    api.find(record.id)
    page = open_page()
    page.wait_for(lambda state: [row["state"] for row in state["runs"]["rows"]] == ["running"])
    EventLogWriter(store, record.prefix).append([event("state", state="finished", reason="")])
    page.wait_for(lambda state: state["runs"]["rows"][0]["done"])
    looker = sidebar._runs._looker
    assert looker is not None
    page.close()
    looker.join(60)
    assert not looker.is_alive()


def test_a_store_that_does_not_answer_blocks_nothing(
    open_page: Callable[[], FakePage], session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, _ = made_up(tmp_path)
    api.find(record.id)
    hold = threading.Event()
    monkeypatch.setattr(runs_module, "known_runs", lambda *_: hold.wait(20) and [])
    page = open_page()
    page.wait_for(lambda state: [row["id"] for row in state["runs"]["rows"]] == [record.id])
    page.ask("configure", fields={"batch_size": 3})
    hold.set()


def test_the_newest_fifty_are_shown_and_one_that_was_deleted_is_not(
    page: FakePage, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_module, "_SHOWN", 2)
    records = [made_up(tmp_path, f"n{number}", done=True)[0] for number in range(3)]
    runs = [observers.announce(api.find(record.id)) for record in records]
    page.ask("runs")
    assert len(page.seen["runs"]["rows"]) == 2 and page.seen["runs"]["more"] == 1
    history.forget(runs[0].id)
    history.forget(runs[1].id)
    page.ask("runs")
    assert [row["id"] for row in page.seen["runs"]["rows"]] == [runs[2].id] and page.seen["runs"]["more"] == 0


def test_a_history_that_cannot_be_read_is_told(page: FakePage, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ResonError("the history cannot be used", "Is its disk full?")

    monkeypatch.setattr(history, "load", broken)
    page.ask("runs")
    assert page.seen["runs"] == {"rows": [], "more": 0, "error": "the history cannot be used\n  Is its disk full?"}


def test_a_home_that_cannot_be_used_is_told(page: FakePage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "file"))
    page.ask("runs")
    runs = page.seen["runs"]
    assert runs["rows"] == [] and "RESON_HOME" in runs["error"]


def test_runs_are_shown_though_the_environment_does_not_let_anybody_look_at_their_stores(
    page: FakePage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, _ = made_up(tmp_path)
    api.find(record.id)
    monkeypatch.setenv("RESON_S3_KEY", "half-of-a-pair")
    page.ask("runs")
    runs = page.seen["runs"]
    assert [row["id"] for row in runs["rows"]] == [record.id]
    assert "RESON_S3_SECRET" in runs["error"] and "half-of-a-pair" not in runs["error"]


def test_a_run_that_is_submitted_away_from_cells_has_no_view_under_one(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[object] = []
    monkeypatch.setattr(show_module, "display", lambda view, **_: shown.append(view))
    record, _ = made_up(tmp_path, done=True)
    with away_from_cells():
        show_module.show(api.find(record.id))
    assert shown == []


def _levels(state: dict[str, Any], row: int) -> list[str]:
    return [check["level"] for check in state["captures"][row]["checks"]]
