"""Run quickstart.ipynb against an S3 server on this machine and show how its training goes, as a second observer would see it.

Everything it writes goes to .demo/ beside this folder. `make demo` calls it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import nbformat
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from nbclient import NotebookClient
from nbconvert import HTMLExporter

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / ".demo"
BUCKET = "reson-demo"


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """Runs moto's S3 server on loopback in a process of its own; yields its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (OUT / "s3-server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def make_bucket(url: str) -> None:
    """Creates the demo's bucket as soon as the server answers."""
    s3 = boto3.client(
        "s3", endpoint_url=url, aws_access_key_id="demo", aws_secret_access_key="demo-secret", region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while True:
        try:
            s3.create_bucket(Bucket=BUCKET)
            return
        except BotoCoreError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def follow(home: Path, stop: threading.Event) -> None:
    """Waits for the notebook's run, attaches to it from here, and prints a line for each round."""
    import reson_jupyter as reson

    while not stop.is_set():
        records = list((home / "runs").glob("*/run.json"))
        if records:
            break
        stop.wait(0.2)
    else:
        return
    run = reson.attach(records[0].parent.name)
    shown = -1
    print(f"run {run.id}", flush=True)

    def show(run: reson.Run) -> None:
        nonlocal shown
        means = {}
        for record in run.progress.means():
            means.setdefault(record["round"], {})[record["name"]] = record["value"]
        for number, entry in sorted(run.progress.rounds.items()):
            if entry.ended is not None and number > shown:
                shown = number
                values = "  ".join(f"{name} {value:.3f}" for name, value in means.get(number, {}).items())
                sites = len(entry.contributions)
                print(f"  round {number + 1} of {run.progress.num_rounds}  {sites} sites  {values}", flush=True)

    run.observe(show)
    run.wait()


def main() -> int:
    """Runs the demo; returns the exit code."""
    started = time.monotonic()
    OUT.mkdir(exist_ok=True)
    shutil.rmtree(OUT / "shards", ignore_errors=True)
    home = OUT / time.strftime("home-%Y%m%d-%H%M%S")
    notebook = nbformat.read(HERE / "quickstart.ipynb", as_version=4)
    with s3_server() as url:
        make_bucket(url)
        os.environ |= {
            "RESON_HOME": str(home), "RESON_S3_ENDPOINT": url, "RESON_S3_KEY": "demo", "RESON_S3_SECRET": "demo-secret",
            "RESON_S3_BUCKET": BUCKET, "RESON_S3_REGION": "us-east-1",
        }  # fmt: skip
        print(f"executing quickstart.ipynb; its store is s3://{BUCKET} at {url}", flush=True)
        stop = threading.Event()
        follower = threading.Thread(target=follow, args=(home, stop), daemon=True)
        follower.start()
        client = NotebookClient(
            notebook,
            timeout=300,
            resources={"metadata": {"path": str(OUT)}},
            store_widget_state=False,
            extra_arguments=["--log-level=ERROR"],  # the kernel's own notices are not about the demo
        )
        try:
            client.execute()
        finally:
            stop.set()
            nbformat.write(notebook, OUT / "quickstart.ipynb")
        follower.join(timeout=10)
    html, _ = HTMLExporter().from_notebook_node(notebook)
    (OUT / "quickstart.html").write_text(html)
    print()
    for cell in notebook.cells:
        if "result" in cell.metadata.get("tags", []):
            print("".join(output.get("text", "") for output in cell.outputs), end="")
    print(f"\n{time.monotonic() - started:.0f} s in all")
    print(f"notebook  {OUT / 'quickstart.ipynb'}\nhtml      {OUT / 'quickstart.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
