"""`%reson check`, `preview`, `build`, `submit`, `rerun`: from what is captured to a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ... import api
from ...backend.job import Job
from ...backend.rehearsal import Rehearsal
from ...backend.run.handle import Run
from ...preview import Preview
from ...session import current_session
from .assignments import assignments, lists_explained
from .build_text import saved_text
from .in_the_way import all_told
from .parser import Parser
from .which_run import RUN, required_run


def add_submit_verbs(parser: Parser) -> None:
    """Adds the verbs to the parser of `%reson`."""
    check = parser.add_verb(
        "check", _check, "rehearse the job in a clean process, on a few samples of the first shard; nothing is sent",
        "%reson check --shards ./shards",
    )  # fmt: skip
    _add_job_arguments(check)

    preview = parser.add_verb(
        "preview", _preview, "show every file that submit would send, and what changed since the last submit; nothing is sent",
        "%reson preview --shards ./shards",
    )  # fmt: skip
    _add_job_arguments(preview)
    _add_places(preview)

    build = parser.add_verb(
        "build", _build, "build the job and write the folder that nvflare simulator takes", "%reson build --out ./job"
    )
    _add_job_arguments(build)
    build.add_argument("--out", metavar="DIR", required=True, help="folder to write")

    submit = parser.add_verb(
        "submit", _submit, "check, upload and start a run; its live view appears under the cell",
        "run = %reson submit --name digits --shards ./shards --rounds 5", "%reson submit --target flare --wait",
    )  # fmt: skip
    _add_job_arguments(submit)
    _add_places(submit)
    submit.add_argument("--no-check", action="store_true", help="submit without a rehearsal")
    submit.add_argument("--wait", action="store_true", help="return only when the run is over")

    rerun = parser.add_verb(
        "rerun", _rerun, "submit a run once more, as it shipped, with changes",
        "%reson rerun digits-01k2... learning_rate=0.01 'name=digits, slower'",
    )  # fmt: skip
    rerun.add_argument("run", metavar="ID", nargs="?", help=RUN)
    rerun.add_argument("fields", nargs="*", metavar="KEY=VALUE", help="any field, a hyperparameter of your own, or name=NAME")


def _add_job_arguments(command: Parser) -> None:
    command.add_argument("--name", metavar="NAME", help="the run's name, for people (default: name of the session)")
    command.add_argument(
        "--shards",
        metavar="DIR",
        help="folder with one zip for each site (default: shards_dir of the session; if there is none, sites have their data)",
    )
    command.add_argument("--requirements", metavar="FILE", help="what the sites need (default: what the imports that ship need)")
    command.add_argument("--checkpoint", metavar="FILE", help="file of weights to start from, such as seed.npz")
    command.add_argument("--rounds", metavar="N", type=int, help="rounds of training (default: num_rounds of the session)")


def _add_places(command: Parser) -> None:
    command.add_argument(
        "--target", metavar="TARGET", help="where it runs: local, flare or reson (default: target of the session)"
    )
    command.add_argument(
        "--store", metavar="URL", help="where its files lie: file:///folder or s3://bucket (default: store of the session)"
    )


def _job_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    federation = current_session().federation
    if arguments.rounds is not None:
        federation = federation.replace(num_rounds=arguments.rounds)
    given = {"name": arguments.name, "shards_dir": arguments.shards, "requirements": arguments.requirements}
    return {**given, "checkpoint": arguments.checkpoint, "federation": federation}


def _check(arguments: argparse.Namespace) -> Rehearsal:
    with all_told("check", arguments):
        return api.check(**_job_arguments(arguments))


def _preview(arguments: argparse.Namespace) -> Preview:
    with all_told("preview", arguments):
        return api.preview(**_job_arguments(arguments), store=arguments.store, target=arguments.target)


def _build(arguments: argparse.Namespace) -> Job:
    job = api.build(**_job_arguments(arguments))
    out = Path(arguments.out).expanduser()
    replaced = out.is_dir() and any(out.iterdir())  # with other files in it, `save` refuses the folder
    print(saved_text(job, job.save(out), replaced))
    return job


def _submit(arguments: argparse.Namespace) -> Run:
    places = {"store": arguments.store, "target": arguments.target}
    with all_told("submit", arguments):
        run = api.submit(**_job_arguments(arguments), **places, check=not arguments.no_check)
    return run.wait() if arguments.wait else run


def _rerun(arguments: argparse.Namespace) -> Run:
    fields = assignments(arguments.fields)
    run = required_run(arguments.run, arguments)
    with lists_explained(fields):
        return api.rerun(run, **fields)
