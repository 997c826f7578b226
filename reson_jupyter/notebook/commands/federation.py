"""`%reson federation`: a federation on this machine, started, stopped and shown."""

from __future__ import annotations

import argparse

from ...backend.federation import Federation, federation, start_federation, stop_federation
from ...backend.flare.state import runs_on
from ...session import current_session
from .parser import Parser

_NONE = "no federation was started on this machine; start one: %reson federation start"


def add_federation_verbs(parser: Parser) -> None:
    """Adds what `%reson federation` can do to its parser."""
    start = parser.add_verb(
        "start", _start, "start NVFlare's server and some sites on this machine, and submit to them from now on",
        "%reson federation start --sites 3 --data ./shards", metavar="ACTION",
    )  # fmt: skip
    start.add_argument("--sites", metavar="N", type=int, help="number of sites (default: as many as --data has, or 3)")
    start.add_argument(
        "--data", metavar="DIR", help="folder with a shard or a subfolder for each site: its data, which stays here"
    )
    start.add_argument("--folder", metavar="DIR", help="empty folder to put it in (default: one below RESON_HOME)")
    parser.add_verb("stop", _stop, "end it, with the runs that are in progress on it, and delete its folder")
    parser.add_verb("status", _status, "show what its server and sites do")


def _start(arguments: argparse.Namespace) -> Federation:
    known = federation()
    runs = known is not None and known.is_complete
    started = start_federation(arguments.sites, data=arguments.data, folder=arguments.folder)
    session = current_session()
    before = session.target
    if runs:
        print(
            "the federation is running already, and is taken as it is" + (", with the data given now" if arguments.data else "")
        )
    session.configure(target="flare", startup_kit=str(started.startup_kit))
    back = "local" if before == "flare" else before
    print(f"%reson submit sends its runs there from now on (target=flare); to undo that: %reson config target={back}")
    if arguments.data is not None:
        print("its sites have their data: submit without --shards, and with num_classes set if the model needs it")
    elif not (session.connection.s3_bucket or any(started.data.values())):
        print("its sites have no data, and no bucket is set that could bring them shards: %reson federation start --data DIR")
    return started


def _stop(_: argparse.Namespace) -> None:
    known = federation()
    runs = runs_on(known.startup_kit) if known else []
    if not stop_federation() or known is None:
        print(_NONE)
        return
    print("the federation is stopped, and its folder is deleted")
    if runs:
        print(f"what was in progress on it ends with it: {', '.join(f'{run.name} ({run.id})' for run in runs)}")
    session = current_session()
    if session.connection.startup_kit != str(known.startup_kit):
        return
    if session.target == "flare":
        session.configure(target="local")
        print("%reson submit trains on this machine again (target=local)")
    session.configure(startup_kit="")


def _status(_: argparse.Namespace) -> Federation | None:
    known = federation()
    if known is None:
        print(_NONE)
    return known
