"""`%reson`: one line magic with subcommands, each a thin skin over the Python call of the same name."""

from __future__ import annotations

import argparse
import json
import shlex
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class

from .. import api
from ..backend.job import Job
from ..backend.rehearsal import Rehearsal
from ..backend.run.handle import Run
from ..capture.roles.contract import ROLES
from ..errors import ConfigError
from ..session import current_session
from .config_text import config_text
from .federation_command import add_federation_verbs, run_federation
from .parser import HelpShown, Parser
from .shards_command import add_shards_verbs, run_shards


@magics_class
class ResonMagics(Magics):
    """%reson."""

    @line_magic
    def reson(self, line: str) -> Any:
        """Configure, submit, follow: `%reson help` lists the subcommands, `%reson submit --help` tells of one."""
        return run_line(line)


def run_line(line: str) -> Any:
    """Carries out one `%reson` line; returns what the subcommand makes: a run, a job, a table, or nothing.

    Raises:
        UsageError: the line cannot be understood.
        ResonError: it cannot be carried out.
    """
    parser, verbs = _parsers()
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"%reson: {error}") from None
    try:
        arguments = parser.parse_args(words or ["help"])
    except HelpShown:
        return None
    if arguments.verb == "help":
        print(parser.format_help())
        return None
    return verbs[arguments.verb](arguments)


def _parsers() -> tuple[Parser, dict[str, Any]]:
    parser = Parser(prog="reson", description="Train the captured model across sites.")
    commands = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs = {}

    def verb(name: str, function: Any, text: str) -> Parser:
        verbs[name] = function
        return commands.add_parser(name, prog=f"reson {name}", help=text, description=text)

    config = verb("config", _config, "set fields of the configs, or show them")
    config.add_argument("fields", nargs="*", metavar="KEY=VALUE", help="any field, or a hyperparameter of your own")

    submit = verb("submit", _submit, "check, upload and start a run; its live view appears under the cell")
    _add_job_arguments(submit)
    submit.add_argument("--target", metavar="TARGET", help="where it runs (default: the session's, local)")
    submit.add_argument("--store", metavar="URL", help="where its files lie: file:///folder or s3://bucket")
    submit.add_argument("--no-check", action="store_true", help="submit without a rehearsal")
    submit.add_argument("--wait", action="store_true", help="return only when the run is over")

    check = verb("check", _check, "rehearse the job in a clean process, on a few samples of the first shard; nothing is sent")
    _add_job_arguments(check)

    build = verb("build", _build, "build the job and write the folder that nvflare simulator takes")
    _add_job_arguments(build)
    build.add_argument("--out", metavar="DIR", required=True, help="folder to write")

    attach = verb(
        "attach", lambda arguments: api.attach(arguments.run, store=arguments.store), "show a run that was submitted before"
    )
    attach.add_argument("run", metavar="ID")
    attach.add_argument("--store", metavar="URL", help="the run's store, if it was submitted on another machine")

    abort = verb("abort", _abort, "stop a run")
    abort.add_argument("run", metavar="ID")

    verb("runs", lambda _: api.runs(), "list the runs that this machine knows")

    info = verb("info", lambda arguments: api.find(arguments.run).info(), "show what each site of a run is doing now")
    info.add_argument("run", metavar="ID")

    logs = verb("logs", lambda arguments: print(api.find(arguments.run).logs(arguments.site), end=""), "print what a run logged")
    logs.add_argument("run", metavar="ID")
    logs.add_argument("site", metavar="SITE", nargs="?", help='a site, or "server" (default: all of them)')

    rerun = verb("rerun", _rerun, "submit a run once more, as it shipped, with changes")
    rerun.add_argument("run", metavar="ID")
    rerun.add_argument("fields", nargs="*", metavar="KEY=VALUE", help="any field, a hyperparameter of your own, or name=NAME")

    delete = verb("delete", lambda arguments: print(api.delete(arguments.run)), "delete a run that is over, with its files")
    delete.add_argument("run", metavar="ID")

    forget = verb("forget", _forget, "drop what was captured for a role; the default takes its place again")
    forget.add_argument("role", choices=ROLES)
    forget.add_argument("name", metavar="NAME", nargs="?", help="which command (default: all of them)")

    add_shards_verbs(verb("shards", run_shards, "make shards of data, check them, or show the cache of their images"))

    add_federation_verbs(verb("federation", run_federation, "start, stop or show an NVFlare federation on this machine"))

    verb("help", None, "show this help")
    return parser, verbs


def _add_job_arguments(command: Parser) -> None:
    command.add_argument("--name", metavar="NAME", help="the run's name, for people (default: name of the session)")
    command.add_argument(
        "--shards",
        metavar="DIR",
        help="folder with one zip for each site (default: shards_dir of the session; if there is none, sites have their data)",
    )
    command.add_argument("--requirements", metavar="FILE", help="what the sites need (default: what the imports that ship need)")
    command.add_argument("--rounds", metavar="N", type=int, help="rounds of training (default: num_rounds of the session)")


def _job_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    federation = current_session().federation
    if arguments.rounds is not None:
        federation = federation.replace(num_rounds=arguments.rounds)
    given = {"name": arguments.name, "shards_dir": arguments.shards, "requirements": arguments.requirements}
    return {**given, "federation": federation}


def _submit(arguments: argparse.Namespace) -> Run:
    run = api.submit(**_job_arguments(arguments), store=arguments.store, target=arguments.target, check=not arguments.no_check)
    return run.wait() if arguments.wait else run


def _check(arguments: argparse.Namespace) -> Rehearsal:
    return api.check(**_job_arguments(arguments))


def _rerun(arguments: argparse.Namespace) -> Run:
    return api.rerun(arguments.run, **dict(map(_assignment, arguments.fields)))


def _build(arguments: argparse.Namespace) -> Job:
    job = api.build(**_job_arguments(arguments))
    print(f"wrote {job.save(arguments.out)}")
    return job


def _abort(arguments: argparse.Namespace) -> None:
    api.abort(arguments.run)
    print(f"asked {arguments.run} to stop; what does not stop by itself is ended after some seconds")


def _forget(arguments: argparse.Namespace) -> None:
    key = f"{arguments.role} {arguments.name}" if arguments.name else arguments.role
    dropped = current_session().forget(key)
    for captured in dropped:
        print(f"forgot the {captured.title} of {captured.cell}")
    if not dropped:
        print(f"no {key} was captured")


def _config(arguments: argparse.Namespace) -> None:
    session = current_session()
    if arguments.fields:
        given = dict(map(_assignment, arguments.fields))
        session.configure(**given)
        own = sorted(given.keys() & session.training.extra.keys())
        if own:
            print(f"{', '.join(own)}: of your own, for your train function")
        return
    for group in config_text(session):
        print(group)


def _assignment(text: str) -> tuple[str, Any]:
    """KEY=VALUE; a value that is no JSON is taken as text, so that names need no quotes."""
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise ConfigError(f"{text!r} is not of the form KEY=VALUE", "For example: %reson config batch_size=64 learning_rate=0.01")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, {"True": True, "False": False, "None": None}.get(value, value)
