"""The panel of ipywidgets, with the test as its page."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbclient import NotebookClient

import reson_jupyter as reson
from reson_jupyter.api import find
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.backend.rehearsal import Rehearsal
from reson_jupyter.forms import forms_of
from reson_jupyter.notebook.panel.panel import Panel
from reson_jupyter.notebook.sidebar.activity import Activity
from reson_jupyter.session import Session
from tests.notebook import test_command
from tests.notebook.fake_comm import FakeComm, fake_comms
from tests.notebook.test_command import MODEL, run
from tests.notebook.test_rehearsal_card import FAILURE, rehearsal

shell = test_command.shell
finished = test_command.finished

HOSTILE = "</span><img src=x onerror=window.__x=1><script>window.__x=1</script>\u2028\x1b[31m"
SECRETS = {"RESON_S3_SECRET": "canary-1", "RESON_S3_KEY": "canary-2", "RESON_API_KEY": "canary-3", "RESON_PASSWORD": "canary-4"}


class Page:
    """What a page shows of a panel, and what its user does there."""

    def __init__(self, session: Session, activity: Activity | None = None) -> None:
        self.activity = activity or Activity()
        self.panel = Panel(session, self.activity, Panel.close)
        self.activity.observe(self.panel.refresh)

    def widgets(self) -> Iterator[Any]:
        waiting: list[Any] = [self.panel.widget]
        while waiting:
            yield (widget := waiting.pop(0))
            waiting[:0] = getattr(widget, "children", ())

    def input(self, name: str) -> Any:
        return next(widget for widget in self.widgets() if getattr(widget, "description", None) == name)

    def value(self, name: str) -> Any:
        return self.input(name).value

    def has(self, name: str) -> bool:
        return any(getattr(widget, "description", None) == name for widget in self.widgets())

    def says(self) -> str:
        return "\n".join(widget.value for widget in self.widgets() if isinstance(widget, widgets.HTML))

    def types(self, name: str, value: Any) -> None:
        """Enters a value, as a message of the page."""
        entry = self.input(name)
        # A page tells which of the choices it is, not what the choice means.
        state = {"index": entry.options.index(value)} if isinstance(entry, widgets.Dropdown) else {"value": value}
        comm = entry.comm
        assert isinstance(comm, FakeComm)
        comm.page_updates(state)

    def clicks(self, name: str, at: int = 0) -> None:
        found = [widget for widget in self.widgets() if isinstance(widget, widgets.Button) and widget.description == name]
        comm = found[at].comm
        assert isinstance(comm, FakeComm)
        comm.page_says({"event": "click"})

    def adds(self, name: str, value: str, at: int = 0) -> None:
        """Fills the row that adds one, and adds it."""
        for placeholder, entered in (("name", name), ("value, as JSON", value)):
            found = [widget for widget in self.widgets() if getattr(widget, "placeholder", None) == placeholder]
            found[at].comm.page_updates({"value": entered})
        self.clicks("Add", at)

    @property
    def outputs(self) -> tuple[dict[str, Any], ...]:
        return next(widget.outputs for widget in self.widgets() if isinstance(widget, widgets.Output))


@pytest.fixture(autouse=True)
def comms(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("STORE", "TARGET", "S3_BUCKET", "BASE_URL", *(secret.removeprefix("RESON_") for secret in SECRETS)):
        monkeypatch.delenv(f"RESON_{name}", raising=False)
    with fake_comms():
        yield


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def page(session: Session) -> Page:
    return Page(session)


def states() -> str:
    """All that the pages, and a notebook that keeps the widgets' state, know of all widgets."""
    return json.dumps(widgets.Widget.get_manager_state())


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
        ("store", "s3://key:canary@bucket", "password in a URL"),
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
    assert (page.value("optimizer"), page.value("width")) == ('"adam"', "[1, 2]")
    page.types("dropout", '{"rate": 0.2}')
    page.types("width", "64")
    assert session.training.extra["dropout"] == {"rate": 0.2} and session.model_config.model_args["width"] == 64
    page.clicks("Remove", 0)
    page.clicks("Remove", 1)
    assert session.training.extra == {"optimizer": "adam"} and session.model_config.model_args == {"depth": 3}
    assert not page.has("dropout") and not page.has("width")


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
    assert "There is no model" in page.says()
    session.configure(model_class="package.Net")
    assert not page.input("Check").disabled and not page.input("Preview").disabled and page.input("Submit").disabled
    assert "The run has no name." in page.says() and "No shards are named" in page.says()
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
    assert all(page.input(name).disabled for name in ("Check", "Preview", "Submit"))
    page.clicks("Check")  # of a page that has not heard of it yet
    assert "A check goes on" in page.says()
    go_on.set()
    (output,) = over(page)
    assert output["text"] == "it is over\n  Try again.\n" and "rehearsing" not in page.says()


def test_names_of_strangers_are_text(shell: InteractiveShell, session: Session, page: Page) -> None:
    session.configure(note=HOSTILE, name=HOSTILE[:100])
    session.configure(shards_dir=HOSTILE)
    assert "<img" not in page.says() and "<script" not in page.says()
    assert "&lt;img src=x onerror=window.__x=1&gt;" in page.says()


@settings(max_examples=10, deadline=None)
@given(st.dictionaries(st.sampled_from(["batch_size", "learning_rate", "name", "store"]), st.text()))
def test_whatever_is_typed_a_panel_and_its_session_agree(typed: dict[str, str]) -> None:
    session = Session()
    with fake_comms():
        page = Page(session)
        for name, text in typed.items():
            page.types(name, text)
        values = {name: value for form in forms_of(session) for name, value in form.values.items()}
        for name in ("batch_size", "learning_rate"):
            assert json.loads(page.value(name)) == values[name]
        assert (page.value("name"), page.value("store")) == (values["name"], values["store"])
        page.panel.close()


def test_no_secret_is_in_the_state_of_any_widget(monkeypatch: pytest.MonkeyPatch, session: Session) -> None:
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    monkeypatch.setenv("RESON_S3_BUCKET", "jobs")
    monkeypatch.setenv("RESON_STORE", "s3://canary-user:canary-password@bucket/jobs")
    page = Page(session)
    for target in ("flare", "reson", "local"):
        page.types("target", target)
        assert "canary" not in states()
    assert "s3_secret_access_key: set by RESON_S3_SECRET" in page.says() and page.value("store") == "s3://...@bucket/jobs"
    assert not any(isinstance(widget, widgets.Password) for widget in page.widgets())


def test_an_environment_that_cannot_be_used_is_told_and_is_in_the_way(monkeypatch: pytest.MonkeyPatch, session: Session) -> None:
    monkeypatch.setenv("RESON_BASE_URL", "http://example.org")
    page = Page(session)
    assert "use https" in page.says() and page.input("Submit").disabled


def test_the_widget_states_that_nbclient_saves_hold_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    monkeypatch.setenv("RESON_S3_BUCKET", "jobs")
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    cells = ["%load_ext reson_jupyter", "%reson panel", "import reson_jupyter as reson\nreson.panel()"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(book, timeout=60, store_widget_state=True, resources={"metadata": {"path": str(tmp_path)}}).execute()
    saved = nbformat.writes(book)
    assert "RESON_S3_SECRET" in saved and "batch_size" in saved and "canary" not in saved
    assert [len(cell["outputs"]) for cell in book.cells] == [0, 1, 1]
    assert "Reson: forms" in book.cells[1]["outputs"][0]["data"]["text/plain"]


def test_a_cell_that_shows_a_panel_again_closes_its_earlier_one(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reson_jupyter.notebook.panel.shown._cell", lambda: "a-cell")
    with capture_output():
        before = len(reson.session()._observers)
        run(shell, "%reson panel")
        run(shell, "%reson panel")
        assert len(reson.session()._observers) == before + 1
        monkeypatch.setattr("reson_jupyter.notebook.panel.shown._cell", lambda: "another-cell")
        run(shell, "%reson panel")
        assert len(reson.session()._observers) == before + 2


def test_the_package_imports_neither_widgets_nor_ipython() -> None:
    script = "import sys, reson_jupyter; print([name for name in ('IPython', 'ipywidgets') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
