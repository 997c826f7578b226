"""Uploads beside plain boto3 and the aws command, and the bytes that a second upload sends.

One file of 512 MiB and eight of 64 MiB, in turn by `upload` with its plan and its look afterwards, by `upload_file` of boto3 in
a loop, and by `aws s3 cp` or `sync` where it is installed; each from the making of its client to the end, and each first in turn.
Over plain http to three servers: one that is faster than any client, as it only counts what comes, so the client decides; the
same at the end of a line of 40 ms there and back, as a bucket in another country; and moto, which keeps and checks everything and
needs several times the CPU of any client, so that little of what clients do shows. Ratios are theirs / ours, the median of the
rounds: higher is better.

Then bytes on the wire, headers included: eight shards of which one has changed, and 512 MiB after SIGKILL when moto has half of
the parts.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from reson_jupyter.backend.store import open_store
from reson_jupyter.backend.store.multipart import PART_BYTES
from reson_jupyter.backend.store.transfer import Upload, make_plan, upload
from reson_jupyter.config import ResonTechConfig
from tests.bare_server import bare_server
from tests.servers import Line, S3Endpoint, client_of, s3_server

MIB = 1 << 20
ROUNDS = 5
_THERE_AND_BACK = 0.04  # seconds
BIG, SMALL, FILES = 512 * MIB, 64 * MIB, 8


def made(folder: Path, count: int, size: int) -> Path:
    """Writes files of random bytes."""
    folder.mkdir()
    for number in range(count):
        with (folder / f"{number}.zip").open("wb") as file:
            for _ in range(size // MIB):
                file.write(os.urandom(MIB))
    return folder


def plan_of(folder: Path) -> list[Upload]:
    """The files as shards; their names stand for their digests."""
    return [Upload(f"shards/sha256/{path.name}", path, once=True) for path in sorted(folder.iterdir())]


def send(url: str, folder: Path) -> None:
    """Sends the files that the store does not have."""
    store = open_store(url, ResonTechConfig())
    upload(store, make_plan(store, plan_of(folder)))


def clear(endpoint: S3Endpoint) -> None:
    """Frees the server's memory."""
    client = client_of(endpoint)
    for item in client.list_objects_v2(Bucket=endpoint.bucket).get("Contents", []):
        client.delete_object(Bucket=endpoint.bucket, Key=item["Key"])


def aws(endpoint: S3Endpoint, folder: Path) -> None:
    """Sends the files by the aws command."""
    files = sorted(folder.iterdir())
    what = ["cp", str(files[0])] if len(files) == 1 else ["sync", str(folder)]
    command = ["aws", "--endpoint-url", endpoint.url, "s3", *what, f"s3://{endpoint.bucket}/aws/", "--only-show-errors"]
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": endpoint.region}
    subprocess.run(command, check=True, env=os.environ | keys)


def cpu() -> float:
    """The seconds of CPU of this process and of the commands that it ran; not the server's, which still runs."""
    return sum(os.times()[:4])


def boto(endpoint: S3Endpoint, folder: Path) -> None:
    """Sends the files as a user of boto3 does."""
    client = client_of(endpoint)
    for path in sorted(folder.iterdir()):
        client.upload_file(str(path), endpoint.bucket, path.name)


def compare(endpoint: S3Endpoint, folder: Path, title: str, goal: str, rounds: int = ROUNDS) -> None:
    """Prints the seconds of each way, taken in turn, and the ratios."""
    ways: dict[str, Callable[[], Any]] = {
        "ours": lambda: send(f"s3://{endpoint.bucket}", folder),
        "upload_file": lambda: boto(endpoint, folder),
    }
    if shutil.which("aws"):
        ways["aws s3"] = lambda: aws(endpoint, folder)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    busy: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        turn = number % len(ways)
        for name, way in [*ways.items()][turn:] + [*ways.items()][:turn]:
            begun, used = time.perf_counter(), cpu()
            way()
            seconds[name].append(time.perf_counter() - begun)
            busy[name].append(cpu() - used)
            clear(endpoint)
    print(f"{len(list(folder.iterdir()))} x {next(folder.iterdir()).stat().st_size // MIB} MiB, {title}")
    print("  " + ", ".join(f"{name} {median(seconds[name]):.2f} s (CPU {median(busy[name]):.2f} s)" for name in ways))
    for name in [*ways][1:]:
        ratios = [theirs / ours for theirs, ours in zip(seconds[name], seconds["ours"], strict=True)]
        of_cpu = median([theirs / ours for theirs, ours in zip(busy[name], busy["ours"], strict=True)])
        each = " ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"  {name} / ours: {median(ratios):.2f}x ({goal}; rounds: {each}), CPU of the client: {of_cpu:.2f}x")
    if "aws s3" not in ways:
        print("  aws s3: not installed")


@contextmanager
def counted(endpoint: S3Endpoint, bytes_per_second: int | None = None):
    """Yields a line to the server that counts what is sent."""
    line = Line(endpoint.url, bytes_per_second)
    os.environ["RESON_S3_ENDPOINT"] = line.url
    try:
        yield line
    finally:
        os.environ["RESON_S3_ENDPOINT"] = endpoint.url
        line.cut()


@contextmanager
def at_a_distance(endpoint: S3Endpoint):
    """Yields the server as it is at the end of a long line, which is a process of its own."""
    command = [sys.executable, __file__, "--line", endpoint.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as line:
        os.environ["RESON_S3_ENDPOINT"] = line.stdout.readline().strip()
        try:
            yield replace(endpoint, url=os.environ["RESON_S3_ENDPOINT"])
        finally:
            os.environ["RESON_S3_ENDPOINT"] = endpoint.url
            line.stdin.close()


def resubmit(endpoint: S3Endpoint, folder: Path) -> None:
    """Prints what an upload sends of eight files of which one has changed."""
    url = f"s3://{endpoint.bucket}"
    send(url, folder)
    changed = folder / "0.zip"
    changed.rename(folder / "changed.zip")  # another digest
    with counted(endpoint) as line:
        send(url, folder)
        print(f"one of eight changed: {line.sent / SMALL:.4f}x its bytes sent (goal: at most 1.01x)")
    clear(endpoint)


def resume(endpoint: S3Endpoint, folder: Path) -> None:
    """Prints what an upload sends after one that was killed at half."""
    url = f"s3://{endpoint.bucket}/killed"
    # No faster than moto takes it: it is asked meanwhile how much it has.
    with counted(endpoint, 100 * MIB) as line:
        killed = subprocess.Popen([sys.executable, __file__, "--send", url, str(folder)])
        while parts_there(endpoint) < BIG // PART_BYTES // 2:
            if killed.poll() is not None:
                sys.exit("the upload that was to be killed ended by itself")
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        before = line.sent
        time.sleep(1)  # what is still on the line
    with counted(endpoint) as line:
        send(url, folder)
        print(f"after SIGKILL at half ({before / BIG:.2f}x sent): {line.sent / BIG:.2f}x its bytes sent (goal: at most 0.55x)")
    clear(endpoint)


def parts_there(endpoint: S3Endpoint) -> int:
    """How many parts of an upload the server has."""
    client = client_of(endpoint)
    uploads = client.list_multipart_uploads(Bucket=endpoint.bucket).get("Uploads", [])
    place = {"Bucket": endpoint.bucket, "Key": uploads[0]["Key"], "UploadId": uploads[0]["UploadId"]} if uploads else None
    return len(client.list_parts(**place).get("Parts", [])) if place else 0


def main() -> None:
    """Prints some lines for each measurement."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RESON_HOME"] = folder
        files = {"1.0": made(Path(folder, "big"), 1, BIG), "1.3": made(Path(folder, "small"), FILES, SMALL)}
        with bare_server() as bare:
            os.environ.update(bare.environment)
            for goal, each in files.items():
                compare(bare, each, "to a server that only counts", f"goal: {goal}x")
            with at_a_distance(bare) as far:
                for goal, each in files.items():
                    compare(far, each, "to that server over 40 ms", f"goal: {goal}x")
        with s3_server() as moto:
            os.environ.update(moto.environment)
            for each in files.values():
                compare(moto, each, "to moto, which decides itself", "no goal", rounds=1)
            resubmit(moto, files["1.3"])
            resume(moto, files["1.0"])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--send"]:
        send(sys.argv[2], Path(sys.argv[3]))
    elif sys.argv[1:2] == ["--line"]:
        print(Line(sys.argv[2], delay=_THERE_AND_BACK / 2).url, flush=True)
        sys.stdin.read()
    else:
        main()
