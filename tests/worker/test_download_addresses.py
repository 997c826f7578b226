"""Which addresses an image is fetched from: those of allowed hosts, at public places of the network, looked up once."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reson_jupyter.worker import download

from .web import SIGNED, refusal

# Addresses that are written

NOT_ALLOWED = [
    "http://images.example.org/1.png",
    "HTTPS://images.example.org/1.png",
    "https://Images.example.org/1.png",
    "https://images.example.org:8443/1.png",
    "https://images.example.org:0443/1.png",
    "https://images.example.org:443@evil.example/1.png",
    "https://user@images.example.org/1.png",
    "https://user:canary@images.example.org/1.png",
    "https://images.example.org@evil.example/1.png",
    "https://images.example.org\\@evil.example/1.png",
    "https://evil.example\\.images.example.org/1.png",
    "https://images.example.org",
    "https://images.example.org?x=canary",
    "https://images.example.org#/1.png",
    "https://images.example.org/1.png#canary",
    "https://images.example.org/a b.png",
    "https://images.example.org/é.png",
    "https://images.example.org/1.png\r\nHost: evil.example",
    "https://images.example.org/1.png\n",
    " https://images.example.org/1.png",
    "https://images.example.org/\0.png",
    "https:///images.example.org/1.png",
    "https:images.example.org/1.png",
    "https://[::1]/1.png",
    "https://[::ffff:127.0.0.1]/1.png",
    "https://images。example。org/1.png",
    "file:///etc/passwd",
    "",
]


@pytest.mark.parametrize("url", NOT_ALLOWED)
def test_an_address_that_is_not_plain_is_refused_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("a name was looked up"))
    assert "is no plain https address such as https://images.example.org/1.png" in refusal(url, ["images.example.org"])


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "images.example.org.evil.example",
        "example.org",
        "x.images.example.org",
        "images.example.org.",
        "127.1",
        "2130706433",
    ],
)
def test_only_hosts_of_the_list_are_asked_and_the_message_says_how_to_allow_one(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("a name was looked up"))
    assert refusal(f"https://{host}/1.png{SIGNED}", ["images.example.org"]) == (
        f"'https://{host}/1.png': sites fetch no images from {host}; put the image into the shard, or allow the host: "
        f'%reson config \'image_hosts=["images.example.org", "{host}"]\''
    )


@given(st.text(max_size=40).map("https://images.example.org".__add__) | st.text(max_size=40).map("https://".__add__))
def test_whatever_is_written_the_host_is_the_allowed_one_or_it_is_refused(url: str) -> None:
    try:
        host, target = download._rt_fetch_parts(url, ["images.example.org"])
    except ValueError:
        return
    split = urlsplit(url)
    assert (host, split.hostname, split.port or 443) == ("images.example.org", "images.example.org", 443)
    assert target == split.path + (f"?{split.query}" if "?" in url else "")
    assert target.startswith("/")


# Addresses of networks


NOT_PUBLIC = """
    0.0.0.0 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 169.254.169.254 172.16.0.1 192.0.0.8 192.0.0.170
    192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1
    255.255.255.255
    :: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1 100::1 2001::1
    2001:2::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1
    fe80::1%eth0 fec0::1 ff02::1 ff0e::1
"""


@pytest.mark.parametrize("address", NOT_PUBLIC.split())
def test_an_address_that_is_no_host_of_the_internet_is_not_public(address: str) -> None:
    assert not download._rt_fetch_is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.215.14", "192.0.1.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1", "2001:4860::8"]
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert download._rt_fetch_is_public(address)


@dataclass
class Names:
    """A resolver that gives one answer after the other, and what was connected to."""

    answers: list[list[str]]
    asked: int = 0
    connected: list[str] = field(default_factory=list)

    def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked += 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in self.answers[self.asked - 1]]

    def create_connection(self, place: tuple[str, int], timeout: float) -> socket.socket:
        self.connected.append(place[0])
        raise ConnectionRefusedError(111, "Connection refused")


def names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> Names:
    names = Names(list(answers))
    monkeypatch.setattr(socket, "getaddrinfo", names.getaddrinfo)
    monkeypatch.setattr(socket, "create_connection", names.create_connection)
    return names


def test_a_name_that_changes_its_address_after_it_was_looked_at_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = names(monkeypatch, ["93.184.215.14"], ["127.0.0.1"], ["127.0.0.1"])
    assert "Connection refused" in refusal("https://images.example.org/1.png", ["images.example.org"])
    assert resolver.asked == 1
    assert resolver.connected == ["93.184.215.14"]


def test_a_host_at_addresses_that_are_not_public_is_not_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = names(monkeypatch, ["127.0.0.1", "169.254.169.254"])
    message = refusal("https://images.example.org/1.png", ["images.example.org"])
    assert "images.example.org has no public address (127.0.0.1, 169.254.169.254), and sites fetch from no other" in message
    assert resolver.connected == []


def test_of_several_addresses_the_public_ones_are_tried_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = names(monkeypatch, ["10.0.0.1", "8.8.8.8", "8.8.8.8", "::1", "2606:4700::1111"])
    refusal("https://images.example.org/1.png", ["images.example.org"])
    assert resolver.connected == ["8.8.8.8", "2606:4700::1111"]


def test_a_name_that_nobody_knows_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    message = refusal(f"https://images.example.org/1.png{SIGNED}", ["images.example.org"])
    assert "the name images.example.org is not known here (Name or service not known)" in message
