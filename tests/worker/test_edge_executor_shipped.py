"""The executor of Scaleout's callbacks as it travels: joined below the executor that it extends."""

from __future__ import annotations

import ast
import threading
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.worker import CLIENT, source
from reson_jupyter.worker import agent as agent_module

from .loopback import Server
from .test_adapter_loading import top_level


def test_where_a_site_is_is_told_by_the_users_line_and_not_by_the_client_it_calls(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_module, "_reson_OWN_FILE", str(tmp_path / "custom_client_executor.py"))
    inner: dict[str, Any] = {"entered": threading.Event(), "leave": threading.Event()}
    ours = "def check_task_abort():\n    entered.set()\n    leave.wait(8)"
    exec(compile(ours, str(tmp_path / "reson_edge" / "client.py"), "exec"), inner)
    outer = {"check_task_abort": inner["check_task_abort"]}
    exec(compile("\ndef train():\n    check_task_abort()", str(tmp_path / "project" / "startup.py"), "exec"), outer)
    thread = threading.Thread(target=outer["train"])
    thread.start()
    assert inner["entered"].wait(8)
    place = server.agent._place(thread.ident)
    inner["leave"].set()
    thread.join()
    assert place == ("project/startup.py", 3, "train")


def test_it_is_joined_below_the_executor_and_disturbs_neither_that_nor_what_follows() -> None:
    text = source("edge_executor")
    assert "from ." not in text
    own = top_level(tree := ast.parse(text))
    assert {name for name in own if not name.startswith("_reson_")} == {"EdgeExecutor"}
    imported = {alias.asname for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names}
    assert all(name and name.startswith("_reson_") for name in imported)
    joined = "\n".join(map(source, ("executor", "edge_executor", *CLIENT)))
    namespace: dict[str, Any] = {"__name__": "custom_client_executor"}
    exec(compile(joined, "custom_client_executor.py", "exec"), namespace)
    assert issubclass(namespace["EdgeExecutor"], namespace["GenericClientExecutor"])
    assert namespace["EdgeExecutor"].says_phases is True
