"""What the address of the ResonTech platform's API tells of its other addresses."""

from __future__ import annotations

from urllib.parse import urlsplit

# {host of the API: (its bucket's, its pages')}
_KNOWN = {
    "api.reson.tech": ("s3.reson.tech", "reson.tech"),
    "api.beta.reson.tech": ("s3.beta.reson.tech", "beta.reson.tech"),
    "dev.api.beta.reson.tech": ("s3.dev.beta.reson.tech", "dev.beta.reson.tech"),
}


def bucket_url(base_url: str) -> str:
    """Returns the address of the S3 API that belongs to the platform's; "" if nobody knows it."""
    return _url(base_url, 0)


def pages_url(base_url: str) -> str:
    """Returns the address of the pages that belong to the platform's API; "" if nobody knows it."""
    return _url(base_url, 1)


def _url(base_url: str, place: int) -> str:
    found = _KNOWN.get(urlsplit(base_url).hostname or "")
    return f"https://{found[place]}" if found else ""
