"""Fetching an image by https: from an allowed host, in bounds, or not at all."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from reson_jupyter.worker import download

from ..servers import make_certificates
from .web import IMAGE, SIGNED, Web, refusal, serving


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


@pytest.fixture
def web(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A server at localhost, which counts as public here; its authority is the only one that is known."""
    with serving(certificates) as web:
        monkeypatch.setattr(download, "_rt_FETCH_PORT", web.port)
        monkeypatch.setattr(download, "_rt_fetch_is_public", lambda address: True)
        monkeypatch.setattr(download, "_rt_fetch_resolve", lambda host: ["127.0.0.1"])
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "ca.pem"))
        download._rt_fetch_context.cache_clear()
        yield web
    download._rt_fetch_context.cache_clear()


def fetch(path: str) -> bytes:
    return download._rt_fetch(f"https://localhost/{path}", ["localhost"])


# What is fetched


@pytest.mark.parametrize(("path", "body"), [("image", IMAGE), ("without_length", IMAGE), ("jpeg_in_chunks", b"abcdefg")])
def test_an_image_of_an_allowed_host_is_fetched(web: Web, path: str, body: bytes) -> None:
    assert fetch(path) == body


def test_the_server_is_asked_for_exactly_what_was_named(web: Web) -> None:
    fetch("image?X-Amz-Signature=a%2Fb&x=1")
    assert web.asked == ["/image?X-Amz-Signature=a%2Fb&x=1"]
    assert web.headers == {
        "Host": "localhost",
        "Accept-Encoding": "identity",
        "Accept": "image/jpeg, image/png",
        "User-Agent": "reson-jupyter",
    }


def test_the_port_of_https_may_be_named(web: Web) -> None:
    assert download._rt_fetch("https://localhost:443/image", ["localhost"]) == IMAGE


def test_proxies_of_the_environment_are_not_used(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    assert fetch("image") == IMAGE


# What is not


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("redirect", "it is a redirect (302), which is not followed"),
        ("not_modified", "it is a redirect (304)"),
        ("forbidden", "the server answers 403 Forbidden; a signed address may have expired"),
        ("strange_status", "the server answers 299"),
        ("html", "its Content-Type is 'text/html'; it must be image/jpeg or image/png"),
        ("no_type", "its Content-Type is ''"),
        ("says_it_is_large", "it has 2,000,000 bytes; at most 1,000,000 are fetched"),
        ("endless", "it has more than 1,000,000 bytes"),
        ("endless_in_chunks", "it has more than 1,000,000 bytes"),
        ("breaks_off", f"the connection broke off {1_000 - len(IMAGE)} bytes before the end"),
        ("breaks_off_in_chunks", "the answer is no proper HTTP (IncompleteRead)"),
        ("repeats_what_it_hears", "the answer is no proper HTTP (BadStatusLine)"),
    ],
)
def test_what_is_no_image_or_too_large_is_refused(web: Web, monkeypatch: pytest.MonkeyPatch, path: str, why: str) -> None:
    monkeypatch.setattr(download, "_rt_FETCH_BYTES", 1_000_000)
    message = refusal(f"https://localhost/{path}{SIGNED}", ["localhost"])
    assert message.startswith(f"'https://localhost/{path}' cannot be fetched: {why}")


def test_a_redirect_leads_to_no_second_request(web: Web) -> None:
    refusal(f"https://localhost/redirect{SIGNED}", ["localhost"])
    assert web.asked == [f"/redirect{SIGNED}"]


@pytest.mark.parametrize("path", ["drip", "drip_of_headers", "goes_on_and_on", "silence"])
def test_a_slow_server_holds_a_site_no_longer_than_allowed(web: Web, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(download, "_rt_FETCH_SECONDS", 0.5)
    began = time.monotonic()
    assert "it took too long; at most 10 s to connect and 0.5 s in all" in refusal(f"https://localhost/{path}", ["localhost"])
    assert 0.4 < time.monotonic() - began < 100


def test_a_server_may_think_for_longer_than_connecting_may_take(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_rt_FETCH_CONNECT_SECONDS", 1)
    assert fetch("thinks") == IMAGE


def test_a_server_that_never_greets_is_left(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_rt_FETCH_CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as dumb:
        monkeypatch.setattr(download, "_rt_FETCH_PORT", dumb.getsockname()[1])
        assert "it took too long; at most 0.3 s to connect" in refusal("https://localhost/image", ["localhost"])


def test_a_server_must_prove_the_name_that_was_asked_for(web: Web) -> None:
    assert "certificate is not valid for 'images.example.org'" in refusal(
        "https://images.example.org/image", ["images.example.org"]
    )
    assert not web.asked


def test_a_server_of_an_unknown_authority_is_refused(
    web: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificates: Path
) -> None:
    make_certificates(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    download._rt_fetch_context.cache_clear()
    assert "CERTIFICATE_VERIFY_FAILED" in refusal("https://localhost/image", ["localhost"])
    assert not web.asked


def test_a_server_that_is_not_there_is_named(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        monkeypatch.setattr(download, "_rt_FETCH_PORT", gone.getsockname()[1])
    assert refusal("https://localhost/image", ["localhost"]) == "'https://localhost/image' cannot be fetched: Connection refused"


# Below a user's module


def test_it_works_below_a_module_that_replaces_builtins_and_leaves_only_names_of_its_own(web: Web) -> None:
    above = "from numpy import *\nfrom torch import *\njson = re = ssl = socket = time = 'mine'\n"
    module = ModuleType("model_def")
    exec(above, module.__dict__)
    before = dict(module.__dict__)
    exec(Path(download.__file__).read_text(encoding="utf-8"), module.__dict__)
    changed = {name for name, value in module.__dict__.items() if before.get(name) is not value and not name.startswith("_rt_")}
    assert changed <= {"__doc__", "__annotations__"}
    module.__dict__.update({"_rt_FETCH_PORT": web.port, "_rt_fetch_is_public": lambda address: True})
    assert module._rt_fetch("https://localhost/image", ["localhost"]) == IMAGE
    with pytest.raises(ValueError, match="sites fetch no images"):
        module._rt_fetch("https://localhost/image", json.loads("[]"))
