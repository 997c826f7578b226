"""What a carrier notes for whoever reads its own log."""

import contextlib


def aside(text: object) -> None:
    """Prints a line; on a full disk it is lost, which must not end what the carrier is at."""
    with contextlib.suppress(OSError):
        print(text, flush=True)
