"""The startup kit: the folder by which a federation knows a user, and the user the federation. It is read and never copied."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from ...errors import TargetError

_HOW = (
    "Set the folder that holds startup/fed_admin.json: %reson config startup_kit=/path/to/admin@example.com; or start a "
    "federation on this machine: %reson federation start"
)
_OTHERS = {"fed_client.json": "a site's", "fed_server.json": "the server's"}


@dataclass(frozen=True)
class Kit:
    """A checked startup kit of a user.

    Attributes:
        path: The kit's folder, absolute.
        username: Who its certificate says the user is.
        project: The federation's name.
        host: The server's name or address.
        port: The server's port for users.
        federation: A digest of the certificate that signed all others of this federation; "" if the kit lacks it.
    """

    path: Path
    username: str
    project: str
    host: str
    port: int
    federation: str = ""

    @property
    def server(self) -> str:
        """The server as people write it."""
        return f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the server is this machine."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def read_kit(folder: str) -> Kit:
    """Reads and checks a startup kit.

    Args:
        folder: Its folder, or the folder startup/ in it, as a user writes it.

    Raises:
        TargetError: it is none, or not a user's, or it is incomplete, or its certificate is not valid now.
    """
    if not folder.strip():
        raise TargetError("the target flare needs the startup kit of a user of the federation", _HOW)
    try:
        path = Path(folder.strip()).expanduser().absolute()
    except RuntimeError as error:  # "~somebody" that nobody is
        raise TargetError(f"the startup kit {folder} cannot be found: {error}", _HOW) from None
    if path.name == "startup" and (path / "fed_admin.json").is_file():
        path = path.parent
    startup = path / "startup"
    config = _config(path, startup)
    try:
        host, port = str(config["host"]), int(config["port"])
        files = [startup / str(config[key]) for key in ("client_cert", "client_key", "ca_cert")]
    except (KeyError, ValueError, TypeError) as error:
        raise _damaged(path, f"its fed_admin.json lacks a proper {error}") from None
    for file in files:
        if not file.is_file():
            raise _damaged(path, f"{file.name} is missing from its startup folder")
    name = _owner(path, files[0])
    return Kit(path, str(config.get("username") or name), str(config.get("project_name") or "unnamed"), host, port, _digest(path))


def why_gone(path: Path, federation: str, *, at_hand: bool) -> str:
    """Says why a federation cannot be reached any more with the kit that was read before, or "".

    Args:
        path: The kit's folder.
        federation: The `Kit.federation` that it had.
        at_hand: Whether the server was this machine: there a kit goes with its federation, elsewhere it may just be away.
    """
    try:
        if at_hand and not path.exists():
            return "The federation was stopped"
        if not federation or _digest(path) in ("", federation):
            return ""
    except OSError:  # a disk that does not answer just now
        return ""
    if at_hand:
        return "The federation was stopped (another one has been started since)"
    return f"The startup kit {path} is that of another federation by now"


def _digest(path: Path) -> str:
    """A digest of the federation's root certificate, or "". Raises `OSError` for a file that cannot be read."""
    try:
        return hashlib.sha256((path / "startup" / "rootCA.pem").read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


def _config(path: Path, startup: Path) -> dict[str, Any]:
    """The content of fed_admin.json."""
    try:
        if not path.is_dir():
            raise TargetError(f"there is no folder {path}, which startup_kit names", _HOW)
        for name, whose in _OTHERS.items():
            if (startup / name).is_file():
                raise TargetError(f"{path} is {whose} startup kit, not that of a user who may submit jobs", _HOW)
        content = json.loads((startup / "fed_admin.json").read_bytes())
        config: dict[str, Any] = content["admin"]
        return dict(config)
    except FileNotFoundError:
        raise TargetError(f"{path} is not a startup kit: it has no startup/fed_admin.json", _HOW) from None
    except OSError as error:
        raise TargetError(f"the startup kit {path} cannot be read: {error.strerror}", "Check its permissions.") from None
    except (ValueError, KeyError, TypeError):
        raise _damaged(path, "its fed_admin.json cannot be read") from None


def _owner(path: Path, file: Path) -> str:
    """The user's name in the certificate, which has to be valid now."""
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
        name = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    except OSError as error:
        raise TargetError(f"{file} cannot be read: {error.strerror}", "Check its permissions.") from None
    except (ValueError, IndexError):
        raise _damaged(path, f"{file.name} is no certificate of a user") from None
    now, first, last = datetime.datetime.now(datetime.UTC), certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > last:
        hint = "Ask whoever runs the federation for a new kit."
        raise TargetError(f"the certificate in the startup kit {path} expired on {last:%Y-%m-%d}", hint)
    if now < first:
        when = f"{first:%Y-%m-%d %H:%M} UTC"
        raise TargetError(
            f"the certificate in the startup kit {path} is valid from {when} only", "Is this machine's clock right?"
        )
    return str(name)


def _damaged(path: Path, why: str) -> TargetError:
    return TargetError(f"the startup kit {path} cannot be used: {why}", "Take a fresh copy of the kit, whole.")
