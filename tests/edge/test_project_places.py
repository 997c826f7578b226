"""A project's files are called as people have them, with the name of their folder, wherever a run speaks of a line."""

from __future__ import annotations

from pathlib import Path

import pytest

import reson_jupyter as reson
from reson_jupyter.edge.project import read_project
from reson_jupyter.errors import RehearsalFailed
from reson_jupyter.notebook.rehearsal_card import RehearsalCard
from reson_jupyter.session import current_session
from tests.previews import kernel as kernel
from tests.previews import submitted

from .prepared_jobs import folder, loaded, prepared

pytestmark = pytest.mark.usefixtures("kernel")


@pytest.mark.parametrize("local", [False, True])
def test_every_line_of_code_has_the_folders_name(tmp_path: Path, local: bool) -> None:
    project = read_project(folder(tmp_path), local_package=local)
    current_session().set_project(project)
    job = prepared().job
    lines = {name: source for name, source in job.sources.items() if name.startswith("project/")}
    assert set(lines) == {f"project/{path}" for path in project.files() if path.endswith(".py")}
    count = (project.folder / "startup.py").read_text().count("\n")
    assert lines["project/startup.py"].place(count) == (f"{project.folder.name}/startup.py", count)


def test_a_run_of_a_project_that_lies_at_the_sites_still_shows_what_it_shipped(tmp_path: Path) -> None:
    current_session().set_project(read_project(folder(tmp_path), local_package=True))
    run = submitted(model=None, name="local")
    assert [name for name in run.origin.sources if name.startswith("project/")] == []
    assert "project/startup.py" in run.origin.job.sources, "a rerun calls its files so, too"


def test_the_card_of_a_failed_rehearsal_shows_the_lines_around_the_failure(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "startup.py": "# before\ndef startup(client):\n    1 / 0\n",
        "odd.py": "# -*- coding: latin-1 -*-\n# \xe9\n".encode("latin-1"),
    }
    loaded(tmp_path, **files)
    with pytest.raises(RehearsalFailed) as caught:
        reson.check(name="failing")
    assert isinstance(caught.value.rehearsal, reson.Rehearsal)
    shown = repr(RehearsalCard(caught.value.rehearsal))
    assert "ZeroDivisionError at client/startup.py, line 3 (startup)" in shown
    assert "1 | # before" in shown and "> 3 |     1 / 0" in shown
