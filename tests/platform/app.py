"""The platform itself, without HTTP: who may ask what, and what is answered."""

from __future__ import annotations

import dataclasses
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any

from tests.faulty_server import FaultyServer
from tests.servers import S3Endpoint

from .account import Account
from .answers import Refused, WireFault, invalid
from .bodies import Login, Task, UploadAbort, UploadComplete, UploadInit, parse
from .bucket import Bucket
from .jobs import GPU_MODELS, OVER, PlatformJob, admit, find
from .training import Training
from .uploads import Uploads

LOGIN = ("POST /api/auth/login", "POST /api/auth/refresh")
UNDOCUMENTED = ("POST /api/tasks/{id}/cancel", "GET /api/tasks/{id}/logs")
_PAGE = 20
_FREE_MB = 24_000


@dataclasses.dataclass
class Asked:
    """A request.

    Attributes:
        route: As "GET /api/tasks/{id}".
        id: What stands in the place of {id}; "" if nothing does.
        query: Its query.
        body: Its JSON body; None if it has none.
        headers: Its headers.
    """

    route: str
    id: str
    query: dict[str, str]
    body: Any
    headers: Mapping[str, str]


@dataclasses.dataclass
class Answer:
    """What is answered: JSON, or nothing at all."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Platform:
    """The platform of one account.

    Attributes:
        base_url: Where its API is.
        s3: The wire to the bucket, with faults of its own.
        account: Who may ask.
        bucket: The account's bucket, as the platform sees it.
        uploads: What is uploaded by presigned URLs.
        jobs: The jobs by id, in the order in which they were accepted.
        workers: The workers that are online: {id: GPU model}.
        trains: Whether jobs are carried out; else a test says what becomes of them.
        preloads_model: Whether what lies in a job's model/ is put beside its scripts; that nobody documents.
        hidden: Endpoints that this deployment does not have, as in `asked`: at first the older
            login, and what nobody documents.
        faults: What is to happen to the next requests.
        asked: The requests, in order, as "POST /api/tasks"; an id in a path is {id}.
    """

    def __init__(self, inside: S3Endpoint, outside: S3Endpoint, s3: FaultyServer) -> None:
        self.base_url = ""
        self.s3 = s3
        self.account = Account(inside.bucket, inside.secret_key)
        self.bucket = Bucket(inside)
        self.uploads = Uploads(inside, outside)
        self.jobs: dict[str, PlatformJob] = {}
        self.workers = {f"worker-{number}": "rtx_4090" for number in range(1, 5)}
        self.trains = False
        self.preloads_model = False
        self.hidden = {*LOGIN, *UNDOCUMENTED}
        self.faults: list[WireFault] = []
        self.asked: list[str] = []
        self._outside = outside
        self._lock = threading.Lock()
        self._trainings: dict[str, Training] = {}
        self._routes: dict[str, Callable[[Asked], Answer]] = {
            "POST /api/auth/login": self._log_in,
            "POST /api/auth/refresh": self._refresh,
            "GET /api/users/storage/bucket": self._tell_bucket,
            "PATCH /api/users/storage/bucket/rotate-key": self._rotate_key,
            "POST /api/users/storage/upload/init": lambda asked: Answer(self.uploads.init(parse(UploadInit, asked.body)), 201),
            "POST /api/users/storage/upload/complete": self._complete,
            "POST /api/users/storage/upload/abort": self._abort_upload,
            "POST /api/tasks": self._create_task,
            "GET /api/tasks/{id}": lambda asked: Answer(find(self.jobs, asked.id).as_task),
            "POST /api/tasks/{id}/cancel": self._cancel,
            "GET /api/tasks/{id}/logs": self._tell_logs,
            "GET /api/customer/dashboard/jobs": self._list_jobs,
            "GET /api/customer/dashboard/jobs/{id}": lambda asked: Answer(find(self.jobs, asked.id).as_page),
            "GET /api/customer/dashboard/workers/stats": self._tell_workers,
            "GET /api/customer/dashboard/listJobsNvflare": self._list_nvflare_jobs,
            "GET /api/customer/dashboard/showStatsNvflare": self._tell_rounds,
            "GET /api/gpu-catalog": self._tell_catalogue,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a user names the account; its bucket the platform tells."""
        variables = {"RESON_BASE_URL": self.base_url, "RESON_API_KEY": self.account.key, **self._outside.environment}
        return {name: value for name, value in variables.items() if name != "RESON_S3_BUCKET"}

    @property
    def secrets(self) -> list[str]:
        """What must never be seen in any output."""
        return [*self.account.keys, self.account.secret, "X-Amz-Signature", "x-amz-signature"]

    def asked_of(self, request: str) -> int:
        """Returns how often a request was made."""
        return self.asked.count(request)

    def cancel(self, job_id: str) -> None:
        """Cancels a job, as its page in the browser does."""
        job = self.jobs[job_id]
        if job.state not in OVER:
            job.state = "CANCELLED"
        if training := self._trainings.get(job_id):
            training.stop()

    def close(self) -> None:
        """Ends all trainings."""
        for training in self._trainings.values():
            training.stop()

    def fault_of(self, request: str) -> WireFault:
        """Notes a request and returns what is to happen to it."""
        with self._lock:
            self.asked.append(request)
            for fault in self.faults:
                if fault.request in (request, "*") and fault.times:
                    fault.times -= 1
                    return fault
        return WireFault(request)

    def answer(self, asked: Asked) -> Answer:
        """Carries out a request. Raises `Refused`."""
        route = self._routes.get(asked.route)
        if route is None or asked.route in self.hidden:
            raise Refused(404, "", f"Cannot {asked.route.replace('{id}', asked.id)}")
        if not asked.route.startswith("POST /api/auth/"):
            self.account.check(asked.headers.get("Authorization"))
        return route(asked)

    # Accounts

    def _log_in(self, asked: Asked) -> Answer:
        body, cookie = self.account.log_in(parse(Login, asked.body))
        return Answer(body, 201, {"Set-Cookie": cookie})

    def _refresh(self, asked: Asked) -> Answer:
        return Answer(self.account.refresh(asked.headers.get("Cookie") or ""), 201)

    def _tell_bucket(self, asked: Asked) -> Answer:
        if not self.account.bucket:
            raise Refused(404, "bucket_not_found", "No bucket is provisioned", "Provision a bucket at Profile > Storage.")
        return Answer({"bucketAlias": self.account.bucket, "quotaBytes": 10**12})

    def _rotate_key(self, asked: Asked) -> Answer:
        self.account.secret = secrets.token_hex(16)
        return Answer({"secretAccessKey": self.account.secret})

    def _complete(self, asked: Asked) -> Answer:
        self.uploads.complete(parse(UploadComplete, asked.body))
        return Answer(None, 204)

    def _abort_upload(self, asked: Asked) -> Answer:
        self.uploads.abort(parse(UploadAbort, asked.body))
        return Answer(None, 204)

    # Jobs

    def _create_task(self, asked: Asked) -> Answer:
        job = admit(parse(Task, asked.body), self.bucket, self.workers)
        self.jobs[job.id] = job
        told = job.as_task
        if self.trains and job.workers <= len(self.workers):
            self._trainings[job.id] = Training(job, self.bucket, self.preloads_model)
            self._trainings[job.id].start()
        return Answer(told, 201)

    def _cancel(self, asked: Asked) -> Answer:
        self.cancel(find(self.jobs, asked.id).id)
        return Answer(None, 204)

    def _tell_logs(self, asked: Asked) -> Answer:
        find(self.jobs, asked.id)
        training = self._trainings.get(asked.id)
        return Answer({"logs": training.logs() if training else {}})

    def _list_jobs(self, asked: Asked) -> Answer:
        query = _query(asked, {"offset", "limit"})
        if not all(value.isdecimal() for value in query.values()):
            raise invalid("offset and limit must be whole numbers")
        offset, limit = int(query.get("offset", 0)), int(query.get("limit", _PAGE))
        return Answer([job.as_row for job in list(self.jobs.values())[::-1][offset : offset + limit]])

    def _tell_workers(self, asked: Asked) -> Answer:
        rows = [{"model": model, "free_memory_mb": _FREE_MB} for model in self.workers.values()]
        return Answer({"onlineCount": len(rows), "totalFreeMemoryMb": _FREE_MB * len(rows), "workers": rows})

    def _list_nvflare_jobs(self, asked: Asked) -> Answer:
        query = _query(asked, {"job_id", "detailed"})
        if query.get("detailed", "true") != "true":
            raise invalid("detailed must be true")
        job = self._named(query)
        return Answer({"jobs": [] if job.round is None else [{"job_id": job.nvflare_id, "job_name": job.task.name}]})

    def _tell_rounds(self, asked: Asked) -> Answer:
        query = _query(asked, {"job_id", "target_job_id", "target_type"})
        job = self._named(query)
        if query.get("target_type") not in ("server", "client") or query.get("target_job_id") != job.nvflare_id:
            raise invalid("target_job_id must be NVFlare's id of the job, and target_type server or client")
        return Answer({} if job.round is None else {"current_round": job.round, "num_rounds": job.num_rounds})

    def _tell_catalogue(self, asked: Asked) -> Answer:
        return Answer([{"id": model, "pricePerGpuHourCents": 90 - 10 * place} for place, model in enumerate(GPU_MODELS)])

    def _named(self, query: dict[str, str]) -> PlatformJob:
        if "job_id" not in query:
            raise invalid("job_id must be given")
        return find(self.jobs, query["job_id"])


def _query(asked: Asked, known: set[str]) -> dict[str, str]:
    if unknown := set(asked.query) - known:
        raise invalid(f"property {unknown.pop()} should not exist")
    return asked.query
