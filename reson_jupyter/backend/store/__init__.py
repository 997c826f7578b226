"""Where files lie: one protocol, a plain directory or an S3 bucket behind it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ...config import ResonTechConfig, SubmitConfig, check_store
from ...errors import StoreError
from ...paths import expanded
from .base import ObjectInfo, Progress, Store, UploadForm, check_key
from .directory import DirectoryStore

__all__ = ["DirectoryStore", "ObjectInfo", "Progress", "Store", "UploadForm", "check_key", "default_store_url", "open_store"]

_HINT = "Use file:///a/folder for a folder of this machine, or s3://bucket or s3://bucket/prefix for a bucket."


def default_store_url(connection: ResonTechConfig | None, home: Path) -> str:
    """Returns the store's URL when nobody named one: $RESON_STORE, else the connection's bucket, else a folder under `home`.

    Raises:
        ConfigError: the environment cannot be used.
    """
    if named := SubmitConfig().store:
        return named
    if connection is not None and connection.s3_access_key_id and connection.s3_bucket:
        return f"s3://{connection.s3_bucket}"
    return (home / "store").absolute().as_uri()


def open_store(url: str, connection: ResonTechConfig | None = None) -> Store:
    """Opens a store; no request is made yet.

    Args:
        url: "file:///path", "s3://bucket" or "s3://bucket/prefix".
        connection: Endpoint, region and keys of a bucket; None reads them from the RESON_S3_* variables. Without keys, the
            AWS configuration of this machine is used.

    Raises:
        StoreError: the URL is of no kind known here, or its folder cannot be used.
    """
    try:
        check_store(url)
    except ValueError as error:
        raise StoreError(f"The store's URL {error}.", _HINT) from None
    try:
        parts = urlsplit(url)
    except ValueError:
        raise StoreError(f"The store {url!r} is not a URL.", _HINT) from None
    if parts.scheme == "file":
        return DirectoryStore(_folder(url, parts.netloc, parts.path))
    if parts.scheme == "s3":
        if not parts.netloc:
            raise StoreError("The store's URL must hold a bucket and perhaps a prefix, and nothing else.", _HINT)
        # boto3 takes some tenths of a second to import, which nobody with a folder should wait for.
        from .s3 import S3Store

        return S3Store(parts.netloc, parts.path.strip("/"), connection or ResonTechConfig())
    hint = _HINT
    if not parts.scheme and url:
        hint = f"Did you mean {expanded(url, StoreError).absolute().as_uri()}? {_HINT}"
    raise StoreError(f"The store {url!r} is of no kind known here.", hint)


def _folder(url: str, host: str, path: str) -> Path:
    # "file://data/x" names a machine called data, which nobody means.
    if host not in ("", "localhost") or "\\0" in path or "%00" in path:
        raise StoreError(f"The store {url!r} does not name a folder of this machine.", "Three slashes: file:///a/folder.")
    folder = Path(url2pathname(path))
    if not folder.is_absolute():
        raise StoreError(f"The store {url!r} does not name a folder.", _HINT)
    return folder
