"""The seed model, from which a run of Scaleout Edge callbacks starts: built here, once for the same sources."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..backend.rehearsal.helper import environment
from ..capture.capture import Capture
from ..errors import JobError
from ..home import folder_of_home
from ..scratch import scratch_folder
from ..source_map import SourceMap
from .build_run import OUTPUT_FOLDER, run_build, shown
from .names import travel_files
from .project import Project
from .travel.weights import Spec, read_seed, spec_of

LIMIT = 300.0
_KEPT = 8  # seeds; an edited cell has another one
_LONGEST = 500  # characters of an exception's text
_CELL = "model_def.py"  # what a captured cell is called on the sites, too


@dataclass(frozen=True)
class Seed:
    """A seed model.

    Attributes:
        path: Its file.
        helper: "numpyhelper" or "torchhelper".
        parameters: {key: {"shape", "dtype"}}.
        output: What its `build` printed; "" if it was there already.
    """

    path: Path
    helper: str
    parameters: Spec
    output: str = ""

    @property
    def numbers(self) -> int:
        """How many numbers it holds."""
        return sum(math.prod(spec["shape"]) for spec in self.parameters.values())

    @classmethod
    def read(cls, path: Path, output: str = "") -> Seed:
        """Reads a file of weights. Raises `JobError` if it cannot be a seed."""
        try:
            helper, weights = read_seed(path)
        except (OSError, ValueError) as error:
            raise JobError(
                f"{path} cannot be the seed: {error}", "Write it with helper.save(params, path) or torch.save(state_dict, path)."
            ) from None
        if not any(value.is_floating_point() or value.is_complex() for value in weights.values()):
            raise JobError(f"{path} cannot be the seed: it holds whole numbers only, so there is nothing to train")
        if wild := [key for key, value in weights.items() if not value.isfinite().all()]:
            raise JobError(f"{path} cannot be the seed: {wild[0]} holds values that are NaN or infinite, which no average mends")
        return cls(path, helper, spec_of(weights), output)


@dataclass(frozen=True)
class _Source:
    """What a build runs: files, and the one of them that has `build`, or else a shell command."""

    files: Mapping[str, bytes]
    entry: str = ""
    command: str = ""
    lines: SourceMap = field(default_factory=SourceMap)

    @property
    def digest(self) -> str:
        digest = hashlib.sha256(f"{self.entry}\0{self.command}\0{sys.version}\0".encode())
        for path, data in sorted(self.files.items()):
            digest.update(f"{path}\0{len(data)}\0".encode())
            digest.update(data)
        return digest.hexdigest()[:32]


def has_build(source: Project | Capture) -> bool:
    """Whether a project or a captured startup says how its seed is made."""
    if isinstance(source, Project):
        return bool(source.build)
    return any(function.purpose == "build" for function in source.functions)


def seed_of(source: Project | Capture, *, anew: bool = False, limit: float = LIMIT) -> Seed:
    """Returns the seed of a project or of a captured startup; it is built unless it is there already.

    `build` runs in a clean process, in an empty folder that is also SCALEOUT_BUILD_OUTPUT_DIR, without the keys of this kernel; a
    dispatcher's command in the project's folder, a copy of it. The seed of the same files is kept on this machine.

    Args:
        source: What has the `build`, see `has_build`.
        anew: Whether to build it though it is there.
        limit: Seconds after which the build is ended.

    Raises:
        JobError: there is no `build`, or it made no model.
        ProjectError: the project's files cannot be used.
    """
    if not has_build(source):
        raise JobError(
            f"{source.title} has no build(), so there is no seed model",
            "Write one, or name a file: checkpoint=FILE or --checkpoint FILE.",
        )
    parts = _source(source)
    folder = folder_of_home("seeds")
    found = next(folder.glob(f"{parts.digest}/*"), None)
    if found is not None and not anew:
        os.utime(found.parent)
        return Seed.read(found)
    with scratch_folder("reson-seed-") as scratch:
        output = _built(parts, scratch, limit)
        kept = _keep(_model_in(scratch / "work", parts.files, output), folder, parts.digest)
    return Seed.read(kept, output)


def _source(source: Project | Capture) -> _Source:
    if isinstance(source, Capture):
        files = {_CELL: source.source.encode()} | {file.path: file.text.encode() for file in source.files}
        return _Source(files, _CELL, lines=SourceMap.of(source.module.lines))
    if source.kind == "dispatcher":
        return _Source(source.files(), command=source.build)
    return _Source(source.files(), source.build)


# The build


def _built(parts: _Source, scratch: Path, limit: float) -> str:
    """Runs the build below an empty folder, in which it may write to work/; returns what it printed."""
    code, out, travel, told = scratch / "work" / "client", scratch / "work" / "out", scratch / "travel", scratch / "told.json"
    _write(code, parts.files)
    _write(travel, travel_files())
    out.mkdir()
    variables = {**environment(), OUTPUT_FOLDER: str(out), "PYTHONDONTWRITEBYTECODE": "1"}
    if parts.command:
        del variables["PYTHONSAFEPATH"]  # its scripts import from their folder
        variables["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), variables.get("PATH", os.defpath)])
        variables["PYTHONPATH"] = str(travel)
        command, cwd = ["/bin/sh", "-c", parts.command], code
    else:
        script = str(Path(__file__).with_name("seed_process.py"))
        command, cwd = [sys.executable, "-P", script, str(code), parts.entry, str(travel), str(told)], out
    exit_code, output = run_build(command, cwd, variables, limit)
    output = output.replace(f"{code}{os.sep}", "")
    if exit_code:
        how = _told(told, code, parts.lines) or f"{parts.command or 'it'} ended with exit code {exit_code}"
        raise JobError(
            f"the seed model could not be built: {how}{shown(output)}",
            "Correct that, or name a file: checkpoint=FILE or --checkpoint FILE.",
        )
    return output


def _told(file: Path, code: Path, lines: SourceMap) -> str:
    """Where in the user's code the build failed, and how; "" where that is not told."""
    try:
        said = json.loads(file.read_text())
        message, places = said["message"][:_LONGEST], said["places"]
    except (OSError, ValueError, TypeError, KeyError):  # it ended before, or the build itself wrote to that file
        return ""
    for name, line in reversed(places):
        if Path(name).is_relative_to(code):
            path = str(Path(name).relative_to(code))
            cell, number = (lines.place(line) if path == _CELL else None) or (path, line)
            return f"{cell}, line {number}: {message}"
    return str(message)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes files that are older than whatever a build writes."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (0, 0))


# What it wrote


def _model_in(work: Path, given: Mapping[str, bytes], output: str) -> Path:
    """The one model file that the build wrote: to its output folder, or else, as some do, beside its own files."""
    before = {work / "client" / name for name in given}
    written: list[Path] = []
    for place in (work / "out", work):
        files = [path for path in sorted(place.rglob("*")) if path.is_file()] if place.is_dir() else []
        # A copy may have the times of what was copied, so they say something of a file only that was there before.
        written = [path for path in files if path not in before or path.stat().st_mtime > 0]
        models = [path for path in written if not _fault(path)]
        if len(models) > 1:  # it may have written other weights beside them
            models = [path for path in models if path.stem == "seed"] or models
        if len(models) == 1:
            return models[0]
        if models:
            names = ", ".join(path.name for path in models)
            raise JobError(f"build() wrote several models: {names}", "Let one of them be called seed.npz or seed.pt.")
    names = ", ".join(path.name for path in written)
    found = f"only {names}" if names else "and no other file"
    if len(written) == 1:
        found += f": {_fault(written[0])}"
    raise JobError(
        f"build() wrote no model, {found}{shown(output)}",
        "Have it save the model into the folder os.environ['SCALEOUT_BUILD_OUTPUT_DIR'], as seed.npz or seed.pt.",
    )


def _fault(path: Path) -> str:
    """Why a file is no model; "" if it is one."""
    try:
        read_seed(path)
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def _keep(built: Path, folder: Path, digest: str) -> Path:
    """Takes the file into this machine's folder of seeds, from which the oldest go."""
    place = folder / digest
    temporary = folder / f"{digest}.{os.getpid()}.tmp"
    shutil.copyfile(built, temporary)
    place.mkdir(exist_ok=True)
    for other in place.iterdir():
        if other.name != built.name:
            other.unlink()
    os.replace(temporary, place / built.name)
    os.utime(place)
    kept = sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for old in kept[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return place / built.name
