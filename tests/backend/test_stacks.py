"""Where a process stands is asked of it from outside, also when it hangs in a call that holds Python's lock."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from reson_jupyter.backend.failure.explain import explain
from reson_jupyter.backend.runner.processes import Load, is_stopped
from reson_jupyter.backend.runner.stacks import as_traceback, take_stack
from reson_jupyter.source_map import SourceMap

HANGING = """import ctypes, faulthandler, os, signal, sys, threading, time

def train(env):
    lock = ctypes.create_string_buffer(128)
    ctypes.PyDLL(None).pthread_mutex_lock(lock)
    print("here", flush=True)
    ctypes.PyDLL(None).pthread_mutex_lock(lock)

def others():
    while True:
        time.sleep(0.01)

file = os.open(os.path.join(sys.argv[1], "stack.txt"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
faulthandler.register(signal.SIGUSR1, file=file, all_threads=True, chain=False)
for _ in range(20):
    threading.Thread(target=others, daemon=True).start()
train({})
"""


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[psutil.Process]:
    """A process with many threads of which the main one never lets go of Python's lock."""
    script = tmp_path / "custom" / "model_def.py"
    script.parent.mkdir()
    script.write_text(HANGING)
    with subprocess.Popen([sys.executable, script, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "here\n"
        time.sleep(0.3)  # until it has come from there to the next line
        yield psutil.Process(process.pid)
        process.kill()


def test_its_stack_becomes_a_traceback_that_leads_to_the_line_of_the_cell(hanging: psutil.Process, tmp_path: Path) -> None:
    for _ in range(2):  # the second is not the first once more
        text = as_traceback(take_stack(hanging, tmp_path), "hangs: no sign of life")
        lines = text.splitlines()
        assert lines[0] == "Traceback (most recent call last):"
        assert lines[-1] == "hangs: no sign of life"
        assert lines[-3].endswith('custom/model_def.py", line 7, in train')
        assert lines[-2] == "    ctypes.PyDLL(None).pthread_mutex_lock(lock)"
        assert text.count("Traceback") == 1
    explained = explain("hangs: no sign of life", text, {"model_def.py": SourceMap.from_json([[1, 20, "In[4]", 1]])})
    assert explained.sentence == "In[4], line 7: hangs: no sign of life"


def test_threads_that_only_ask_for_the_lock_are_no_computing(hanging: psutil.Process) -> None:
    load = Load()
    time.sleep(0.2)
    assert load.busy([hanging], 1), "what is new may be busy"
    looks = []
    for _ in range(6):
        time.sleep(0.5)
        looks.append(load.busy([hanging], 0.5))
    assert looks.count(False) >= 5


def test_a_process_that_computes_or_writes_is_busy(tmp_path: Path) -> None:
    for code in ("while True: pass", "import time, sys\nwhile True: open(sys.argv[1], 'wb').write(bytes(99999)); time.sleep(.1)"):
        with subprocess.Popen([sys.executable, "-c", code, tmp_path / "file"]) as process:
            load, found = Load(), psutil.Process(process.pid)
            time.sleep(0.5)
            load.busy([found], 1)
            time.sleep(0.5)
            assert load.busy([found], 0.5)
            process.kill()


def test_a_process_without_a_handler_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        found = psutil.Process(process.pid)
        assert take_stack(found, tmp_path) == "" and process.poll() is None
        found.suspend()
        time.sleep(0.1)
        assert is_stopped(found)
        process.kill()
    assert take_stack(found, tmp_path) == "" and not is_stopped(found)
    assert as_traceback("", "hangs") == ""


def test_a_process_whose_code_took_the_handler_away_is_not_ended_by_the_question(tmp_path: Path) -> None:
    (tmp_path / "stack.txt").touch()
    with subprocess.Popen(["sleep", "60"]) as process:
        time.sleep(0.1)
        assert take_stack(psutil.Process(process.pid), tmp_path) == ""
        time.sleep(0.1)
        assert process.poll() is None
        process.kill()
