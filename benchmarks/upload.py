"""Uploads beside plain boto3 and the aws command, and the bytes that a second upload sends.

The server is moto in a process of its own, over plain http: on loopback, where it needs more time than any client, which hides
most of what clients do better; and at the end of a line of 40 ms there and back, as to a bucket in another country. One file of
512 MiB and eight of 64 MiB, in turn by `upload` with its plan and its look afterwards, by `boto3.client.upload_file` in a loop,
and by `aws s3 cp` or `sync` (with the start of the command) where it is installed. Then bytes on the wire, headers included:
eight shards of which one has changed, and 512 MiB after SIGKILL when the server has half of the parts. Prints medians of seconds
and ratios; ratios of seconds are theirs / ours: higher is better.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from reson_jupyter.backend.store import open_store
from reson_jupyter.backend.store.multipart import PART_BYTES
from reson_jupyter.backend.store.transfer import Upload, make_plan, upload
from reson_jupyter.config import ResonTechConfig
from tests.servers import Line, S3Endpoint, client_of, s3_server

MIB = 1 << 20
ROUNDS = 3
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


def compare(endpoint: S3Endpoint, folder: Path, title: str, goal: float) -> None:
    """Prints the seconds of each way, taken in turn, and the ratios."""
    plain = client_of(endpoint)
    ways: dict[str, Callable[[], Any]] = {
        "ours": lambda: send(f"s3://{endpoint.bucket}", folder),
        "upload_file": lambda: [plain.upload_file(str(path), endpoint.bucket, path.name) for path in folder.iterdir()],
    }
    if shutil.which("aws"):
        ways["aws s3"] = lambda: aws(endpoint, folder)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    busy: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS):
        # Each begins a round in turn: the first after a pause finds a colder server.
        turn = number % len(ways)
        for name, way in [*ways.items()][turn:] + [*ways.items()][:turn]:
            begun, used = time.perf_counter(), cpu()
            way()
            seconds[name].append(time.perf_counter() - begun)
            busy[name].append(cpu() - used)
            clear(endpoint)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    shares = {name: statistics.median(times) for name, times in busy.items()}
    print(f"{title}: " + ", ".join(f"{name} {median:.2f} s (CPU {shares[name]:.2f} s)" for name, median in medians.items()))
    for name, median in medians.items():
        if name != "ours":
            ratio, of_cpu = median / medians["ours"], shares[name] / shares["ours"]
            print(f"  {name} / ours: {ratio:.2f}x (goal: {goal:.1f}x), CPU of the client alone: {of_cpu:.1f}x")
    if "aws s3" not in ways:
        print("  aws s3: not installed")


@contextmanager
def counted(endpoint: S3Endpoint):
    """Yields a line to the server that counts what is sent."""
    line = Line(endpoint.url)
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
    with counted(endpoint) as line:
        killed = subprocess.Popen([sys.executable, __file__, "--send", url, str(folder)])
        while parts_there(endpoint) < BIG // PART_BYTES // 2:
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
    """Prints one line for each measurement."""
    with tempfile.TemporaryDirectory() as folder, s3_server() as endpoint:
        os.environ.update(endpoint.environment, RESON_HOME=folder)
        big, small = made(Path(folder, "big"), 1, BIG), made(Path(folder, "small"), FILES, SMALL)
        compare(endpoint, big, "512 MiB on loopback", 1.0)
        compare(endpoint, small, "8 x 64 MiB on loopback", 1.3)
        with at_a_distance(endpoint) as far:
            compare(far, big, "512 MiB over 40 ms", 1.0)
            compare(far, small, "8 x 64 MiB over 40 ms", 1.3)
        resubmit(endpoint, small)
        resume(endpoint, big)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--send"]:
        send(sys.argv[2], Path(sys.argv[3]))
    elif sys.argv[1:2] == ["--line"]:
        print(Line(sys.argv[2], delay=_THERE_AND_BACK / 2).url, flush=True)
        sys.stdin.read()
    else:
        main()
