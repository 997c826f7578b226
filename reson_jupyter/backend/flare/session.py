"""A session with a federation's server that is opened again when it was lost, and whose calls all end within a bounded time."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from nvflare.apis.fl_exception import FLCommunicationError
from nvflare.fuel.flare_api import api_spec
from nvflare.fuel.flare_api.flare_api import Session
from nvflare.fuel.hci.client.file_transfer import FileTransferModule

from ...errors import TargetError
from .kit import Kit, why_gone
from .reach import reach

_REACH = 3.0  # seconds
_CONNECT = 8.0
_PAUSE = 0.9
_LOGOUT = 2.0
_LOGINS = 2
_FIRST_ANSWER = 2.0  # a first message that comes before the connection is ready is lost, and only then sent again
_ANSWER = 5.0  # seconds that a command may take

Result = TypeVar("Result")

# What the API says of a server that is away, or that has forgotten the session; not every version has all of it.
_LOST = (
    FLCommunicationError,
    OSError,
    *(
        getattr(api_spec, name)
        for name in ("NoConnection", "SessionClosed", "SessionExpired", "AuthenticationError")
        if hasattr(api_spec, name)
    ),
)
_OWN = tuple(kind for kind in vars(api_spec).values() if isinstance(kind, type) and issubclass(kind, Exception))


class Unreachable(TargetError):
    """The federation's server does not answer now."""


class Gone(Unreachable):
    """The federation is not there any more, and never will be."""


class Refused(TargetError):
    """The federation's server answered that it will not, or cannot."""


class NotAllowed(Refused):
    """The federation's rules do not allow it to this user."""


class JobGone(Refused):
    """The job is not running, or not known."""


class FlareSession:
    """Asks the server of a federation, from any thread, one question at a time.

    Args:
        kit: Who asks whom.
        downloads: The folder that results are downloaded to, so that the kit's own stays as it is.
    """

    def __init__(self, kit: Kit, downloads: Path) -> None:
        self.kit = kit
        self._downloads = downloads
        self._session: Any = None
        self._lock = threading.Lock()
        self._failed: Unreachable | None = None
        self._again = 0.0

    def ask(self, question: Callable[[Any], Result], patience: float = _ANSWER) -> Result:
        """Calls `question` with an open session of the FLARE API.

        Args:
            question: What is asked.
            patience: Seconds that the server may take for an answer.

        Raises:
            Unreachable: the server does not answer; the next question tries it anew.
            Gone: there is no use in that, see `why_gone`.
            JobGone: the job is not there, or not running.
            Refused: the user may not do that, or the version cannot.
        """
        with self._lock:
            if self._session is None:
                self._session = self._connect_unless_in_vain()
            try:
                self._session.set_timeout(patience)
                return question(self._session)
            except _LOST as error:
                _end_aside(self._session)
                self._session = None
                raise self._unreachable(error) from error
            except (api_spec.JobNotFound, api_spec.JobNotRunning) as error:
                raise JobGone(str(error)) from error
            except Exception as error:
                if not isinstance(error, _OWN):  # the session may be in any state after it
                    self._drop()
                raise self._refused(error) from error

    def close(self) -> None:
        """Logs out, unless somebody waits in vain for an answer."""
        if self._lock.acquire(timeout=_LOGOUT):
            self._drop()
            self._lock.release()

    def _connect_unless_in_vain(self) -> Any:
        """Connects; whoever waited while it was in vain does not wait once more."""
        if self._failed and time.monotonic() < self._again:
            raise type(self._failed)(self._failed.message, self._failed.hint)
        try:
            return self._connect()
        except Unreachable as error:
            self._failed, self._again = error, time.monotonic() + _PAUSE
            raise

    def _connect(self) -> Any:
        if gone := why_gone(self.kit.path, self.kit.federation, at_hand=self.kit.is_loopback):
            raise Gone(gone)
        try:
            reach(self.kit, _REACH)
        except TargetError as error:
            raise Unreachable(error.message, error.hint) from error
        try:
            session = Session(username=self.kit.username, startup_path=str(self.kit.path))
        except Exception as error:  # it reads the kit
            raise Refused(f"the startup kit {self.kit.path} cannot be used: {error}", "Take a fresh copy of the kit.") from error
        for module in session.api.cmd_modules:
            if isinstance(module, FileTransferModule):
                module.download_dir = str(self._downloads)
        session.api.auto_login_max_tries = _LOGINS
        session.api.authenticate_msg_timeout = _FIRST_ANSWER
        try:
            session.try_connect(_CONNECT)
            if not session.api.is_ready():  # before 2.8 a login that failed raised nothing
                raise Refused(f"the federation's server {self.kit.server} did not let {self.kit.username} in")
        except BaseException as error:
            _end_aside(session)
            if isinstance(error, api_spec.AuthenticationError):
                raise self._refused(error) from error
            if isinstance(error, Exception) and not isinstance(error, TargetError):
                raise self._unreachable(error) from error
            raise
        return session

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"the federation's server {self.kit.server} does not answer: {error or type(error).__name__}")

    def _refused(self, error: Exception) -> Refused:
        if isinstance(error, api_spec.AuthorizationError | api_spec.AuthenticationError):
            hint = f"Ask whoever runs the federation what {self.kit.username} may do."
            return NotAllowed(f"the federation's server {self.kit.server} refused {self.kit.username}: {error}", hint)
        return Refused(f"the federation's server {self.kit.server} said: {error or type(error).__name__}")

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            _end(session)


def _end_aside(session: Any) -> None:
    """Ends a session where nobody answers, which takes long."""
    threading.Thread(target=_end, args=(session,), name="logout", daemon=True).start()


def _end(session: Any) -> None:
    with contextlib.suppress(Exception):
        session.close()
