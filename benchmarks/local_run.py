"""A local run beside stock `nvflare simulator` with its default settings, on the same bundle: whole run and per round.

2 sites, 3 rounds, a tiny model, both in turn. Prints seconds and the ratio ours / stock: lower is better.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

import reson_jupyter as reson

SITES, ROUNDS = 2, 3


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 2))

    def forward(self, x):
        return self.layers(x)


def fl_train(model, env, out_dir, logger=None):
    x = torch.randn(256, 20)
    y = (x.sum(dim=1) > 0).long()
    optimizer = torch.optim.SGD(model.parameters(), lr=env["LR"])
    for start in range(0, len(x), env["BATCH_SIZE"]):
        batch = slice(start, start + env["BATCH_SIZE"])
        loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {"weights": model.state_dict(), "samples": len(x), "loss": loss.item()}


def make_shards(folder: Path) -> Path:
    """Writes a shard for each site; the train function makes its own data, so they hold next to nothing."""
    folder.mkdir()
    for number in range(SITES):
        with zipfile.ZipFile(folder / f"shard_{number}.zip", "w") as archive:
            archive.writestr("seed.txt", str(number))
    return folder


def round_times(events: list[dict[str, object]]) -> list[float]:
    """Seconds from one aggregation to the next; the first round is left out, it pays for imports."""
    times = [float(str(event["time"])) for event in events if event["type"] == "aggregated"]
    assert len(times) == ROUNDS, f"only {len(times)} of {ROUNDS} rounds were done"
    return [later - earlier for earlier, later in pairwise(times)]


def ours(shards: Path, home: Path) -> tuple[float, list[float]]:
    """Runs the job through `reson.submit`; returns seconds from the call to the end of the run, and those of the rounds."""
    os.environ["RESON_HOME"] = str(home)
    started = time.monotonic()
    run = reson.submit(
        Tiny, train=fl_train, name="bench", shards_dir=shards, federation=reson.FederationConfig(num_rounds=ROUNDS), check=False
    )
    run.wait(300)
    return time.monotonic() - started, round_times([event.model_dump() for event in run.events()])


def stock(shards: Path, work: Path) -> tuple[float, list[float]]:
    """Runs the same job with the stock command line."""
    job = reson.build(Tiny, train=fl_train, name="bench", shards_dir=shards, federation=reson.FederationConfig(num_rounds=ROUNDS))
    folder = job.save(work / "job")
    for number, shard in enumerate(sorted(shards.iterdir()), start=1):
        zipfile.ZipFile(shard).extractall(work / "data" / f"site-{number}")
    (work / "cwd").mkdir()
    command = [str(Path(sys.executable).parent / "nvflare"), "simulator", str(folder), "-w", str(work / "ws")]
    places = {"RESON_DATA_ROOT": str(work / "data"), "RESONTECH_OUT_DIR": str(work / "out")}
    started = time.monotonic()
    subprocess.run(
        [*command, "-n", str(SITES), "-t", str(SITES)], cwd=work / "cwd", check=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env={**os.environ, **places},
    )  # fmt: skip
    seconds = time.monotonic() - started
    lines = (work / "ws" / "server" / "simulate_job" / "events.ndjson").read_text().splitlines()
    return seconds, round_times([json.loads(line) for line in lines])


def main() -> None:
    """Runs both in turn and prints the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2)
    repeats = parser.parse_args().repeats
    results: dict[str, list[tuple[float, list[float]]]] = {"ours": [], "stock": []}
    with tempfile.TemporaryDirectory() as name:
        shards = make_shards(Path(name) / "shards")
        for number in range(repeats):
            results["stock"].append(stock(shards, Path(tempfile.mkdtemp(dir=name))))
            results["ours"].append(ours(shards, Path(name) / f"home-{number}"))
    print(f"{SITES} sites, {ROUNDS} rounds, {repeats} runs of each, medians")
    for label, pick in (("whole run", lambda r: [r[0]]), ("per round", lambda r: r[1])):
        mine, theirs = (
            statistics.median(value for result in results[who] for value in pick(result)) for who in ("ours", "stock")
        )
        print(f"{label}: ours {mine:.2f} s, stock {theirs:.2f} s, ratio {mine / theirs:.2f}x")


if __name__ == "__main__":
    main()
