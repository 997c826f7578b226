"""`%reson runs`, `attach`, `compare`, `info`, `logs`, `abort`, `delete`: runs that were submitted."""

from __future__ import annotations

import argparse

from ... import api
from ...backend.run.compare import Comparison
from ...backend.run.handle import Run
from ...backend.run.info import RunInfo
from .parser import Parser
from .which_run import RUN, newest_run, required_run

_NEWEST = "the run (default: this kernel's last, else the newest)"


def add_run_verbs(parser: Parser) -> None:
    """Adds the verbs to the parser of `%reson`."""
    parser.add_verb("runs", lambda _: api.runs(), "list the runs that this machine knows")

    attach = parser.add_verb("attach", _attach, "show a run that was submitted before", "run = %reson attach digits-01k2...")
    attach.add_argument("run", metavar="ID", nargs="?", help=RUN)
    attach.add_argument("--store", metavar="URL", help="the run's store, if it was submitted on another machine")

    compare = parser.add_verb(
        "compare", _compare, "show runs beside each other: their curves, what differs in their configs, how they ended",
        "%reson compare digits-01k2... digits-01k3...",
    )  # fmt: skip
    compare.add_argument("runs", metavar="ID", nargs="*", help="the runs, as %%reson runs lists them")

    info = parser.add_verb("info", _info, "show what each site of a run is doing now")
    info.add_argument("run", metavar="ID", nargs="?", help=_NEWEST)

    logs = parser.add_verb(
        "logs", _logs, "print what a run logged", "%reson logs", "%reson logs digits-01k2... site-1", "%reson logs --follow"
    )
    logs.add_argument("run", metavar="ID", nargs="?", help=_NEWEST)
    logs.add_argument("site", metavar="SITE", nargs="?", help='a site, or "server" (default: all of them)')
    logs.add_argument("--follow", action="store_true", help="go on until the run is over; stopping the cell ends this only")

    abort = parser.add_verb("abort", _abort, "stop a run")
    abort.add_argument("run", metavar="ID", nargs="?", help=RUN)

    delete = parser.add_verb("delete", _delete, "delete a run that is over, with its files")
    delete.add_argument("run", metavar="ID", nargs="?", help=RUN)


def _attach(arguments: argparse.Namespace) -> Run:
    return api.attach(required_run(arguments.run, arguments), store=arguments.store)


def _compare(arguments: argparse.Namespace) -> Comparison:
    first, *others = arguments.runs or [None]
    return api.compare(required_run(first, arguments), *others)


def _info(arguments: argparse.Namespace) -> RunInfo:
    return _named_or_newest(arguments.run).info()


def _logs(arguments: argparse.Namespace) -> None:
    run = _named_or_newest(arguments.run)
    if not arguments.follow:
        print(run.logs(arguments.site), end="")
        return
    for line in run.logs(arguments.site, follow=True):
        print(line, flush=True)


def _abort(arguments: argparse.Namespace) -> None:
    run = required_run(arguments.run, arguments)
    api.abort(run)
    print(f"asked {run} to stop; what does not stop by itself is ended after some seconds")


def _delete(arguments: argparse.Namespace) -> None:
    print(api.delete(required_run(arguments.run, arguments)))


def _named_or_newest(named: str | None) -> Run:
    if named:
        return api.find(named)
    run = newest_run()
    print(f"run {run}:")
    return api.find(run)
