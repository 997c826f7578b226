"""Addresses in a text as links."""

from __future__ import annotations

import re
from html import escape

# Where it leads is what is seen: no user name, no character beyond ASCII, nothing that a browser reads otherwise. As in links.ts.
_ADDRESS = re.compile(
    r"https?://[a-z0-9][a-z0-9.-]*(?::[0-9]+)?(?:[/?#][\w/?#.,:;=&%+~@!-]*)?(?<![.,:;!?-])", re.ASCII | re.IGNORECASE
)


def linked(text: str) -> str:
    """Returns a text as HTML in which addresses of web pages are links."""
    parts, end = [], 0
    for found in _ADDRESS.finditer(text):
        address = escape(found[0])
        parts += [
            escape(text[end : found.start()]),
            f"<a href='{address}' target='_blank' rel='noopener noreferrer'>{address}</a>",
        ]
        end = found.end()
    return "".join([*parts, escape(text[end:])])
