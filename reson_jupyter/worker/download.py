"""Fetches an image that a manifest names by https, from a host that the user has allowed, and from nowhere else.

Whoever writes a manifest must not reach what only the site can reach: its own network, its metadata service, itself. So the host
must be on the run's list, its name is resolved once, every address that is not public is left out, and the connection goes to
exactly the address that was looked at; the certificate must still be the host's. Redirects and proxies of the environment are not
followed, and time, size and type are limited. What is said of an address never includes its query, which may hold a signature.

This file travels to the sites below the user's model, as adapter.py does; its names follow the same rules. Only the standard
library is used: of urllib3, which NVFlare brings, no limit covers a server that sends a byte now and then.
"""

import builtins as _rt_py
import contextlib as _rt_contextlib
import functools as _rt_functools
import http.client as _rt_http
import ipaddress as _rt_ipaddress
import json as _rt_json
import re as _rt_re
import socket as _rt_socket
import ssl as _rt_ssl
import time as _rt_time
from typing import Any as _rt_Any

_rt_FETCH_BYTES = 32 << 20  # of one image
_rt_FETCH_CONNECT_SECONDS = 10.0
_rt_FETCH_SECONDS = 60.0  # in all, however the server behaves
_rt_FETCH_TYPES = ("image/jpeg", "image/png")
_rt_FETCH_PORT = 443
# What RFC 3986 allows in path and query, and no more: parsers disagree about the rest.
_rt_FETCH_URL = _rt_re.compile(
    r"https://([a-z0-9.-]+)(?::443)?(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
)
# Public in the eyes of some Python's ipaddress, but no hosts of the internet: protocol assignments, 6to4 (with an IPv4 address
# inside), benchmarks, Teredo, documentation.
_rt_FETCH_NOT_PUBLIC = [
    _rt_ipaddress.ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
]
_rt_FETCH_IPV6 = _rt_ipaddress.IPv6Network("2000::/3")  # all of IPv6 that is given to hosts


def _rt_fetch(url: str, hosts: _rt_Any) -> bytes:
    """The bytes of the JPEG or PNG file at an https address.

    Args:
        url: The address, such as https://images.example.org/1.png.
        hosts: Names of the hosts that images may come from.

    Raises:
        ValueError: the address is not allowed, or what is there cannot be fetched or is no JPEG or PNG; says why.
    """
    host, target = _rt_fetch_parts(url, hosts)
    until = _rt_time.monotonic() + _rt_FETCH_SECONDS
    try:
        with _rt_contextlib.closing(_rt_http.HTTPSConnection(host, context=_rt_fetch_context())) as connection:
            connection.sock = _rt_fetch_connect(host, until)
            connection.request("GET", target, headers={"Accept": ", ".join(_rt_FETCH_TYPES), "User-Agent": "reson-jupyter"})
            return _rt_fetch_body(connection.getresponse())
    except TimeoutError:
        reason = f"it took too long; at most {_rt_FETCH_CONNECT_SECONDS:g} s to connect and {_rt_FETCH_SECONDS:g} s in all"
    except OSError as exc:
        reason = exc.strerror or str(exc)
    except _rt_http.HTTPException as exc:
        reason = f"the answer is no proper HTTP ({type(exc).__name__})"  # its text may repeat what was sent
    except ValueError as exc:
        reason = str(exc)
    raise ValueError(f"{_rt_fetch_shown(url)} cannot be fetched: {reason}")


def _rt_fetch_parts(url: str, hosts: _rt_Any) -> "tuple[str, str]":
    """The host of an address and what to ask it for; ValueError if the address is not allowed. Sends nothing."""
    match = _rt_FETCH_URL.fullmatch(url)
    if not match:
        raise ValueError(
            f"{_rt_fetch_shown(url)} is no plain https address such as https://images.example.org/1.png: host in small letters, "
            "no user or password, no port but 443, no #, other special characters as %xx"
        )
    host, path, query = match.groups()
    if host not in hosts:
        allowed = _rt_json.dumps([*hosts, host])
        raise ValueError(
            f"{_rt_fetch_shown(url)}: sites fetch no images from {host}; put the image into the shard, or allow the host: "
            f"%reson config 'image_hosts={allowed}'"
        )
    return host, path + (query or "")


def _rt_fetch_shown(url: str) -> str:
    """An address without what may be secret, the user and the query, to be shown."""
    scheme, _, rest = _rt_re.split(r"[?#]", url, maxsplit=1)[0].partition("://")
    return repr(f"{scheme}://{rest.rpartition('@')[2]}"[:200])


def _rt_fetch_connect(host: str, until: "float") -> _rt_Any:
    """An encrypted connection to a public address of the host, at which the host has proved its name."""
    addresses = _rt_fetch_resolve(host)
    failure: OSError = OSError(f"{host} has no public address ({', '.join(addresses)}), and sites fetch from no other")
    for address in addresses:
        if not _rt_fetch_is_public(address):
            continue
        try:
            seconds = _rt_py.min(_rt_FETCH_CONNECT_SECONDS, _rt_py.max(until - _rt_time.monotonic(), 0.001))
            with _rt_socket.create_connection((address, _rt_FETCH_PORT), seconds) as plain:
                secure = _rt_fetch_context().wrap_socket(plain, server_hostname=host)
            secure._rt_until = until
            return secure
        except OSError as exc:
            failure = exc
    raise failure


def _rt_fetch_resolve(host: str) -> list[str]:
    try:
        found = _rt_socket.getaddrinfo(host, _rt_FETCH_PORT, type=_rt_socket.SOCK_STREAM)
    except OSError as exc:
        raise OSError(f"the name {host} is not known here ({exc.strerror})") from exc
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _rt_fetch_is_public(address: str) -> "bool":
    """Whether an IP address belongs to one host of the open internet; Python's is_global alone says so of others, too."""
    ip = _rt_ipaddress.ip_address(address)
    if not ip.is_global or ip.is_multicast or (ip.version == 6 and ip not in _rt_FETCH_IPV6):
        return False
    return not _rt_py.any(ip in network for network in _rt_FETCH_NOT_PUBLIC)


@_rt_functools.cache
def _rt_fetch_context() -> _rt_Any:
    """Certificates are checked against the authorities of the system, or of SSL_CERT_FILE."""
    context = _rt_ssl.create_default_context()
    context.sslsocket_class = _rt_FetchSocket
    return context


class _rt_FetchSocket(_rt_ssl.SSLSocket):
    """A socket whose reads end in time even if every single one is short."""

    _rt_until = _rt_py.float("inf")

    def recv_into(self, *args: _rt_Any, **options: _rt_Any) -> "int":
        """Reads, as far as the time allows."""
        seconds = self._rt_until - _rt_time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        self.settimeout(seconds)
        return super().recv_into(*args, **options)


def _rt_fetch_body(response: _rt_Any) -> bytes:
    status, kind = response.status, (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
    if 300 <= status < 400:
        raise ValueError(f"it is a redirect ({status}), which is not followed; name the image's own address")
    if status != 200:
        hint = "; a signed address may have expired" if status == 403 else ""
        raise ValueError(f"the server answers {status} {_rt_http.responses.get(status, '')}{hint}")
    if kind not in _rt_FETCH_TYPES:
        raise ValueError(f"its Content-Type is {kind[:60]!r}; it must be {' or '.join(_rt_FETCH_TYPES)}")
    if (response.length or 0) > _rt_FETCH_BYTES:
        raise ValueError(f"it has {response.length:,} bytes; at most {_rt_FETCH_BYTES:,} are fetched")
    data: bytes = response.read(_rt_FETCH_BYTES + 1)
    if len(data) > _rt_FETCH_BYTES:
        raise ValueError(f"it has more than {_rt_FETCH_BYTES:,} bytes, and no more are fetched")
    if response.length:
        raise ValueError(f"the connection broke off {response.length:,} bytes before the end")
    return data
