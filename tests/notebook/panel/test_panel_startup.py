"""The panel where callbacks of Scaleout Edge train."""

from __future__ import annotations

from pathlib import Path

from IPython.core.interactiveshell import InteractiveShell

import reson_jupyter as reson
from reson_jupyter.edge.project import Project
from reson_jupyter.session import Session
from tests.notebook.typed import run

from .page import Page


def test_a_startup_is_shown_and_can_be_forgotten(shell: InteractiveShell) -> None:
    page = Page(reson.session())
    run(shell, "%%reson_startup\ndef startup(client):\n    client.set_train_callback(print)\n")
    assert "startup from In[" in page.says() and "has no seed model" in page.says()
    page.clicks("Forget")
    assert not reson.session().has_startup and "startup from In[" not in page.says()


def test_a_project_is_shown_with_what_it_says_and_can_be_forgotten(session: Session, page: Page, tmp_path: Path) -> None:
    session.set_project(Project(tmp_path, "importer", "startup.py", "build.py"))
    said = page.says()
    assert "Nothing is captured yet" not in said
    assert f"project {tmp_path.name}" in said and "trains: startup(client) of startup.py" in said and "seed: build.py" in said
    page.clicks("Forget")
    assert session.project is None and "Nothing is captured yet" in page.says()
