"""The clean process in which a seed model is built; run by its path, so that nothing of this package is imported in it.

Its arguments are the folder of the code, the file in it that has `build`, the folder of the packages that every such job brings,
and the file that tells of a failure.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import traceback
from pathlib import Path


def main(code: str, entry: str, travel: str, told: str) -> int:
    """Calls `build`; returns the exit code."""
    path = Path(code, entry)
    sys.path.insert(0, code)
    sys.path.append(travel)  # a Scaleout that is installed here comes first
    try:
        _build(path)
    except BaseException as error:  # whatever else the user's code raises, it has not built a model then
        if isinstance(error, SystemExit) and error.code in (None, 0):
            return 0  # as a script that is done may say
        frames = error.__traceback__
        while frames and not frames.tb_frame.f_code.co_filename.startswith(code):
            frames = frames.tb_next
        places = [[frame.filename, frame.lineno] for frame in traceback.extract_tb(frames)]
        if isinstance(error, SyntaxError) and error.filename:
            places.append([error.filename, error.lineno])
        message = traceback.format_exception_only(error)[-1].strip()
        Path(told).parent.mkdir(parents=True, exist_ok=True)  # it may be the user's code that removed it
        Path(told).write_text(json.dumps({"message": message, "places": places}))
        traceback.print_exception(type(error), error, frames)
        return 1
    return 0


def _build(path: Path) -> None:
    """By the file's plain name, as Scaleout imports it, and though there may be another module of that name."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python file")
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(getattr(module, "build", None)):
        raise AttributeError(f"{path.name} does not define the function build(), which writes the seed model")
    module.build()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
