"""Fields of a config that are secrets, or hold one: they are set in the environment, never in a cell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from .capture.secrets.credential_names import is_credential_name
from .capture.secrets.scan import scan
from .errors import ConfigError

SECRETS = MappingProxyType(
    {"password": "RESON_PASSWORD", "platform_api_key": "RESON_API_KEY", "s3_secret_access_key": "RESON_S3_SECRET"}
)

_NOT_HERE = "{} is a secret and is not set here, where notebooks and their history would keep it."

# A cell that asks for it keeps no trace of it.
_OF_THE_PLATFORM = (
    "Set RESON_API_KEY before the kernel starts; or here: import os, getpass; os.environ['RESON_API_KEY'] = getpass.getpass()"
)


def refuse_secret_name(name: str, value: Any) -> None:
    """Raises `ConfigError` if a field is a secret, or text is given to a name that only a secret has, however short it is."""
    if name in SECRETS:
        raise ConfigError(_NOT_HERE.format(name), _by_environment(name))
    if isinstance(value, str) and value and (name.lower() == "token" or is_credential_name(name)):
        refuse_secret(name, value)  # which knows what a longer one is
        meant = next((field for field in SECRETS if name.lower() in field), "")
        own = f"For the sites, set an environment variable on each, and read it where it is needed: os.environ[{name.upper()!r}]."
        raise ConfigError(_NOT_HERE.format(name), f"{_by_environment(meant)}\n  {own}" if meant else own)


def _by_environment(field: str) -> str:
    return (
        f"Set {SECRETS[field]} before the kernel starts; or here: "
        f"import os, getpass; os.environ[{SECRETS[field]!r}] = getpass.getpass()"
    )


def refuse_secret(name: str, value: Any) -> None:
    """Raises `ConfigError` if the value of a field holds what looks like a secret."""
    for key, text in dict.fromkeys(_texts(name, value)):
        found = [finding for finding in scan(f"{key} = {text!r}") if finding.blocks]
        if found:
            raise ConfigError(
                f"{name} holds {found[0].kind}; a field of a config ships, and is shown.",
                _OF_THE_PLATFORM
                if text.startswith("rsk_")
                else f"Set an environment variable on each site, and read it where it is needed: os.environ[{key.upper()!r}].",
            )


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every string in a value, with the nearest name for it; the names in a dict are shown, too."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield "name", str(name)
            # As a name in Python: "api-key" is none.
            yield from _texts(re.sub(r"\W", "_", str(name)), item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _texts(key, item)
