"""What went wrong, from the platform's answer or the lack of one, in words without secrets."""

from __future__ import annotations

import re
from typing import Any, Protocol

import requests

from ...errors import PlatformError

_LONGEST = 300
# The query of a presigned URL is a key.
_QUERY = re.compile(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]+")
_HINTS = {
    402: "The account's balance does not cover it; see the platform's billing page.",
    404: "Is RESON_BASE_URL the address of the API?",
    429: "The platform has too many requests from this account; try again in a while.",
}
_BROKEN = "That is the platform's fault; try again in a while, and ask its support if it stays."


class Identity(Protocol):
    """Who we are to the platform; see `login`."""

    what: str
    hint: str

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may show."""


def problem_of(answer: requests.Response, identity: Identity) -> PlatformError:
    """Returns the error that an answer is: the platform's own words, {code, message, hint}, with what they mean."""
    status = answer.status_code
    envelope = _envelope(answer)
    code = _clean(envelope.get("code"), identity)
    said = _clean(envelope.get("message") or envelope.get("error") or "", identity)
    numbers = f"{status} {code}" if code else f"{status}"
    told = f": {said}" if said else ""
    hint = _clean(envelope.get("hint"), identity) or None
    if status == 401:
        message, hint = f"{identity.what} was refused ({numbers}){told}", hint or identity.hint
    elif status == 403:
        message = f"{identity.what} does not allow this ({numbers}){told}"
        hint = hint or "It may need the platform's pages, or another role of the account."
    elif 300 <= status < 400:
        message = f"the platform answered with a redirect ({numbers})"
        hint = "Set RESON_BASE_URL to the API's own address, with https."
    elif status >= 500:
        message, hint = f"the platform could not do it ({numbers}){told}", hint or _BROKEN
    else:
        message, hint = f"the platform refused it ({numbers}){told}", hint or _HINTS.get(status)
    return PlatformError(message, hint, status=status, code=code)


def no_answer(error: requests.RequestException, base_url: str) -> PlatformError:
    """Returns the error for a request that got no answer; nobody can tell then whether it arrived."""
    if isinstance(error, requests.exceptions.SSLError):
        return PlatformError(
            f"the certificate of {base_url} cannot be verified",
            "If it is from an authority of your own, set REQUESTS_CA_BUNDLE to that authority's file.",
        )
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError):
        return PlatformError(f"{base_url} cannot be reached", "Check RESON_BASE_URL, the network, and its proxy.")
    if isinstance(error, requests.exceptions.TooManyRedirects):
        return PlatformError(f"{base_url} sends us on in a circle", "Is RESON_BASE_URL the address of the API?")
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return PlatformError(
            f"an answer of {base_url} cannot be unpacked: it is not compressed as it says",
            "A proxy in between may do that; try without it.",
        )
    if isinstance(error, requests.exceptions.Timeout):
        return PlatformError(f"{base_url} does not answer in time", "Try again in a while.")
    return PlatformError(
        f"the connection to {base_url} failed ({type(error).__name__})",
        "Check RESON_BASE_URL, and that this computer reaches it.",
    )


def json_of(answer: requests.Response) -> Any:
    """Returns what an answer says. Raises `ValueError` if that is no JSON, or nested deeper than anybody reads."""
    try:
        return answer.json()
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _envelope(answer: requests.Response) -> dict[str, Any]:
    try:
        found = json_of(answer)
    except ValueError:
        # A page of a proxy is not worth showing, and neither is what only looks like JSON.
        return {} if "<" in answer.text[:200] or answer.text[:1] in ("[", "{") else {"message": answer.text}
    return found if isinstance(found, dict) else {}


def _clean(value: Any, identity: Identity) -> str:
    """Text of the platform in one line, short, and with nothing in it that opens anything."""
    try:
        text = "; ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    except (ValueError, RecursionError):  # a number or a nest too large to be written
        return ""
    text = _QUERY.sub(r"\1?...", " ".join(text.split()))
    for secret in identity.secrets:
        text = text.replace(secret, "***")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
