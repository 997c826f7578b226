"""What the browser tests of the sidebar share: opening it, finding what is in it, and runs for it to show."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from .lab import Lab, Notebook

SETUP = "import os; os.environ['RESON_HOME'] = 'sidebar-tests'\n%load_ext reson_jupyter\nimport reson_jupyter as reson"
NOT_LOADED = "The extension is not loaded in this kernel."
# Runs that nobody carries, and letters of one that is made up.
RUNS = '''import threading, time
from types import SimpleNamespace
import reson_jupyter.api
from made_up_run import MadeUpRun, is_said
from reson_jupyter.backend.history.history import RunSummary
from reson_jupyter.events import RunState
from reson_jupyter.notebook.live.run_letters import RunLetters
from reson_jupyter.notebook.sidebar import runs
runs.known_runs = lambda *_, **__: [
    RunSummary(f"digits-{n}", f"digits {n}", "local", "file:///nowhere", time.time() - n, RunState.RUNNING,
               reason="", rounds_done=1, num_rounds=8)
    for n in (1, 2)
]
runs.history.load = runs.known_runs

def serve(comm, message):
    run = MadeUpRun(8)
    letters = RunLetters(run.first(), comm.send)
    comm.on_msg(lambda message: letters.ask(message["content"]["data"]))
    comm.send(letters.letter())
    def follow():
        letters.push(run.starting())
        for message in run.rounds_of_messages():
            while message["run"].get("round") == 3 and not is_said("go"):
                time.sleep(0.05)
            letters.push(message)
    threading.Thread(target=follow, daemon=True).start()

get_ipython().kernel.comm_manager.register_target("reson.run", serve)
html = """<details open style="color: var(--jp-error-color1)"><summary>The comparison</summary>
<img src="x" onerror="window.__x=1"><script>window.__x=2</script><a href="javascript:window.__x=3">here</a></details>"""
reson_jupyter.api.compare = lambda *runs: SimpleNamespace(title=f"Comparison of {len(runs)}", _repr_html_=lambda: html)
from reson_jupyter.notebook.sidebar import commands
commands.comparison_bundle = lambda _: {commands.COMPARISON: None}'''


def open_sidebar(page: Page) -> Locator:
    page.evaluate("window.jupyterapp.commands.execute('reson:open-sidebar').then(() => null)")
    return sidebar_of(page)


def sidebar_of(page: Page) -> Locator:
    return page.get_by_role("region", name="Reson", exact=True)


def field(page: Page, name: str) -> Locator:
    return sidebar_of(page).get_by_label(name, exact=True)


def loaded(lab: Lab, page: Page, name: str, *cells: str) -> Notebook:
    """A notebook whose first cell has loaded the extension, with the sidebar beside it."""
    book = lab.open(page, lab.notebook(name, SETUP, *cells))
    open_sidebar(page)
    book.start(0)
    expect(field(page, "batch_size")).to_have_value("32")
    return book


def with_a_pinned_run(page: Page) -> Locator:
    """The sidebar, where the first of `RUNS` is pinned."""
    sidebar = sidebar_of(page)
    sidebar.get_by_role("button", name="Look for runs again").click()
    sidebar.get_by_role("button", name="digits 1", exact=True).click()
    return sidebar


def compare(page: Page) -> None:
    for name in ("digits 1", "digits 2"):
        sidebar_of(page).get_by_role("checkbox", name=f"Compare {name}").check()
    sidebar_of(page).get_by_role("button", name="Compare 2 runs").click()


def show(page: Page, name: str) -> None:
    page.evaluate("path => window.jupyterapp.commands.execute('docmanager:open', {path}).then(() => null)", name)
