"""Which URLs of servers and of stores can be used. None of the messages repeats one: it may hold a password."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

_NO_KEYS = "keys are no part of it: set RESON_S3_KEY and RESON_S3_SECRET in the environment"


_QUERY = re.compile(r"[?#].*", re.DOTALL)


def without_user(url: str) -> str:
    """Returns a URL without a user, a password and a query that somebody wrote into it: a password may hold "/" and "@", too."""
    before, at, place = url.rpartition("@")
    scheme, slashes, _ = before.partition("://")
    shown = f"{scheme if slashes else ''}{slashes}...@{place}" if at else url
    return _QUERY.sub("?...", shown)


def check_store(url: str) -> str:
    """Returns the URL of a store, or a path that was taken for one, if nothing in it may be a user, a password or a key.

    Raises:
        ValueError: something may be.
    """
    _, slashes, rest = url.partition("://")
    place = rest.partition("/")[0] if slashes else url
    if any(sign in url for sign in "@?#") or any(sign in place for sign in ":%"):
        raise ValueError(
            f"must be a plain URL such as s3://bucket/prefix or file:///folder; {_NO_KEYS} "
            "(a folder's name is written with %40 for @, %3F for ?, %23 for #)"
        )
    return url


def check_bucket(name: str) -> str:
    """Returns a bucket's name, if nothing in it may be a user or a password. Raises `ValueError`."""
    if any(sign in name for sign in "@?#:%"):
        raise ValueError(f"must be a bucket's name and nothing else; {_NO_KEYS}")
    return name


def check_url(url: str, *, allow_http: bool = False) -> str:
    """Returns `url` without a trailing slash if it is https, or http to this machine.

    Plain http would show the data to everybody on the way; a signature protects the key only.

    Args:
        url: The URL.
        allow_http: Whether plain http is taken to any machine, as in a network of one's own.

    Raises:
        ValueError: any other URL.
    """
    scheme, host = _server(url)
    if scheme not in ("http", "https") or not host or any(sign in url for sign in "@?#") or "%" in host:
        raise ValueError(f"must be a plain URL such as https://example.org, without a user, a password or a query; {_NO_KEYS}")
    if scheme == "http" and not allow_http and not is_loopback(host):
        raise ValueError(
            f"plain http to {host} would show your data to everybody on the way; use https, "
            "or set RESON_ALLOW_HTTP=1 for a network of your own"
        )
    return url.rstrip("/")


def _server(url: str) -> tuple[str, str]:
    """The scheme and the host of a URL; nothing if it is none, or has a port that is no number."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # what stands in the place of a port may be a password
        return parts.scheme, host or ""
    except ValueError:  # whose text repeats the URL
        return "", ""


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
