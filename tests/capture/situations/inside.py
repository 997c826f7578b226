"""What the tests ask of a kernel from inside of it, without a trace among its cells and names."""

from __future__ import annotations

import gc
import linecache
import os
import sys
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import Any

from IPython.core.getipython import get_ipython

from reson_jupyter.backend.job import Job
from reson_jupyter.capture.stale import renewed
from reson_jupyter.capture.text.module import combine
from reson_jupyter.prepare import prepare
from reson_jupyter.request import Request
from reson_jupyter.session import Session

# As an attribute of the package it is the public function of that name.
_session: Any = import_module("reson_jupyter.session")
_SCRIPTS = "scripts/"


def reset(files: dict[str, str], load: bool) -> None:
    """Makes the kernel as good as new, with these files in its folder."""
    shell: Any = get_ipython()
    for hook in [hook for hook in shell.events.callbacks["post_run_cell"] if hook.__module__.startswith("reson_jupyter")]:
        shell.events.unregister("post_run_cell", hook)
    _session._current = Session()
    shell.reset()
    # It has just collected what the last situation left. What lives on are the libraries, and looking through them again at each
    # reset took most of the time of all situations.
    gc.freeze()
    shell.compile.reset_compiler_flags()
    shell.execution_count = 1
    shell.extension_manager.loaded.discard("reson_jupyter")
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(os.getcwd()):
            del sys.modules[name]
    for old in sorted(Path.cwd().rglob("*"), reverse=True):
        old.rmdir() if old.is_dir() else old.unlink()
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
    invalidate_caches()
    linecache.clearcache()
    if load:
        shell.extension_manager.load_extension("reson_jupyter")


def shipped() -> dict[str, str]:
    """The scripts of the notebook's `job`, if it has one, else what the captures of its session ship."""
    job = sys.modules["__main__"].__dict__.get("job")
    if isinstance(job, Job):
        return {name.removeprefix(_SCRIPTS): text.decode() for name, text in job.files.items() if name.startswith(_SCRIPTS)}
    captures = _session.current_session().captures
    modules = [captures[role] for role in ("model", "train") if role in captures]
    files = {file.path: file.text for capture in modules for file in capture.files}
    return {"model_def.py": combine(modules).source, **files} if modules else {}


def stale() -> list[str]:
    """The roles that a submit would capture anew."""
    session = _session.current_session()
    return sorted(renewed(session.captures, session.kernel)) if session.kernel else []


def value(expression: str) -> str:
    """What an expression over the notebook's names gives."""
    main = sys.modules["__main__"]
    return repr(eval(expression, {"m": main, "e": main, "p": main}))


def notes(**given: Any) -> list[str]:
    """What a submit would tell."""
    fields: dict[str, Any] = dict.fromkeys(Request.__dataclass_fields__) | {"name": "job"} | given
    return list(prepare(Request(**fields), _session.current_session()).notes)
