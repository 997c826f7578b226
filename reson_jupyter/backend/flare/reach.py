"""Whether anything listens where a federation's server should be: known at once, where NVFlare tries it for long."""

from __future__ import annotations

import socket

from ...errors import TargetError
from .kit import Kit


def reach(kit: Kit, seconds: float) -> None:
    """Raises `TargetError` where nothing could come of a longer try."""
    try:
        socket.create_connection((kit.host, kit.port), seconds).close()
    except socket.gaierror:
        raise TargetError(
            f"nobody knows the name {kit.host} of the federation's server here",
            "Is this machine in the right network? Ask whoever runs the federation, or enter the name into /etc/hosts.",
        ) from None
    except ConnectionRefusedError:
        raise TargetError(
            f"nothing listens at the federation's server {kit.server}",
            "Is the server running (startup/start.sh in its kit)? Is the port the right one?",
        ) from None
    except OSError as error:
        raise TargetError(
            f"the federation's server {kit.server} cannot be reached: {error}",
            "Is the server running, and does a firewall let this machine through?",
        ) from None
