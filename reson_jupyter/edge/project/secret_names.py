"""Files that are for secrets, by their names: whatever is in them does not ship."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_NAMES = re.compile(
    r"""\.env(?:\..+)? | \.envrc | \.netrc | _netrc | \.pgpass | \.pypirc | \.git-credentials | \.htpasswd | \.dockercfg
    | \.vault-token | id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)? | (?:kaggle|credentials|client_secrets?)\.json
    | .+\.(?:p12|pfx|jks|keystore|kdbx|ppk)""",
    re.VERBOSE | re.IGNORECASE,
)
# What editors and people put behind the name of a copy.
_COPY = re.compile(r"(?:~|\.(?:bak|backup|old|orig|save|copy|swp|tmp|\d+))+$", re.IGNORECASE)
_STAND_INS = re.compile(r"\.env\.(?:example|sample|template|dist|defaults?)", re.IGNORECASE)
_FOLDERS = frozenset({".ssh", ".aws", ".gnupg", ".azure", ".kube", ".docker"})


def is_of_secrets(path: PurePosixPath) -> bool:
    """Whether a file is for secrets: ".env" is, ".env.example" is not, and all that is in ".ssh" is."""
    name = _COPY.sub("", path.name)
    return not _FOLDERS.isdisjoint(path.parts[:-1]) or bool(_NAMES.fullmatch(name) and not _STAND_INS.fullmatch(name))
