"""Who is asking: platform keys, and the login of older deployments."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field

from .answers import Refused
from .bodies import Login

EMAIL, PASSWORD = "ada@example.org", "correct horse"
_COOKIE = "refresh_token"


@dataclass
class Account:
    """One account and what lets it in.

    Attributes:
        keys: Its platform keys; a test revokes one by taking it away.
        bucket: Its bucket's alias; "" where none is provisioned.
        secret: The secret key of its bucket.
        logins: How often somebody logged in.
    """

    bucket: str
    secret: str
    keys: set[str] = field(default_factory=lambda: {f"rsk_dev_{secrets.token_hex(16)}"})
    logins: int = 0
    _tokens: set[str] = field(default_factory=set, repr=False)
    _cookies: set[str] = field(default_factory=set, repr=False)

    @property
    def key(self) -> str:
        """A platform key of it."""
        return next(iter(self.keys))

    def check(self, authorization: str | None) -> None:
        """Raises `Refused` unless the header is a key's or a token's."""
        if not authorization:
            raise Refused(401, "session_required", "Unauthorized", "Send a platform key as a bearer token.")
        found = re.fullmatch(r"Bearer (\S+)", authorization)
        if not found:
            raise Refused(401, "malformed_bearer", "The Authorization header is malformed", "Use: Bearer <platform key>.")
        if found[1] not in self.keys | self._tokens:
            raise Refused(
                401, "invalid_api_key", "The API key is invalid or was revoked", "Mint a new key at Profile > Developer."
            )

    def log_in(self, body: Login) -> tuple[dict[str, object], str]:
        """Returns the answer to a login and its cookie."""
        if (body.email, body.password) != (EMAIL, PASSWORD):
            raise Refused(401, "invalid_credentials", "Wrong e-mail or password")
        self.logins += 1
        cookie = secrets.token_hex(16)
        self._cookies.add(cookie)
        user = {"id": "u1", "email": EMAIL, "username": "ada", "accessApproved": True}
        return {"accessToken": self._new_token(), "user": user}, f"{_COOKIE}={cookie}; Path=/; HttpOnly"

    def refresh(self, cookies: str) -> dict[str, object]:
        """Returns a new token for the cookie of a login."""
        found = re.search(rf"\b{_COOKIE}=(\w+)", cookies)
        if not found or found[1] not in self._cookies:
            raise Refused(401, "session_required", "The session is over", "Log in again.")
        return {"accessToken": self._new_token()}

    def expire_tokens(self, and_sessions: bool = False) -> None:
        """Lets every token expire, and with them the sessions that give new ones."""
        self._tokens.clear()
        if and_sessions:
            self._cookies.clear()

    def _new_token(self) -> str:
        token = f"ey{secrets.token_hex(16)}"
        self._tokens.add(token)
        return token
