"""Files that are for secrets, by their names: whatever is in them does not ship."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_NAMES = re.compile(
    r"""\.env(?:\..+)? | \.envrc | \.netrc | _netrc | \.pgpass | \.pypirc | \.git-credentials | \.htpasswd | \.dockercfg
    | id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)? | kaggle\.json | .+\.(?:p12|pfx|jks|keystore|kdbx|ppk)""",
    re.VERBOSE | re.IGNORECASE,
)
_STAND_INS = re.compile(r"\.env\.(?:example|sample|template|dist|defaults?)", re.IGNORECASE)
_FOLDERS = frozenset({".ssh", ".aws", ".gnupg", ".azure", ".kube", ".docker"})


def is_of_secrets(path: PurePosixPath) -> bool:
    """Whether a file is for secrets: ".env" is, ".env.example" is not, and all that is in ".ssh" is."""
    name = path.name
    return not _FOLDERS.isdisjoint(path.parts[:-1]) or bool(_NAMES.fullmatch(name) and not _STAND_INS.fullmatch(name))
