"""How the end of a job is asked for, and where a user can end it himself."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ...errors import PlatformError, StoreError
from ...events import EventType
from ..carrying.channel import StoreChannel
from ..carrying.journal import Journal
from .extras import Extras

_GRACE, _PATIENCE = 60.0, 900.0  # seconds


@dataclass(frozen=True)
class Page:
    """The platform's pages, by their address; "" if nobody knows it."""

    url: str

    def of(self, task_id: str) -> str:
        """Returns the address of a job's page, or what to look for."""
        return f"{self.url}/dashboard/jobs/{task_id}" if self.url else f"job {task_id}"

    def instead(self, task_id: str) -> str:
        """Returns a sentence that tells where to do what cannot be done from here."""
        if not task_id:
            return "The platform's pages list the account's jobs."
        return f"Its page on the platform has its logs, and a button to stop it: {self.of(task_id)}"


class Stop:
    """The end of one job on request.

    Its server looks into the bucket; one that is not there yet hears of it when it comes up. Where the platform can cancel, it is
    asked to if nobody ends the job in good order.

    Args:
        channel: The way to the job's server.
        extras: What the platform may be able to do.
        page: Where a user can look.
        journal: The run's log.
    """

    def __init__(self, channel: StoreChannel, extras: Extras, page: Page, journal: Journal) -> None:
        self._channel = channel
        self._extras = extras
        self._page = page
        self._journal = journal
        self._since: float | None = None
        self._task_id = ""
        self._cancelled = self._noted = False

    @property
    def asked(self) -> bool:
        """Whether the end was asked for."""
        return self._since is not None

    def ask(self, task_id: str, *, heard: bool) -> None:
        """Asks for the end, by one way and after a while by the other; to be called again as long as the job goes on.

        Args:
            task_id: The job; "" as long as it has no id.
            heard: Whether its server reports.
        """
        self._task_id = task_id
        if self._since is None:
            self._since = time.monotonic()
            self._journal.say(EventType.STOPPING, grace=_GRACE)
            try:
                self._channel.stop()
            except StoreError as error:
                self._warn(f"the server could not be told to end: {error}")
        if task_id and not self._cancelled and (not heard or time.monotonic() - self._since > _GRACE / 2):
            self._cancelled = True
            self._cancel(task_id)

    def given_up(self) -> str:
        """Returns why an end that does not come is waited for no longer; "" as long as it is."""
        waited = 0.0 if self._since is None else time.monotonic() - self._since
        if waited > _GRACE and not self._noted:
            self._noted = True
            self._note(f"the job has not ended after it was asked to. {self._page.instead(self._task_id)}")
        if waited > _PATIENCE:
            return f"The job did not end after it was asked to; it may go on and cost money. {self._page.instead(self._task_id)}"
        return ""

    def _cancel(self, task_id: str) -> None:
        try:
            if not self._extras.cancel(task_id):
                self._note(
                    f"the platform cannot cancel a job from here; its server was told to end. {self._page.instead(task_id)}"
                )
        except PlatformError as error:
            self._warn(f"the platform could not be told to cancel the job: {error}")

    def _note(self, message: str) -> None:
        self._journal.say(EventType.LOG, level="info", message=message, note=True)

    def _warn(self, message: str) -> None:
        self._journal.say(EventType.LOG, level="warning", message=message)
