"""Names of strangers, secrets, whatever is typed, and panels that end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import ipywidgets as widgets
import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbclient import NotebookClient

import reson_jupyter as reson
from reson_jupyter.forms import forms_of
from reson_jupyter.session import Session
from tests.notebook.fake_comm import fake_comms
from tests.notebook.typed import run

from .page import SECRETS, Page, states

HOSTILE = "</span><img src=x onerror=window.__x=1><script>window.__x=1</script>\u2028\x1b[31m"


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
    page = Page(session)
    for target in ("flare", "reson", "local"):
        page.types("target", target)
        assert "canary" not in states()
    assert "s3_secret_access_key: set by RESON_S3_SECRET" in page.says()
    monkeypatch.setenv("RESON_STORE", "s3://canary-user:a/canary-password@bucket/jobs")
    for target in ("flare", "reson", "local"):
        page.types("target", target)
        assert "canary" not in states()
    assert "RESON_S3_SECRET" in page.says()
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
