"""The files of a site as they travel: where the agent says that the code stands, and that no name gets in another's way."""

from __future__ import annotations

import importlib.util
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from reson_jupyter.worker import CLIENT, CLIENT_FEDERATED, source
from tests.patience import wait_for


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes and imports the two files of a site; returns the executor's module."""

    def ship(model: str, executor: str) -> ModuleType:
        folder = tmp_path / "custom"
        folder.mkdir()
        (folder / "model_def.py").write_text(model)
        path = folder / "custom_client_executor.py"
        path.write_text("\n".join([executor, *map(source, CLIENT + CLIENT_FEDERATED)]))
        loaded = {}
        for name in ("model_def", "custom_client_executor"):
            spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
            assert spec and spec.loader
            loaded[name] = importlib.util.module_from_spec(spec)
            monkeypatch.setitem(sys.modules, name, loaded[name])
            spec.loader.exec_module(loaded[name])
        return loaded["custom_client_executor"]

    return ship


WAITING = "import threading\nstop = threading.Event()\n\ndef fl_train():\n    helper()\n\ndef helper():\n    stop.wait(10)\n"
OURS_ONLY = (
    "import threading\nstop = threading.Event()\n\ndef _rt_pass():\n    stop.wait(10)\n\ndef rt_train_model():\n    _rt_pass()\n"
)


@pytest.mark.parametrize(
    ("model", "function", "place"),
    [
        (WAITING, "fl_train", ("model_def.py", 8, "helper")),
        (OURS_ONLY, "rt_train_model", ("model_def.py", 5, "_rt_pass")),
    ],
)
def test_the_place_is_the_users_innermost_line_and_ours_only_where_there_is_no_other(
    shipped: Any, model: str, function: str, place: tuple[str, int, str]
) -> None:
    loaded = shipped(model, "class Own: ...")
    agent = loaded.ResonAgent("/data", "model_def", {})
    adapter = sys.modules["model_def"]
    thread = threading.Thread(target=getattr(adapter, function))
    thread.start()
    wait_for(lambda: agent._place(thread.ident) == place)
    adapter.stop.set()
    thread.join()
    assert agent._place(thread.ident) is None


def test_the_place_of_an_executor_of_the_users_own_is_in_his_code_and_not_in_the_messenger_below_it(shipped: Any) -> None:
    own = "import threading\nentered = threading.Event()\n\nclass Own:\n    def execute(self, logger):\n"
    own += "        logger.check_task_abort()\n"
    loaded = shipped("", own)
    agent = loaded.ResonAgent("/data", "model_def", {})

    class Slow:
        @property
        def triggered(self) -> bool:
            return bool(loaded.entered.wait(10))

    logger = loaded.ResonMessenger().make_logger(0, Slow())
    places = []

    def execute() -> None:
        with pytest.raises(logger.Aborted):
            loaded.Own().execute(logger)

    thread = threading.Thread(target=execute)
    thread.start()
    wait_for(lambda: places.append(agent._place(thread.ident)) or places[-1])
    loaded.entered.set()
    thread.join()
    assert places[-1] == ("custom_client_executor.py", 6, "execute")


def test_what_travels_to_a_site_is_disturbed_by_no_star_import_and_leaves_no_name_of_ours(shipped: Any) -> None:
    own = "from torch import *\nfrom numpy import *\njson = os = time = threading = logging = 'mine'\n\nclass Own: ..."
    loaded = shipped("def f(params):\n    return 1", own)
    names = {name for name in vars(loaded) if "reson" in name.lower()}
    assert {name for name in names if not name.startswith("_reson_")} == {
        "ResonMessenger",
        "ResonAgent",
        "ResonPreparation",
    }
    assert loaded.json == loaded.logging == "mine"
    memory, cpu = loaded._reson_Usage().measure()
    assert memory > 0 and cpu == 0.0
    logger = loaded.ResonMessenger().make_logger(0, None)
    logger.info("text")
    assert loaded._reson_py.max(1, 2) == 2
