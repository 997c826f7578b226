"""What lies between a store and botocore: the client, waiting for a transfer, and what a failure means."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import boto3
from boto3.exceptions import Boto3Error
from botocore.awsrequest import AWSRequest
from botocore.config import Config as BotoConfig
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from s3transfer.exceptions import CancelledError, RetriesExceededError, S3DownloadFailedError
from s3transfer.subscribers import BaseSubscriber
from urllib3.exceptions import HTTPError

from ...config import ResonTechConfig
from .base import Progress
from .body import Counter
from .workers import GRACE_SECONDS, POLL_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from s3transfer.futures import TransferFuture

_TRANSFER_FAILURES = (RetriesExceededError, S3DownloadFailedError, CancelledError)
FAILURES = (ClientError, BotoCoreError, Boto3Error, HTTPError, OSError, *_TRANSFER_FAILURES)

_KEYS_HINT = "Set RESON_S3_KEY and RESON_S3_SECRET to a pair of keys that is valid for this bucket; keys may have been rotated."
_OPERATOR_HINT = "Try again; if it stays, ask the server's operator."
_BY_CODE = {
    "AccessDenied": ("the server denies access to bucket {bucket}", _KEYS_HINT + " The endpoint may also be another account's."),
    "403": ("the server denies access to bucket {bucket}", _KEYS_HINT + " The endpoint may also be another account's."),
    "InvalidAccessKeyId": ("the server does not know the access key", _KEYS_HINT),
    "SignatureDoesNotMatch": ("the secret key does not belong to the access key", _KEYS_HINT),
    "NoSuchBucket": ("there is no bucket {bucket} at {endpoint}", "Create it, or correct RESON_S3_BUCKET and the endpoint."),
    "AuthorizationHeaderMalformed": (
        "the server is of another region than the one requests are signed for",
        "Set RESON_S3_REGION to the server's region label (Garage: s3_region in its configuration).",
    ),
    "PermanentRedirect": ("bucket {bucket} lies in another region", "Set RESON_S3_REGION to the bucket's region."),
    "301": ("bucket {bucket} lies in another region", "Set RESON_S3_REGION to the bucket's region."),
    "RequestTimeTooSkewed": ("this computer's clock is wrong by more than the server accepts", "Set the clock."),
    "SlowDown": ("the server has too much to do", "Try again in a while."),
    "ServiceUnavailable": ("the server has too much to do", "Try again in a while."),
}
_CONNECT_HINT = "Check that the endpoint is right (RESON_S3_ENDPOINT), that it runs, and that this computer reaches it."
_BY_TYPE: tuple[tuple[tuple[type[Exception], ...], str, str], ...] = (
    (
        (SSLError,),
        "the certificate of {endpoint} cannot be verified",
        "If the server's certificate is from an authority of your own, set AWS_CA_BUNDLE to that authority's file.",
    ),
    ((EndpointConnectionError, ConnectTimeoutError), "{endpoint} cannot be reached", _CONNECT_HINT),
    ((ReadTimeoutError,), "{endpoint} does not answer", _CONNECT_HINT),
    ((NoCredentialsError,), "no keys are set", "Set RESON_S3_KEY and RESON_S3_SECRET, or configure AWS on this computer."),
    ((FileNotFoundError, PermissionError, IsADirectoryError), "{error}", "Check the file and its permissions."),
)


def make_client(connection: ResonTechConfig, region: str | None) -> S3Client:
    """Returns a client of its own session; clients may be used by several threads, sessions may not."""
    secret = connection.s3_secret_access_key.get_secret_value()
    client: S3Client = boto3.session.Session().client(
        "s3",
        endpoint_url=connection.s3_endpoint or None,
        region_name=region,
        aws_access_key_id=connection.s3_access_key_id or None,
        aws_secret_access_key=secret or None,
        config=BotoConfig(
            signature_version="s3v4",
            # A signature over the payload costs as much as sending it. Files are sent with their CRC32, which the server checks;
            # over https nobody can change them on the way, and plain http is allowed to this machine only.
            s3={"addressing_style": "path", "payload_signing_enabled": False},
            retries={"mode": "standard", "total_max_attempts": 4},
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=16,
        ),
    )
    # That the server takes parts is known from the beginning of their upload; to ask before each costs the way there and back.
    client.meta.events.register("before-sign.s3.UploadPart", _without_asking)
    return client


def _without_asking(request: AWSRequest, **_: Any) -> None:
    del request.headers["Expect"]


class _Transfer(BaseSubscriber):
    """Counts a transfer's bytes and tells when it has ended; s3transfer calls it from its own threads."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.moved = Counter()

    def on_progress(self, future: TransferFuture, bytes_transferred: int, **_: Any) -> None:
        self.moved.add(bytes_transferred)

    def on_done(self, future: TransferFuture, **_: Any) -> None:
        self.ended.set()


def wait(start: Callable[[BaseSubscriber], TransferFuture], progress: Progress | None) -> None:
    """Starts a transfer and waits for its end.

    `progress` is called here, not in s3transfer's threads. On any exception, KeyboardInterrupt too, the transfer is cancelled.
    """
    transfer = _Transfer()
    future = start(transfer)
    try:
        over = False
        while not over:
            over = transfer.ended.wait(POLL_SECONDS)
            if progress is not None and (moved := transfer.moved.take()):
                progress(moved)
        future.result()
    finally:
        if not transfer.ended.is_set():
            future.cancel()
            transfer.ended.wait(GRACE_SECONDS)


def is_code(error: BaseException, *codes: str) -> bool:
    """Whether `error` is an answer of the server with one of these S3 error codes."""
    return isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in codes


def explain(error: BaseException, *, bucket: str, endpoint: str) -> tuple[str, str | None]:
    """Returns what a failure means and what to do about it; never with a signed URL or a key in it."""
    names = {"bucket": bucket, "endpoint": endpoint or "AWS", "error": ""}
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        reason, hint = _BY_CODE.get(code, (f"the server answered {code or 'with an error'}", _OPERATOR_HINT))
        return reason.format(**names), hint
    if isinstance(error, OSError):
        names["error"] = f"{error.filename or 'a file'}: {error.strerror}"
    for kinds, reason, hint in _BY_TYPE:
        if isinstance(error, kinds):
            return reason.format(**names), hint
    return f"the connection to {names['endpoint']} failed ({type(error).__name__})", _CONNECT_HINT
