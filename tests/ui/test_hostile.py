"""What strangers call things does nothing in pages: live view, comparison, saved notebook (trusted or not), HTML export."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.hostile import HOSTILE, TEX

from .lab import Lab, Notebook
from .sidebar import RUNS, compare, loaded, sidebar_of

pytestmark = pytest.mark.ui

NAMES = (*HOSTILE[:11], *TEX)  # those that are made for pages
SETUP = f"""%load_ext reson_jupyter
import reson_jupyter as reson
from made_up_run import *
from made_up_comparison import comparison
names = {NAMES!r}
class HostileRun(MadeUpRun):
    def last(self, *args, **parts):
        message = super().last(*args, **parts)
        message["run"].update(name=names[0], reason=' '.join(names), notes=list(names), place=names[1])
        return message"""
RUN = "watched = Watched(HostileRun(4, sites=names, metrics=names[:6]), 0.05, holds=('3',))"
PREVIEW = """from IPython.display import HTML
from reson_jupyter.backend.job import Job
from reson_jupyter.preview import PlannedFile, Preview
from reson_jupyter.preview.since import Since
hostile = ' '.join(names)
files = (PlannedFile(f'scripts/{hostile}', 3, '', 'x=1'),)
since = Since(None, None, hostile)
preview = Preview(Job(hostile, {}), hostile, '', hostile, files, (), (hostile,), (hostile,), (hostile,), since)
html = preview._repr_html_() + comparison(names[-3:], names)._repr_html_() + "<p title='formula'>$x^2$</p>"
"""
CELLS = (
    SETUP,
    RUN,
    "comparison(names[:3], names)",
    "reson.errors.RunFailed(' '.join(names), names[0])",
    "reson.TrainingConfig(note=' '.join(names))",
    f"{PREVIEW}HTML(html)",
)
ENDS_WITHIN_MS = 90_000
TYPESET = "mjx-container, .MathJax"
FORMULA = "[title=formula]"  # one that is meant to be one: it is there as soon as JupyterLab has looked for TeX


class Watch:
    """Keeps what a page asks of other servers, and what it shows by itself."""

    def __init__(self, page: Page, home: str) -> None:
        self.elsewhere: list[str] = []
        self.dialogs: list[str] = []
        page.on("request", lambda request: self._note(request.url, home))
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))

    def _note(self, url: str, home: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob", "file") and parts.netloc != urlsplit(home).netloc:
            self.elsewhere.append(url)

    def nothing_happened(self, page: Page) -> None:
        assert page.evaluate("window.__x === undefined")
        assert (self.elsewhere, self.dialogs) == ([], [])
        assert page.locator(TYPESET).count() == page.locator(f"{FORMULA} :is({TYPESET})").count()


def expect_formula(page: Page) -> None:
    """Waits until JupyterLab has typeset what is meant to be TeX; whatever else it takes for TeX stands before it."""
    expect(page.locator(f"{FORMULA} mjx-container").last).to_be_attached()


@pytest.fixture
def shown(lab: Lab, page: Page, request: pytest.FixtureRequest) -> Iterator[tuple[Notebook, Watch]]:
    watch = Watch(page, lab.url)
    book = lab.open(page, lab.notebook(f"hostile_{request.node.name}", *CELLS))
    for cell in range(len(CELLS)):
        book.start(cell)
    expect(book.view.get_by_text("Round 4 of 4")).to_be_visible()
    expect(page.get_by_role("region", name="Comparison of runs")).to_be_visible()
    expect_formula(page)
    watch.nothing_happened(page)
    assert book.view.locator("img, script, iframe, svg[onload]").count() == 0
    book.say("3")
    expect(page.get_by_alt_text(f"{NAMES[0]} over the rounds")).to_be_visible(timeout=ENDS_WITHIN_MS)
    watch.nothing_happened(page)
    book.command("docmanager:save")
    yield book, watch


def test_names_do_nothing_in_the_view_nor_in_the_notebook_that_is_opened_again(
    shown: tuple[Notebook, Watch], lab: Lab, page: Page
) -> None:
    book, watch = shown
    book.shut_kernel_down()
    page.reload()
    expect_formula(page)
    expect(page.get_by_alt_text(f"{NAMES[0]} over the rounds")).to_be_visible()
    watch.nothing_happened(page)
    # A copy whose outputs this server has not seen is not trusted.
    saved = json.loads(book.path.read_text())
    saved["cells"][0]["source"] = "# from elsewhere"
    del saved["cells"][2]["outputs"][0]["data"]["application/vnd.reson-jupyter.comparison+json"]
    book.path.with_name("untrusted.ipynb").write_text(json.dumps(saved))
    lab.open(page, "untrusted.ipynb")
    expect_formula(page)
    expect(page.get_by_alt_text(f"{NAMES[0]} over the rounds")).to_be_visible()
    watch.nothing_happened(page)


def test_names_do_nothing_in_the_html_that_nbconvert_makes(
    shown: tuple[Notebook, Watch], browser: Browser, tmp_path: Path
) -> None:
    book, _ = shown
    command = [
        sys.executable,
        "-m",
        "nbconvert",
        "--to",
        "html",
        "--template",
        "basic",
        "--output-dir",
        str(tmp_path),
        str(book.path),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    page = browser.new_page()
    watch = Watch(page, "file://")
    page.goto((tmp_path / f"{book.path.stem}.html").as_uri())
    expect(page.get_by_alt_text(f"{NAMES[0]} over the rounds")).to_be_visible()
    watch.nothing_happened(page)
    page.close()


def test_names_are_no_tex_in_a_tab_of_the_sidebar(lab: Lab, page: Page) -> None:
    documents = "reson_jupyter.api.compare = lambda *runs: SimpleNamespace(title='Tab', _repr_html_=lambda: html)\n'set'.upper()"
    book = loaded(lab, page, "hostile_tab", f"{SETUP}\n{RUNS}\n{PREVIEW}{documents}")
    book.start(1)
    expect(page.get_by_text("'SET'", exact=True)).to_be_visible()
    sidebar_of(page).get_by_role("button", name="Look for runs again").click()
    compare(page)
    tab = page.locator(".jp-Reson-document")
    expect(tab.locator("[title=formula] mjx-container")).to_be_attached()
    assert tab.locator(TYPESET).count() == 1
    expect(tab.get_by_text(TEX[0]).first).to_be_attached()
    expect(tab.get_by_text("scripts/ 1 file")).to_be_visible()
