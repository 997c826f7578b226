"""Which URLs of servers can be used."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

# To the last "@" before the path: a password may hold one, too.
_USER = re.compile(r"//[^/]*@")


def without_user(url: str) -> str:
    """Returns a URL, or a text with one, without a user and a password that somebody wrote into it."""
    return _USER.sub("//...@", url)


def check_url(url: str, *, allow_http: bool = False) -> str:
    """Returns `url` without a trailing slash if it is https, or http to this machine.

    Plain http would show the data to everybody on the way; a signature protects the key only.

    Args:
        url: The URL.
        allow_http: Whether plain http is taken to any machine, as in a network of one's own.

    Raises:
        ValueError: any other URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("must be a plain URL such as https://example.org, without a user name or query")
    if parts.scheme == "http" and not allow_http and not is_loopback(parts.hostname):
        raise ValueError(
            f"plain http to {parts.hostname} would show your data to everybody on the way; use https, "
            "or set RESON_ALLOW_HTTP=1 for a network of your own"
        )
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's, for every resolver."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    # "::ffff:127.0.0.1" is loopback to some resolvers and not to others, so it is refused.
    return address.is_loopback and getattr(address, "ipv4_mapped", None) is None
