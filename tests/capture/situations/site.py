"""A process that has nothing but Python and its libraries."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# As a site imports it: nothing of the notebook is there, and nothing of what another situation shipped.
_SITE = """
import gc, json, os, sys, traceback, warnings
import torch
gc.freeze()
warnings.simplefilter("ignore")
class Modules(dict):
    def __missing__(self, name):
        modules = {"m": "model_def", "e": "custom_client_executor", "p": "custom_persistor"}
        return __import__(modules[name])
for line in sys.stdin:
    folder, expression = json.loads(line)
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        sys.path.insert(0, folder)
        try:
            outcome = [repr(eval(expression, {}, Modules(m=__import__("model_def")))), ""]
        except BaseException:
            outcome = ["", traceback.format_exc()]
        with open(writer, "w") as stream:
            stream.write(json.dumps(outcome))
        os._exit(0)
    os.close(writer)
    with open(reader) as stream:
        print("outcome: " + (stream.read() or '["", "the process died"]'), flush=True)
    os.wait()
"""


class Site:
    """A process in which each expression is evaluated in a copy of it, over what ships."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._count = 0

    def value(self, files: Mapping[str, str], expression: str) -> str:
        """The value of an expression, written out, over the scripts that ship."""
        self._count += 1
        scripts = self._folder / str(self._count)
        for name, text in files.items():
            (scripts / name).parent.mkdir(parents=True, exist_ok=True)
            (scripts / name).write_text(text, encoding="utf-8")
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps([str(scripts), expression]) + "\n")
        self._process.stdin.flush()
        lines = iter(self._process.stdout.readline, "")
        outcome = next((line for line in lines if line.startswith("outcome: ")), 'outcome: ["", "the site is gone"]')
        value, error = json.loads(outcome.removeprefix("outcome: "))
        assert not error, f"{error}\n{files.get('model_def.py')}"
        return str(value)


@contextmanager
def a_site(folder: Path) -> Iterator[Site]:
    """A site whose scripts lie in a folder."""
    command = [sys.executable, "-I", "-c", _SITE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        yield Site(process, folder)
        assert process.stdin
        process.stdin.close()
