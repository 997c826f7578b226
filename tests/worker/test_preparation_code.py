"""What a site says before the first round of code that it cannot import."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.worker.preparation import ResonPreparation

from .loopback import Server


@pytest.fixture
def problems(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """What is wrong with a site whose code is this."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(server.agent, "adapter_module", "broken_def")
    server.agent.data_root = "/dev/null/nowhere"

    def problems(code: str) -> list[str]:
        (tmp_path / "broken_def.py").write_text(code)
        server.execute(ResonPreparation([], own_training=True), {}, task="reson_prepare")
        server.messenger.flush()
        [event] = server.of("prepared")
        told: list[str] = event["data"]["problems"]
        return told

    return problems


def test_code_that_cannot_be_imported_is_told_with_its_traceback(problems: Any, server: Server) -> None:
    said = "broken_def.py cannot be imported: ModuleNotFoundError: No module named 'nonesuch'"
    assert problems("import nonesuch") == [said]
    assert 'broken_def.py", line 1' in server.of("error")[0]["data"]["traceback"]


def test_a_project_that_the_site_does_not_have_is_told_in_its_own_words(problems: Any, server: Server) -> None:
    code = "from reson_jupyter.edge.travel.local_package import BadProject\nraise BadProject('train.py differs')\n"
    assert problems(code) == ["train.py differs"]
    [error] = server.of("error")
    assert error["data"] == {"message": "site-1 cannot train: train.py differs", "traceback": ""}
