"""A startup kit as a federation's administrator hands it out, and a federation that answers as it is told."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from reson_jupyter.backend.flare.kit import Kit

DAY = datetime.timedelta(days=1)


def write_kit(folder: Path, *, begins: datetime.timedelta = -DAY, ends: datetime.timedelta = DAY, port: int = 8002) -> Path:
    """Writes the startup kit of a user whose certificate is valid from and until so long from now."""
    startup = folder / "startup"
    startup.mkdir(parents=True)
    (folder / "transfer").mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ann@example.com")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now + begins).not_valid_after(now + ends).sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (startup / "client.crt").write_bytes(pem)
    (startup / "rootCA.pem").write_bytes(pem)
    form = serialization.PrivateFormat.PKCS8
    (startup / "client.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    admin = {
        "project_name": "hospitals", "username": "", "host": "127.0.0.1", "port": port, "uid_source": "cert", "scheme": "http",
        "client_key": "client.key", "client_cert": "client.crt", "ca_cert": "rootCA.pem",
        "upload_dir": "transfer", "download_dir": "transfer",
    }  # fmt: skip
    (startup / "fed_admin.json").write_text(json.dumps({"format_version": 1, "admin": admin}))
    return folder


class FakeSession:
    """Answers as a `FlareSession` whose API the test plays; what is raised stands for what the server said."""

    def __init__(self, api: Any) -> None:
        self.kit = Kit(Path("/kits/ann"), "ann@example.com", "hospitals", "127.0.0.1", 8002)
        self.api = api

    def ask(self, question: Callable[[Any], Any], patience: float = 5.0) -> Any:
        return question(self.api)

    def close(self) -> None:
        pass


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """The folder of a sound kit."""
    return write_kit(tmp_path / "ann@example.com")
