"""A secret of the server's environment reaches no page, no notebook that it saves, and no log."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, WebSocket, expect

from tests.notebook.canary import CELLS, ENVIRONMENT, SECRET

from .lab import running_lab

pytestmark = pytest.mark.ui


def test_a_secret_reaches_no_page_no_saved_notebook_and_no_log(
    tmp_path: Path, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**ENVIRONMENT, "RESON_HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(name, value)
    frames: list[str] = []

    def listen(socket: WebSocket) -> None:
        socket.on(
            "framereceived", lambda frame: frames.append(frame if isinstance(frame, str) else frame.decode(errors="replace"))
        )

    page.on("websocket", listen)
    with running_lab(tmp_path / "lab") as lab:
        book = lab.open(page, lab.notebook("canary", *CELLS))
        page.get_by_role("tab", name="Reson").click()
        for cell in range(len(CELLS)):
            book.start(cell)
            # One after the other: an error takes back what waits behind it.
            while book.is_running(cell):
                page.wait_for_timeout(100)
        expect(page.get_by_text("This machine knows no runs").first).to_be_visible()
        expect(page.get_by_role("region", name="Reson").get_by_text(re.compile("captured|Captured|Net")).first).to_be_visible()
        book.command("docmanager:save")
        assert any("reson.state" in frame or '"forms"' in frame for frame in frames)
        assert SECRET not in page.content()
        assert [frame for frame in frames if SECRET in frame] == []
    written = [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert written == []
