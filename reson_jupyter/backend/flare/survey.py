"""What a federation says of itself before a run: its sites, and whether a job of ours would run there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from ...cautions import Caution
from ...errors import TargetError
from ..placement import Survey
from .kit import Kit

_TIMEOUT = 25.0
# The form of our jobs runs on all of these.
_OLDEST, _NEWEST = (2, 7), (2, 9)


def survey(kit: Kit, ours: str) -> Survey:
    """Looks at a federation.

    Args:
        kit: The startup kit.
        ours: The version of NVFlare of this machine.

    Raises:
        TargetError: it cannot be reached, or no job of ours would run there.
    """
    found = _look(kit)
    if "error" in found:
        raise TargetError(found["error"], found["hint"] or f"The startup kit is {kit.path}.")
    sites, silent = list(found["sites"]), set(found["silent"])
    where = f"the federation {kit.project} at {kit.server}"
    if not sites:
        raise TargetError(
            f"no site is connected to {where}", "Start the sites (startup/start.sh in each one's kit), then submit again."
        )
    there = [site for site in sites if site not in silent]
    if not there:
        raise TargetError(
            f"no site of {where} answers: {', '.join(sites)}", "Are their processes running, and is the network up?"
        )
    unheard = {site: seconds for site, seconds in found["unheard"].items() if site in there}
    notes = [*_absent(sorted(silent), unheard), *_notes(found["versions"], ours)]
    return Survey(sites=tuple(there), place=f"{kit.project} at {kit.server}", notes=tuple(notes))


def _look(kit: Kit) -> dict[str, Any]:
    """Looks in a process of its own, so that this one gets neither NVFlare's prints nor its threads."""
    command = [sys.executable, "-P", "-m", "reson_jupyter.backend.flare.look", str(kit.path)]
    try:
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT, check=False)
        found: dict[str, Any] = json.loads(ended.stdout)
    except subprocess.TimeoutExpired:
        raise TargetError(
            f"the federation's server {kit.server} did not answer within {_TIMEOUT:.0f} s", "Is the network up? Try again."
        ) from None
    except ValueError:
        said = ended.stderr.decode(errors="replace").strip().splitlines()
        raise TargetError(f"the federation's server {kit.server} could not be looked at: {(said or ['no answer'])[-1]}") from None
    return found


def _absent(silent: list[str], unheard: Mapping[str, int]) -> list[str]:
    """Notes on sites that are there by name only, or may be."""
    notes = [Caution(f"{', '.join(silent)}: connected, but without an answer, so the run goes without")] if silent else []
    return [*notes, *(Caution(f"{site} was last heard {seconds} s ago; it may be gone") for site, seconds in unheard.items())]


def _notes(versions: Mapping[str, str], ours: str) -> list[str]:
    """What the user should know. Raises `TargetError` for a version that our jobs do not run on."""
    for name, version in versions.items():
        number = _number(version)
        if number < _OLDEST or number[0] > _NEWEST[0]:
            raise TargetError(
                f"{name} has NVFlare {version}, on which the jobs of this version do not run",
                f"They run on {'.'.join(map(str, _OLDEST))} to {'.'.join(map(str, _NEWEST))}; here is {ours}.",
            )
    others = sorted({version for version in versions.values() if version != ours})
    return [f"the federation runs NVFlare {', '.join(others)}, this machine {ours}"] if others else []


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
