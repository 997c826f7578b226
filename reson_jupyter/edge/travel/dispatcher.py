"""Legacy projects: each task is a shell command, which reads the model from one file and writes what comes of it to another."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import psutil

from .model import ScaleoutModel

_POLL = 0.2  # seconds between two looks whether the task was aborted
_REST = 1.0  # seconds for what a command has printed; what it left running may keep its output open for ever
_LINE = 8192  # characters of a line that are read at once; a command may print without ever ending one
_MARK = "RESON_COMMAND"  # environment variable by which all that a command started is known, whatever became of its parents
_SWEEPS = 10  # processes may start others while they are looked for
_KEPT_LINES = 200  # of what a command printed, for the failure that it may end with
_MOST_TEXT = 100_000  # characters of these lines
_MOST_OF_A_LINE = 1000
_TRACEBACK = "Traceback (most recent call last):"


class CommandFailed(Exception):
    """A command of the project ended with an error, or did not write what it should; the message has what it printed last."""


class Dispatcher:
    """Runs the commands of a project as the callbacks of a client.

    Args:
        client: The EdgeClient.
        folder: The project's folder, in which the commands run.
        scripts: The folder that `scaleout` and `scaleoututil` are imported from.
        commands: {"train": "python train.py", ...}; "train" and "validate", "predict" get two files as arguments, "startup" none.
    """

    def __init__(self, client: Any, folder: Path, scripts: Path, commands: Mapping[str, str]) -> None:
        self._client = client
        self._folder = folder
        self._scripts = scripts
        self._commands = commands

    def start(self) -> None:
        """Runs the command "startup", if there is one, and registers the others.

        Raises:
            CommandFailed: "startup" failed.
        """
        callbacks = {
            "train": (self._client.set_train_callback, self._train),
            "validate": (self._client.set_validate_callback, self._validate),
            "predict": (self._client.set_predict_callback, self._predict),
        }
        if not self._folder.is_symlink():  # else it is the site's own
            _make_executable(self._folder)
        if "startup" in self._commands:
            self._run("startup")
        for name, (register, callback) in callbacks.items():
            if name in self._commands:
                register(callback)

    def _train(self, model: ScaleoutModel, settings: Mapping[str, Any]) -> tuple[ScaleoutModel, dict[str, Any]]:
        # The commands write with numpy, which would add this suffix to a name without it.
        with _files(model, "out.npz") as (incoming, outgoing):
            Path(f"{incoming}-metadata").write_text(json.dumps(settings, default=str))
            began = time.monotonic()
            self._run("train", incoming, outgoing)
            seconds = time.monotonic() - began
            if not outgoing.is_file():
                raise CommandFailed('the command "train" did not write the model to the file of its last argument')
            metadata = _json_of(Path(f"{outgoing}-metadata"), "train", 'save_metadata({"num_examples": ...}, outpath)')
            return ScaleoutModel.from_file(str(outgoing)), {"training_metadata": metadata, "exec_training": seconds}

    def _validate(self, model: ScaleoutModel) -> Any:
        return self._answer("validate", model)

    def _predict(self, model: ScaleoutModel) -> Any:
        return self._answer("predict", model)

    def _answer(self, name: str, model: ScaleoutModel) -> Any:
        with _files(model, "out.json") as (incoming, outgoing):
            self._run(name, incoming, outgoing)
            return _json_of(outgoing, name, "save_metrics(metrics, outpath)")

    def _run(self, name: str, *files: Path) -> None:
        """Runs a command; what it prints goes to the site's log, line by line.

        Raises:
            CommandFailed: it ended with an error.
            StoppedException: the task was aborted.

        Whatever the command started ends with it; only what the command "startup" leaves running goes on, to serve the others.
        """
        command = f"{self._commands[name].strip()} {shlex.join(map(str, files))}"  # YAML may end a command with a new line
        mark = str(uuid.uuid4())
        env = {**self._environment(), _MARK: mark}
        process = subprocess.Popen(
            ["bash", "-c", command], cwd=self._folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        last: deque[str] = deque(maxlen=_KEPT_LINES)
        reader = threading.Thread(target=_pass_on, args=(process.stdout, last), name=f"reson-{name}", daemon=True)
        reader.start()
        try:
            self._wait(process)
        finally:
            if name != "startup" or process.poll() != 0:
                _end(process, mark)
            reader.join(_REST)
        if process.returncode:
            raise CommandFailed(self._failure(name, process.returncode, "".join(last)[-_MOST_TEXT:]))

    def _wait(self, process: subprocess.Popen[str]) -> None:
        while True:
            try:
                process.wait(_POLL)
                return
            except subprocess.TimeoutExpired:
                self._client.check_task_abort()

    def _environment(self) -> dict[str, str]:
        """That of the site; `python` is its own, and finds a script's neighbours as well as `scaleoututil`."""
        env = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
        return {
            **env,
            "PATH": _first(os.path.dirname(sys.executable), env.get("PATH")),
            "PYTHONPATH": _first(str(self._scripts), env.get("PYTHONPATH")),
            "PYTHONUNBUFFERED": "1",
        }

    def _failure(self, name: str, code: int, said: str) -> str:
        """What happened, with the traceback that was printed last, or else all that was; the site's log has it all."""
        how = f"was ended by signal {-code}" if code < 0 else f"ended with the exit code {code}"
        what = f'the command "{name}" ({self._commands[name]}) {how}'
        real, shown = os.path.join(os.path.realpath(self._folder), ""), os.path.join(self._folder, "")
        said = said.replace(real, shown).strip() or "it printed nothing"  # its files are called as the job has them
        _, found, traceback = said.rpartition(_TRACEBACK)
        # So torch marks the traceback of a worker process in an error: it is the failure.
        return (
            f"{what}:\n\nOriginal {found}{traceback}"
            if found
            else f"{what}: {said.splitlines()[-1][-_MOST_OF_A_LINE:]}\n\n{said}"
        )


def _end(process: subprocess.Popen[str], mark: str) -> None:
    """Ends a command and all that it started: its group, and what has left that, too."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nothing of it is left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for _ in range(_SWEEPS):
        if not (found := [other for other in psutil.process_iter() if _is_marked(other, mark)]):
            return
        for other in found:
            with contextlib.suppress(psutil.Error):
                other.kill()
        psutil.wait_procs(found, _POLL)


def _is_marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(_MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):  # it has ended, or is somebody else's
        return False


def _make_executable(folder: Path) -> None:
    """Gives scripts of the project the mode that a job's files lose on their way, so that a command may be "./train.sh"."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and not os.access(path, os.X_OK):
            with path.open("rb") as file:
                if file.read(2) == b"#!":
                    path.chmod(path.stat().st_mode | 0o111)


@contextlib.contextmanager
def _files(model: ScaleoutModel, outgoing: str) -> Iterator[tuple[Path, Path]]:
    """A model as a file, and the place of another file, for as long as the block takes."""
    with tempfile.TemporaryDirectory(prefix="reson-") as folder:
        incoming = Path(folder) / "in.npz"
        model.save_to_file(str(incoming))
        yield incoming, Path(folder) / outgoing


def _json_of(path: Path, name: str, means: str) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise CommandFailed(f'the command "{name}" ended without {means}, of scaleoututil.helpers.helpers') from None
    except ValueError as error:
        raise CommandFailed(f'what the command "{name}" wrote to {path.name} is no JSON: {error}') from None


def _first(folder: str, others: str | None) -> str:
    return os.pathsep.join([folder, others] if others else [folder])


def _pass_on(stream: IO[str], last: deque[str]) -> None:
    with stream:
        while line := stream.readline(_LINE):
            last.append(line)
            print(line, end="", flush=True)
