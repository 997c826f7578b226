"""One JupyterLab server of its own for browser tests, and what tests do with a notebook in it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
from playwright.sync_api import Browser, Locator, Page, sync_playwright

HERE = Path(__file__).parent
START_S = 90


@dataclass(frozen=True)
class Lab:
    url: str
    token: str
    root: Path

    def notebook(self, name: str, *cells: str) -> str:
        """Writes a notebook and returns its path on the server."""
        book = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        nbformat.write(book, self.root / f"{name}.ipynb")
        return f"{name}.ipynb"

    def open(self, page: Page, notebook: str, app: str = "lab/tree") -> Notebook:
        # Without `reset` the workspace would bring back the notebooks of other tests.
        page.goto(f"{self.url}/{app}/{notebook}?reset&token={self.token}")
        opened = Notebook(page, self.root / notebook)
        opened.wait_until_idle()
        return opened


@dataclass(frozen=True)
class Notebook:
    page: Page
    path: Path

    def wait_until_idle(self) -> None:
        self.page.wait_for_function(
            """name => {
                const shown = window.jupyterapp?.shell.currentWidget;
                return shown?.context?.path === name && shown.sessionContext?.session?.kernel?.status === 'idle';
            }""",
            arg=self.path.name,
            timeout=START_S * 1000,
        )

    def start(self, index: int) -> None:
        """Runs a cell without waiting for its end."""
        self.page.evaluate(
            """index => {
                const app = window.jupyterapp;
                app.shell.currentWidget.content.activeCellIndex = index;
                void app.commands.execute('notebook:run-cell');
            }""",
            index,
        )

    def command(self, name: str) -> None:
        """Executes a command of JupyterLab and waits for its end."""
        self.page.evaluate("name => window.jupyterapp.commands.execute(name).then(() => null)", name)

    def say(self, word: str) -> None:
        """Lets go what waits in the notebook's kernel for this word, see `made_up_run`."""
        self.path.with_suffix(f".{word}").touch()

    def is_running(self, index: int) -> bool:
        """Whether a cell still runs. The kernel's status does not tell: it follows the comm messages, too."""
        prompt = "index => window.jupyterapp.shell.currentWidget.content.widgets[index].inputArea.promptNode.textContent"
        return "*" in str(self.page.evaluate(prompt, index))

    def shut_kernel_down(self) -> None:
        self.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown().then(() => null)")

    @property
    def view(self) -> Locator:
        return self.page.get_by_role("region", name="Training run")

    def chart(self, name: str) -> Locator:
        return self.page.locator("figure", has_text=name).get_by_role("img")


@contextmanager
def running_lab(root: Path) -> Iterator[Lab]:
    """Starts JupyterLab on a free port of this machine, with settings and runtime files below `root`."""
    home = root / "jupyter"
    _write_settings(home / "settings")
    work = root / "notebooks"
    work.mkdir(parents=True)
    token, port = secrets.token_hex(16), _free_port()
    environment = {
        **os.environ,
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
        "RESON_HOME": str(root / "reson"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")])),
    }
    arguments = [
        *(
            "--no-browser",
            "--allow-root",
            "--LabApp.expose_app_in_browser=True",
            "--JupyterNotebookApp.expose_app_in_browser=True",
        ),
        *(
            f"--notebook-dir={work}",
            f"--ServerApp.port={port}",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={token}",
        ),
    ]
    with (root / "lab.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *arguments], env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            lab = Lab(f"http://127.0.0.1:{port}", token, work)
            _wait_for(lab, server, root / "lab.log")
            yield lab
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


@contextmanager
def running_browser() -> Iterator[Browser]:
    chromium = (
        os.environ.get("RESON_TEST_CHROMIUM")
        or subprocess.run(
            [HERE / "ensure_chromium.sh"],
            env={**os.environ, "PYTHON": sys.executable},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout.strip()
    )
    # Chromium's own sandbox needs rights that containers and root do not have; only this repository's pages are opened.
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


def use_theme(lab_root: Path, name: str) -> None:
    """Sets the theme for pages opened from now on: `JupyterLab Light` or `JupyterLab Dark`."""
    _write(lab_root / "jupyter" / "settings", "apputils-extension/themes", {"theme": name})


def _write_settings(folder: Path) -> None:
    # A pop-up about news or updates would stand in every picture.
    _write(folder, "apputils-extension/notification", {"fetchNews": "false", "checkForUpdates": False})


def _write(folder: Path, plugin: str, settings: dict[str, object]) -> None:
    file = folder / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(settings))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(lab: Lab, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{lab.url}/api?token={lab.token}", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")
