"""The calls of the platform's API that a run needs, with what they answer as types."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import PlatformError
from .client import Client
from .reading import count, first, text

_SUBMIT_SECONDS = 600.0  # it starts the run's server before it answers
_DASHBOARD = "/api/customer/dashboard"
_PAGE = 100
_PAGES = 100
_ID = re.compile(r"[A-Za-z0-9._:-]{1,200}")
_ALIAS = re.compile(r"[A-Za-z0-9._-]{1,200}")


@dataclass(frozen=True)
class Task:
    """A job of the platform: its id and name, the state as the platform calls it, and what it says went wrong."""

    id: str
    name: str
    state: str
    error: str = ""


@dataclass(frozen=True)
class Begun:
    """An upload that was begun: where each part of 50 MiB goes to. The URLs are secrets."""

    upload_id: str
    urls: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class Workers:
    """The platform's workers that are there: how many, their GPU models, and the most memory that is free on one, in MB."""

    online: int
    models: tuple[str, ...]
    most_memory: int | None


class Platform:
    """Every method raises `PlatformError` where the platform refuses, or does not answer."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def bucket(self) -> str:
        """Returns the account's bucket."""
        try:
            found = self.client.get("/api/users/storage/bucket")
        except PlatformError as error:
            if error.status != 404:
                raise
            found = {}
        alias = text(first(found, "bucketAlias"))
        if not alias:
            raise PlatformError(
                "the account has no bucket", "Open Profile -> Storage on the platform's pages and press Provision Bucket."
            )
        if not _ALIAS.fullmatch(alias):  # it becomes part of addresses
            raise PlatformError("what the platform says is the account's bucket cannot be the name of one")
        return alias

    def begin_upload(self, key: str, size: int, content_type: str) -> Begun:
        """Begins an upload in parts."""
        body = {"key": key, "size": size, "contentType": content_type}
        # Asked twice it begins two uploads; the one that nobody uses is swept.
        said = self.client.post("/api/users/storage/upload/init", body, repeatable=True)
        upload_id, urls = first(said, "uploadId"), first(said, "urls")
        if not isinstance(upload_id, str) or not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
            raise PlatformError("the platform began an upload without saying where it goes")
        return Begun(upload_id, tuple(urls))

    def complete_upload(self, key: str, upload_id: str, tags: Sequence[str]) -> None:
        """Makes the object of its parts, whose tags are given in order."""
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, start=1)]
        body = {"uploadId": upload_id, "key": key, "parts": parts}
        self.client.post("/api/users/storage/upload/complete", body, repeatable=True)

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Removes an upload and its parts."""
        self.client.post("/api/users/storage/upload/abort", {"uploadId": upload_id, "key": key}, repeatable=True)

    def submit(self, body: Mapping[str, Any]) -> Task:
        """Submits a job, once; where this raises without a status it may have been submitted."""
        task = _task(self.client.post("/api/tasks", body, timeout=_SUBMIT_SECONDS))
        if task is None:
            raise PlatformError("the platform took the job but did not say its id")
        return task

    def task(self, task_id: str) -> Task | None:
        """Returns a job as it is now; None if the platform does not know it."""
        answered = False
        for path in (f"{_DASHBOARD}/jobs/{task_id}", f"/api/tasks/{task_id}"):
            try:
                if task := _task(self.client.get(path)):
                    return task
                answered = True
            except PlatformError as error:
                if error.status != 404:
                    raise
        if answered:
            raise PlatformError("the platform answered with something that is no job")
        return None

    def find(self, name: str) -> Task | None:
        """Returns the job of that name, if there is one."""
        return next((task for task in self._tasks() if task.name == name), None)

    def workers(self) -> Workers:
        """Returns the workers that are online."""
        said = self.client.get(f"{_DASHBOARD}/workers/stats")
        listed = said.get("workers") if isinstance(said, dict) else None
        rows = listed if isinstance(listed, list) else []
        online = count(said.get("onlineCount")) if isinstance(said, dict) else None
        if online is None and not isinstance(listed, list):
            raise PlatformError("its answer has no number of workers")
        models = tuple(sorted({text(first(row, "model")) for row in rows} - {""}))
        memory = [free for row in rows if isinstance(row, dict) and (free := count(row.get("free_memory_mb"))) is not None]
        return Workers(len(rows) if online is None else online, models, max(memory, default=None))

    def round_of(self, task_id: str) -> tuple[int, int] | None:
        """Returns the present round, from 0, and how many there are; None while nobody can tell."""
        jobs = first(self.client.get(f"{_DASHBOARD}/listJobsNvflare", job_id=task_id), "jobs")
        ids = [text(first(job, "job_id")) for job in jobs] if isinstance(jobs, list) else []
        inner = next(filter(None, ids), None)
        if inner is None:
            return None
        said = self.client.get(
            f"{_DASHBOARD}/showStatsNvflare", job_id=task_id, target_job_id=inner, target_type="server"
        )  # fmt: skip
        if not isinstance(said, dict):
            return None
        current, total = count(said.get("current_round")), count(said.get("num_rounds"))
        return (current, total) if current is not None and total is not None and current < total else None

    def _tasks(self) -> Iterator[Task]:
        seen: set[str] = set()
        for _ in range(_PAGES):
            rows = self.client.get(f"{_DASHBOARD}/jobs", limit=_PAGE, offset=len(seen))
            if not isinstance(rows, list):
                raise PlatformError("the platform answered with something that is no list of jobs")
            tasks = [task for row in rows if (task := _task(row))]
            if rows and not tasks:
                raise PlatformError("the platform answered with a list in which nothing is a job")
            # A platform that does not know pages gives the same one again; one may be shorter than asked for.
            new = [task for task in tasks if task.id not in seen]
            if not new:
                return
            yield from new
            seen |= {task.id for task in new}
        raise PlatformError(f"the list of the account's jobs has no end: {len(seen)} were read")


def _task(said: Any) -> Task | None:
    """A job, in the words of the dashboard or of the tasks; None if that is none."""
    task_id = text(first(said, "jobId", "id"))
    if not _ID.fullmatch(task_id):  # it becomes part of addresses
        return None
    state = text(first(said, "state", "status") or "QUEUED").upper() or "?"
    error = " ".join(text(first(said, "error", "errorMessage")).split())[:300]
    return Task(task_id, text(first(said, "jobName", "name")), state, error)
