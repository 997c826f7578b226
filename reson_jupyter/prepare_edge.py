"""As `prepare`, where callbacks of Scaleout Edge train: those of a project, or those that a captured startup registers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pprint import pformat
from textwrap import indent

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .backend.job import PROJECT, Job, JobParts, build_job
from .backend.nvflare_config import SEED_MODEL
from .capture.capture import Capture
from .capture.imports.requirements import Requirements, requirements_for
from .capture.imports.requirements_file import needed
from .capture.imports.statements import imports_in
from .capture.text.module import combine
from .capture.text.names import parsed
from .cautions import Caution
from .config import FederationConfig, TrainingConfig
from .data.report import counted
from .edge.names import travel_files
from .edge.project import Project, reread
from .edge.seed import Seed, has_build, seed_of
from .errors import JobError
from .parts import captures_of
from .prepared import NO_NAME, Prepared, checked_shards, existing_file, fitted_to_shards, fitted_to_sites, lines_of, refuse_leaks
from .request import Request
from .session import Session
from .source_map import SourceMap

STARTUP = "startup"  # the function of model_def.py that registers the callbacks
_COMMANDS = "from reson_edge.site import commands as reson_commands\n"
_NEEDED = ("numpy",)  # beside what every job needs
_SITES = 2  # of a run on this machine, if nothing says how many


@dataclass(frozen=True)
class _Code:
    """What ships of the user's: the project or else the startup's capture, and the commands beside it."""

    project: Project | None
    startup: Capture | None
    commands: Mapping[str, Capture]
    notes: tuple[str, ...]

    @property
    def captures(self) -> tuple[Capture, ...]:
        return (*([self.startup] if self.startup else ()), *self.commands.values())

    @property
    def source(self) -> Project | Capture:
        found = self.project or self.startup
        assert found is not None
        return found


def prepare_edge(request: Request, session: Session, sites: int = 0) -> Prepared:
    """Checks everything that a run needs and builds its job; the arguments are those of `prepare`.

    Raises:
        ResonError: something cannot be used.
    """
    _refuse_parts_of_a_model(request, session)
    training, federation = request.training or session.training, request.federation or session.federation
    code = _code(request, session)
    notes = list(code.notes)
    report = checked_shards(request.shards_dir, training, default_training=False)
    if report is not None:
        training = fitted_to_shards(training, report, notes)
    here = 0
    if report is None and not sites:
        here = federation.min_clients
        if "min_clients" not in federation.model_fields_set:
            here = _SITES
            notes.append(f"nothing says how many sites there are, so there are {here}; min_clients=N makes N")
            federation = federation.replace(min_clients=here)
    federation = fitted_to_sites(federation, len(report.shards) if report else 0, sites or here, notes)
    requirements = _requirements(request, code)
    notes += requirements.notes
    seed = _seed(request, code.source)
    notes.append(f"starts from {seed.path.name}: {counted(seed.numbers, 'number')}, {seed.helper}")
    job = _build(request, code, seed, training, federation, requirements.lines)
    refuse_leaks(job, notes)
    return Prepared(
        job, report.shards if report else (), tuple(notes), None, False, sites=here, is_project=code.project is not None
    )


def _refuse_parts_of_a_model(request: Request, session: Session) -> None:
    given = {"train": request.train, "executor": request.executor, "persistor": request.persistor}
    if wrong := [name for name, value in given.items() if value is not None]:
        what = session.project.title if session.project else "the captured startup"
        raise JobError(
            f"{what} trains, so {' and '.join(wrong)} would do nothing",
            f"Leave {'it' if len(wrong) == 1 else 'them'} out, or pass model=... to train that instead.",
        )


def _code(request: Request, session: Session) -> _Code:
    project = session.project and reread(session.project)
    captures, notes = captures_of(request, session, ("command", *(() if project else (STARTUP,))))
    commands = {capture.command: capture for capture in captures.values() if capture.role == "command"}
    startup = captures.get(STARTUP)
    if project:
        if project is not session.project:
            session.set_project(project)
            notes.append(f"{project.title}: scaleout.yaml or python_env.yaml was changed since it was loaded, and was read anew")
        notes += [f"training: the callbacks of {project.title}", *map(Caution, project.notes())]
    elif startup:
        notes.append(f"training: the callbacks of {startup.cell}")
    return _Code(project, startup, dict(sorted(commands.items())), tuple(notes))


def _seed(request: Request, source: Project | Capture) -> Seed:
    if request.checkpoint:
        return Seed.read(existing_file(request.checkpoint))
    if has_build(source):
        return seed_of(source)
    where = "entry_points of scaleout.yaml" if isinstance(source, Project) else f"the cell of startup ({source.cell})"
    raise JobError(
        f"there is no seed model, from which {source.title} would start",
        f"Name a file of weights: checkpoint=FILE or --checkpoint FILE. Or give a build() that writes one to {where}."
        if isinstance(source, Capture)
        else f"Name a file of weights: checkpoint=FILE or --checkpoint FILE. Or add build: build.py to the {where}.",
    )


def _build(
    request: Request,
    code: _Code,
    seed: Seed,
    training: TrainingConfig,
    federation: FederationConfig,
    requirements: tuple[str, ...],
) -> Job:
    source, lines = _module(code)
    return build_job(
        JobParts(
            name=request.name or NO_NAME,
            model_path=SEED_MODEL,
            model_source=source,
            model_lines=lines,
            project_lines=_project_lines(code.project),
            local_modules={file.path: file.text for capture in code.captures for file in capture.files},
            bundled=travel_files() | _project_files(code.project),
            edge=True,
            model_args={"helper": seed.helper, "parameters": seed.parameters},
            train_fn=STARTUP,
            validate_fn=STARTUP,
            commands={name: capture.name for name, capture in code.commands.items()},
            training=training,
            federation=federation,
            requirements=requirements,
            checkpoint=seed.path,
            project=code.project.folder if code.project and code.project.local_package else None,
        )
    )


def _module(code: _Code) -> tuple[str, SourceMap]:
    """The text of model_def.py, and where its lines come from; what was captured comes first: it may begin with __future__."""
    module = combine(code.captures)
    own = _COMMANDS
    if code.project:
        spec = indent(pformat(code.project.spec(), width=120, sort_dicts=False), "    ")
        own = f"from reson_edge.project import startup_of\n{_COMMANDS}\n{STARTUP} = startup_of(\n{spec}\n)\n"
    return "\n\n".join(filter(None, (module.source, own))), SourceMap.of(module.lines)


def _project_files(project: Project | None) -> dict[str, bytes]:
    if project is None or project.local_package:
        return {}
    return {f"{PROJECT}/{path}": data for path, data in project.files().items()}


def _project_lines(project: Project | None) -> dict[str, SourceMap]:
    """What people call the lines of a project's code: a file is named with the folder as it is called here."""
    if project is None:
        return {}
    return {
        f"{PROJECT}/{path}": SourceMap.of((f"{project.folder.name}/{path}", line + 1) for line in range(data.count(b"\n") + 1))
        for path, data in project.files().items()
        if path.endswith(".py")
    }


def _requirements(request: Request, code: _Code) -> Requirements:
    """What the sites need: the user's own file or lines, else the project's environment, else what the imports need."""
    own = lines_of(request.requirements)
    imports = {name for capture in code.captures for name in capture.imports}
    if code.project:
        imports.update(_imports_of(code.project.files()))
    if own is None and code.project and (listed := code.project.requirements()) is not None:
        named = {canonicalize_name(Requirement(line).name) for line in needed(listed)}
        ours = requirements_for((), _NEEDED).lines
        own = [*listed, *(line for line in ours if canonicalize_name(Requirement(line).name) not in named)]
    return requirements_for(imports, _NEEDED, own)


def _imports_of(files: Mapping[str, bytes]) -> Iterator[str]:
    """The modules that a project's files import and that are none of its own."""
    own = {path.split("/")[0].removesuffix(".py") for path in files}
    for path, data in files.items():
        if not path.endswith(".py"):
            continue
        try:
            tree = parsed(data.decode("utf-8-sig"))
        except (SyntaxError, ValueError, RecursionError):
            continue  # who runs it will say so
        for found in imports_in(tree, ""):
            if found.module and not found.optional and found.module.split(".")[0] not in {"", *own}:
                yield found.module
