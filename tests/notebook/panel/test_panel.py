"""The panel of ipywidgets, with the test as its page."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import pytest
from IPython.core.interactiveshell import InteractiveShell

import reson_jupyter as reson
from reson_jupyter.api import find
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.backend.rehearsal import Rehearsal
from reson_jupyter.forms import forms_of
from reson_jupyter.session import Session
from tests.notebook.test_rehearsal_card import FAILURE, rehearsal
from tests.notebook.typed import MODEL, run

from .page import Page, states


def test_the_panel_has_every_field_of_every_form_with_its_value_and_what_it_is_for(session: Session, page: Page) -> None:
    for form in forms_of(session):
        for name, schema in form.schema["properties"].items():
            assert page.has(name), name
            assert schema["description"].split(" ")[0] in page.says()
    assert (page.value("batch_size"), page.value("learning_rate"), page.value("augment")) == ("32", "0.001", False)
    assert (page.value("target"), page.input("target").options) == ("local", ("local", "flare", "reson"))
    assert (page.value("min_clients"), page.input("min_clients").placeholder) == ("", "every site")
    assert "at least 1, at most 65,536" in page.says()


@pytest.mark.parametrize(
    ("name", "typed", "is_now", "shown"),
    [
        ("batch_size", "64", 64, "64"),
        ("batch_size", " 16 ", 16, "16"),
        ("learning_rate", "1e-4", 0.0001, "0.0001"),
        ("image_hosts", "a.example.org, b.example.org", ("a.example.org", "b.example.org"), "a.example.org, b.example.org"),
        ("manifest_file", "list.ndjson", "list.ndjson", "list.ndjson"),
        ("augment", True, True, True),
        ("num_rounds", "7", 7, "7"),
        ("min_clients", "2", 2, "2"),
        ("model_class", "Net", "Net", "Net"),
        ("shards_dir", "my shards", "my shards", "my shards"),
        ("name", "digits", "digits", "digits"),
        ("stale_captures", "refuse", "refuse", "refuse"),
        ("s3_bucket", "jobs", "jobs", "jobs"),
    ],
)
def test_an_edit_is_made_in_the_session(session: Session, page: Page, name: str, typed: Any, is_now: Any, shown: Any) -> None:
    page.types(name, typed)
    parts = (session.training, session.federation, session.model_config, session.submission, session.connection)
    assert next(getattr(part, name) for part in parts if name in type(part).model_fields) == is_now
    assert page.value(name) == shown and "alert" not in page.says()


def test_a_field_that_is_emptied_is_put_back(session: Session, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESON_STORE", "s3://from-the-environment")
    session.configure(batch_size=8, min_clients=2, store="s3://mine")
    for name in ("batch_size", "min_clients", "store"):
        page.types(name, "")
    assert (page.value("batch_size"), page.value("min_clients"), page.value("store")) == ("32", "", "s3://from-the-environment")
    assert "min_clients" not in session.federation.model_fields_set


@pytest.mark.parametrize(
    ("name", "typed", "why"),
    [
        ("batch_size", "0", "greater than or equal to 1"),
        ("batch_size", "1.5", "valid integer"),
        ("batch_size", "many", "valid integer"),
        ("learning_rate", "NaN", "finite number"),
        ("learning_rate", "[1]", "valid number"),
        ("manifest_file", "../secret", "plain file name"),
        ("image_hosts", "https://example.org", "no host name"),
        ("model_class", "Net()", "class name such as Net"),
        ("store", "s3://key:a/canary@bucket", "RESON_S3_SECRET"),
        ("wait_time_after_min_received", "700", "must be below heart_beat_timeout"),
    ],
)
def test_a_refused_edit_is_told_and_the_old_value_is_back(page: Page, name: str, typed: str, why: str) -> None:
    before = page.value(name)
    for _ in range(2):  # the same mistake once more is a mistake once more
        page.types(name, typed)
        assert page.value(name) == before and why in page.says() and page.says().count('role="alert"') == 1
        comm: Any = page.input(name).comm
        assert [sent["state"]["value"] for sent in comm.messages if "value" in sent.get("state", {})][-1] == before
    assert "canary" not in states()
    page.types("num_rounds", "9")
    assert "alert" not in page.says()


def test_what_others_change_appears_at_once_in_every_panel_and_is_not_sent_back(session: Session) -> None:
    pages = [Page(session), Page(session)]
    heard: list[int] = []
    session.observe(lambda session: heard.append(session.training.batch_size))
    session.configure(batch_size=4, dropout=0.5, model_args={"width": 8})
    assert heard == [4]
    pages[0].types("batch_size", "5")
    assert heard == [4, 5]
    for page in pages:
        assert (page.value("batch_size"), page.value("dropout"), page.value("width")) == ("5", "0.5", "8")


def test_a_panel_that_is_closed_follows_nothing_and_leaves_no_widget(session: Session) -> None:
    known = set(widgets.Widget.get_manager_state()["state"])
    page = Page(session)
    page.types("target", "reson")
    session.configure(dropout=1)
    observers = len(session._observers)
    page.clicks("Close")
    assert len(session._observers) == observers - 1
    assert set(widgets.Widget.get_manager_state()["state"]) == known
    session.configure(batch_size=3)


def test_the_target_says_which_fields_there_are(session: Session, page: Page) -> None:
    assert not page.has("startup_kit") and not page.has("gpu_models")
    page.types("target", "flare")
    assert page.has("startup_kit")
    page.types("target", "reson")
    assert page.has("gpu_models") and not page.has("startup_kit")
    page.types("gpu_models", "a100, h100")
    assert session.connection.gpu_models == ("a100", "h100")


def test_rows_are_added_changed_and_removed(session: Session, page: Page) -> None:
    page.adds("dropout", "0.1")
    page.adds("optimizer", "adam")
    page.adds("width", "[1, 2]", at=1)
    page.adds("depth", "3", at=1)
    assert session.training.extra == {"dropout": 0.1, "optimizer": "adam"}
    assert session.model_config.model_args == {"width": [1, 2], "depth": 3}
    assert (page.value("optimizer"), page.value("width")) == ("adam", "[1, 2]")
    page.types("dropout", '{"rate": 0.2}')
    page.types("width", "64")
    assert session.training.extra["dropout"] == {"rate": 0.2} and session.model_config.model_args["width"] == 64
    page.clicks("Remove", 0)
    page.clicks("Remove", 1)
    assert session.training.extra == {"optimizer": "adam"} and session.model_config.model_args == {"depth": 3}
    assert not page.has("dropout") and not page.has("width")


def test_an_edit_of_one_row_leaves_the_others_and_null_is_a_value(session: Session, page: Page) -> None:
    session.configure(model_args={"width": 64, "rate": 1.0, "none": None})
    page.types("width", "32")
    page.types("rate", "null")
    assert repr(session.model_config.model_args) == "{'width': 32, 'rate': None, 'none': None}"
    assert (page.value("none"), page.value("rate")) == ("null", "null")


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("batchsize", "1", "did you mean &#x27;batch_size&#x27;"),
        ("site_name", "1", "taken by the run itself"),
        ("two words", "1", "not a name"),
        ("self", "", "the value is missing"),
        ("password", "canary", "is a secret"),
        ("token", "rsk_live_0123456789abcdef0123456789abcdef", "platform key"),
    ],
)
def test_a_row_that_is_refused_says_why_and_keeps_its_name_only(page: Page, name: str, value: str, why: str) -> None:
    page.adds(name, value)
    assert why in page.says() and not page.has(name)
    assert "canary" not in states() and "rsk_live" not in states()
    assert next(widget.value for widget in page.widgets() if getattr(widget, "placeholder", "") == "name") == name


def test_captures_and_what_could_not_be_captured_are_shown_and_can_be_forgotten(shell: InteractiveShell, page: Page) -> None:
    page = Page(reson.session())
    assert "Nothing is captured yet" in page.says()
    run(shell, MODEL)
    assert "model Net from In[" in page.says()
    run(shell, "%%reson_train\ndef train():\n    pass\n")
    page.clicks("Forget")
    assert not reson.session().captures and "model Net from In[" not in page.says()


def test_what_stands_in_the_way_is_said_beside_the_disabled_button(session: Session, page: Page, tmp_path: Path) -> None:
    assert all(page.input(name).disabled for name in ("Check", "Preview", "Submit"))
    assert page.says().count("There is no model") == 1 and ": There is no model" not in page.says()
    session.configure(model_class="package.Net")
    assert not page.input("Check").disabled and not page.input("Preview").disabled and page.input("Submit").disabled
    assert "Submit: The run has no name." in page.says() and "Submit: No shards are named" in page.says()
    session.configure(name="digits", shards_dir=str(tmp_path / "shards"))
    assert "There is no folder" in page.says() and page.input("Check").disabled
    (tmp_path / "shards").mkdir()
    page.panel.refresh()  # as after every cell
    assert not page.input("Submit").disabled


def over(page: Page) -> tuple[dict[str, Any], ...]:
    """Waits until what a button began is over; returns what stands in the output area then."""
    ended = threading.Event()
    stop = page.activity.observe(lambda: None if page.activity.now else ended.set())
    if page.activity.now is None:
        ended.set()
    assert ended.wait(30)
    stop()
    return page.outputs


def test_a_check_shows_what_came_of_it(session: Session, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    session.configure(model_class="package.Net")
    monkeypatch.setattr("reson_jupyter.api.check", rehearsal)
    page.clicks("Check")
    (output,) = over(page)
    assert "rehearsal passed" in output["data"]["text/plain"] and "<table" in output["data"]["text/html"]
    assert not page.input("Check").disabled

    def fail() -> Rehearsal:
        raise reson.RehearsalFailed("it failed", "Correct the cell.", rehearsal(failure=FAILURE))

    monkeypatch.setattr("reson_jupyter.api.check", fail)
    page.clicks("Check")
    error, card = over(page)
    assert error == {"output_type": "stream", "name": "stderr", "text": "it failed\n  Correct the cell.\n"}
    assert "weigth" in card["data"]["text/html"]


def test_a_submitted_run_is_followed_in_the_panel(
    session: Session, page: Page, finished: RunRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    session.configure(model_class="package.Net", name="digits", shards_dir=str(tmp_path))
    monkeypatch.setattr("reson_jupyter.api.submit", lambda: find(finished.id))
    page.clicks("Submit")
    (output,) = over(page)
    assert output["data"]["text/plain"].startswith("Reson") and finished.id in output["data"]["text/html"]
    assert "application/vnd.jupyter.widget-view+json" not in output["data"]


def test_a_bug_keeps_its_traceback(session: Session, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reson_jupyter.api.preview", lambda: 1 / 0)
    session.configure(model_class="package.Net")
    page.clicks("Preview")
    (output,) = over(page)
    assert (output["output_type"], output["ename"]) == ("error", "ZeroDivisionError")
    assert "1 / 0" in "".join(output["traceback"])


def test_one_thing_goes_on_at_a_time_and_is_said(session: Session, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, steps = threading.Event(), threading.Event()

    def check() -> Rehearsal:
        page.activity.step("train")
        steps.set()
        go_on.wait(30)
        raise reson.ResonError("it is over", "Try again.")

    monkeypatch.setattr("reson_jupyter.api.check", check)
    session.configure(model_class="package.Net")
    page.clicks("Check")
    assert steps.wait(30)
    assert "check: rehearsing: train" in page.says()
    # One that is disabled loses the focus; they only look like it.
    assert not page.input("Check").disabled and is_busy(page)
    page.clicks("Check")
    assert "A check goes on" in page.says()
    go_on.set()
    (output,) = over(page)
    assert output["text"] == "it is over\n  Try again.\n" and "rehearsing" not in page.says() and not is_busy(page)


def is_busy(page: Page) -> bool:
    (row,) = (widget for widget in page.widgets() if page.input("Check") in getattr(widget, "children", ()))
    assert [button.description for button in row.children] == ["Check", "Preview", "Submit"]
    return "jp-Reson-widgets-busy" in row._dom_classes


def test_what_goes_on_is_stopped_and_what_comes_of_it_later_is_not_shown(
    session: Session, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def check() -> Rehearsal:
        begun.set()
        assert go_on.wait(30)
        return rehearsal()

    monkeypatch.setattr("reson_jupyter.api.check", check)
    session.configure(model_class="package.Net")
    assert page.input("Stop").layout.display == "none"
    page.clicks("Check")
    assert begun.wait(30) and page.input("Stop").layout.display is None
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "reson check"]
    page.clicks("Stop")
    stopped = ({"output_type": "stream", "name": "stderr", "text": "The check was stopped.\n"},)
    assert over(page) == stopped and not page.input("Check").disabled
    go_on.set()
    thread.join(30)
    assert page.outputs == stopped and not thread.is_alive()
