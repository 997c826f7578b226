"""Looks at a federation and prints what it found as one line of JSON: `python -m reson_jupyter.backend.flare.look KIT`.

It is a process of its own, because NVFlare prints, logs, and leaves threads behind in whatever process uses it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import TargetError
from .kit import Kit, read_kit
from .reach import reach

if TYPE_CHECKING:
    from .session import FlareSession

_REACH = 5.0  # seconds
_ANSWER = 3.0
# One that does not answer costs these seconds and those of a new session.
_ANSWER_ALONE = 1.0
_ASKED_ALONE = 20
_NO_REPLY = {"error": "No replies"}  # what the server says for a site that it did not reach
# Sites report every ten seconds, and a server forgets one after ten minutes.
_LONG = 45.0


def look(kit: Kit) -> dict[str, Any]:
    """Returns what the federation says.

    Returns:
        {"sites": those that are connected, "silent": those of them that do not answer, "unheard": {site: seconds since it was
        last heard, if that is long}, "versions": {site or "server": NVFlare's, as far as anybody told}}.

    Raises:
        TargetError: it cannot be reached.
    """
    reach(kit, _REACH)
    from .session import FlareSession, Refused, Unreachable  # only now: it takes a moment

    with tempfile.TemporaryDirectory() as downloads:
        session = FlareSession(kit, Path(downloads))
        try:
            heard = session.ask(lambda api: {each.name: each.last_connect_time for each in api.get_system_info().client_info})
            sites = list(heard)
            return {
                "sites": sites,
                "unheard": _unheard(heard, time.time() if kit.is_loopback else 0.0),
                **_versions(session, sites),
            }
        except Refused as error:
            raise TargetError(error.message, error.hint) from None
        except Unreachable as error:
            raise TargetError(error.message, _certificate_problem(kit) or error.hint) from None
        finally:
            session.close()


def _unheard(heard: Mapping[str, float | None], now: float) -> dict[str, int]:
    """The sites that were not heard for long, in seconds; by the server's clock, which the site that was heard last tells."""
    now = max(now, *(at or 0.0 for at in heard.values()), 0.0)
    return {site: round(now - at) for site, at in heard.items() if at and now - at > _LONG}


def _versions(session: FlareSession, sites: list[str]) -> dict[str, Any]:
    """Asks all for their versions at once; where one holds that up, each by itself."""
    from .session import Refused, Unreachable

    try:
        told = session.ask(lambda api: api.report_version("all"), _ANSWER)
    except Refused:  # the user may not ask, or the version knows no such question
        return {"versions": {}, "silent": []}
    except Unreachable:
        told = {}
        for site in sites[:_ASKED_ALONE]:
            with contextlib.suppress(Refused, Unreachable):
                told |= session.ask(partial(_version_of, site), _ANSWER_ALONE)
        silent = [site for site in sites[:_ASKED_ALONE] if site not in told]
        return {"versions": _texts(told), "silent": silent}
    return {"versions": _texts(told), "silent": [site for site in sites if told.get(site) == _NO_REPLY]}


def _version_of(site: str, api: Any) -> dict[str, Any]:
    told: dict[str, Any] = api.report_version("client", [site])
    return told


def _texts(told: dict[str, Any]) -> dict[str, str]:
    return {name: said["version"] for name, said in told.items() if isinstance(said, dict) and "version" in said}


def _certificate_problem(kit: Kit) -> str:
    """What keeps the two from trusting each other, if that is what it is."""
    startup = kit.path / "startup"
    try:
        context = ssl.create_default_context(cafile=str(startup / "rootCA.pem"))
        context.check_hostname = False  # a federation's servers are known by their certificates, not by their names
        context.load_cert_chain(startup / "client.crt", startup / "client.key")
        with socket.create_connection((kit.host, kit.port), _REACH) as line, context.wrap_socket(line) as secured:
            secured.settimeout(_REACH)
    except ssl.SSLCertVerificationError as error:
        return (
            f"Its certificate is not of this kit's federation ({error.verify_message}); take the kit that belongs to this server."
        )
    except ssl.SSLError as error:
        return f"No secure connection came about ({error.reason}); does the kit belong to this server?"
    except OSError:
        return ""
    return ""


def main(folder: str) -> None:
    """Prints what is found, or {"error", "hint"}; nothing else gets to the standard output."""
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        found: dict[str, Any] = look(read_kit(folder))
    except TargetError as error:
        found = {"error": error.message, "hint": error.hint}
    os.write(answer, (json.dumps(found) + "\n").encode())
    os._exit(0)  # threads of NVFlare that are still at something are not waited for


if __name__ == "__main__":
    main(sys.argv[1])
