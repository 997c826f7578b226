"""The clean process of a rehearsal; run by its path, so that nothing of this package is imported in it.

It imports what every job needs and then waits on its standard input for one line: the rehearsal to carry out. It does that one
and ends; so the user's code always meets an interpreter that nobody's code has been in. It ends, too, when its input is closed,
which is when the kernel is gone.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib.util
import json
import logging
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any

_PASSES = 3  # the user's code may write while its folder is removed


def main() -> None:
    """Warms up, carries out one rehearsal, and ends."""
    report, control = os.dup(1), os.dup(0)
    os.dup2(2, 1)  # what anybody prints goes with the errors
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    say = _sender(report)
    warm = threading.Thread(target=_warm_up, args=(say,))
    warm.start()
    with os.fdopen(control, "rb", buffering=0) as kernel:
        if line := _read_line(kernel):
            task = json.loads(line)
            ending = threading.Thread(target=_end_with_kernel, args=(kernel, task["folder"]), daemon=True)
            ending.start()
            warm.join()
            with contextlib.suppress(BrokenPipeError):  # the kernel is gone
                _carry_out(task, say)
            ending.join()  # the kernel ends this process; or it has ended, and that thread does when the folder is removed
        warm.join()
        os._exit(0)


def _sender(descriptor: int) -> Any:
    lock = threading.Lock()

    def say(message: dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\n"
        with lock:
            while data:
                data = data[os.write(descriptor, data) :]

    return say


def _warm_up(say: Any) -> None:
    """Imports what takes long. On a thread of its own, as only that one's priority is lowered: none can be raised again."""
    if sys.platform == "linux" and sys.argv[1:] == ["nice"]:
        os.setpriority(os.PRIO_PROCESS, 0, 10)
    load("engine")
    load("steps")
    for name in (
        "nvflare.app_opt.pt.file_model_persistor",
        "nvflare.app_common.aggregators.intime_accumulate_model_aggregator",
        "nvflare.app_common.shareablegenerators.full_model_shareable_generator",
        "nvflare.app_common.widgets.convert_to_fed_event",
        "nvflare.widgets.widget",
    ):
        importlib.import_module(name)
    torch = importlib.import_module("torch")
    weight = torch.zeros(1, requires_grad=True)
    weight.grad = torch.zeros(1)  # not by backward, which would start threads that no process forked later can use
    torch.optim.Adam([weight]).step()  # the first optimizer of a process costs a second of imports
    say({"ready": True})


def load(name: str) -> Any:
    """The module beside this file, under a name that no module of the user's has."""
    full = f"_reson_rehearsal_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None and spec.loader is not None
        sys.modules[full] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[full])
    return sys.modules[full]


def _read_line(kernel: Any) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        more = kernel.read(1 << 16)
        if not more:
            return b""
        data += more
    return data


def _end_with_kernel(kernel: Any, folder: str) -> None:
    while kernel.read(1 << 16):
        pass
    for _ in range(_PASSES):
        shutil.rmtree(folder, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)  # with everything that the user's code started


def _carry_out(task: dict[str, Any], say: Any) -> None:
    folder = Path(task["folder"])
    os.environ.clear()
    os.environ.update(task["environment"])
    os.chdir(folder / "empty")
    sys.path.insert(0, str(folder / "job" / "app" / "custom"))
    faulthandler.enable()
    steps = load("steps").Steps(load("engine"), folder, say)
    logging.getLogger().addHandler(steps.log)
    try:
        steps.carry_out(task["train"])
    except BaseException as error:  # the user's code may raise anything, or leave
        say(steps.failure(error))
    say({"over": True})


if __name__ == "__main__":
    main()
