"""What every run needs: a home of its own, shards, and something that plays the kernel."""

from __future__ import annotations

import contextlib
import io
import json
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

import reson_jupyter as reson
from reson_jupyter.backend.job import JobParts, build_job
from reson_jupyter.backend.placement import Survey, place
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.backend.store import default_store_url, open_store
from reson_jupyter.backend.submission import Submission, local_shards
from reson_jupyter.backend.targets import open_target
from reson_jupyter.data.shards import check_shards
from reson_jupyter.home import home as home_folder

COLOURS = [(220, 40, 40), (40, 220, 40), (40, 40, 220)]


def write_image_shard(path: Path, labels: list[int], seed: int) -> None:
    """Writes a shard of 12 x 12 images whose colour tells the label."""
    noise = random.Random(seed)
    with zipfile.ZipFile(path, "w") as archive:
        lines = []
        for number, label in enumerate(labels):
            colour = tuple(max(0, min(255, part + noise.randint(-30, 30))) for part in COLOURS[label])
            data = io.BytesIO()
            Image.new("RGB", (12, 12), colour).save(data, "PNG")
            archive.writestr(f"images/{number}.png", data.getvalue())
            lines.append(json.dumps({"id": f"{path.stem}-{number}", "uri": f"file://images/{number}.png", "y": [label]}))
        archive.writestr("manifest.ndjson", "\n".join(lines) + "\n")


def write_plain_shards(folder: Path, count: int) -> Path:
    """Writes shards without a manifest."""
    for number in range(count):
        with zipfile.ZipFile(folder / f"shard_{number}.zip", "w") as archive:
            archive.writestr("number.txt", str(number))
    return folder


@pytest.fixture(scope="session")
def image_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two image shards of unequal size and class mix."""
    folder = tmp_path_factory.mktemp("image-shards")
    write_image_shard(folder / "shard_0.zip", [0] * 30 + [1] * 20 + [2] * 10, seed=1)
    write_image_shard(folder / "shard_1.zip", [1] * 10 + [2] * 30, seed=2)
    return folder


@pytest.fixture(scope="session")
def plain_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards without a manifest, for train functions that read what they like."""
    return write_plain_shards(tmp_path_factory.mktemp("plain-shards"), 2)


@pytest.fixture(scope="session")
def three_plain_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three of them."""
    return write_plain_shards(tmp_path_factory.mktemp("three-plain-shards"), 3)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A RESON_HOME of the test's own; no variable of the machine's user reaches the test."""
    for name in ("STORE", "TARGET", "S3_ENDPOINT", "S3_KEY", "S3_SECRET", "S3_BUCKET", "S3_REGION", "BASE_URL", "API_KEY"):
        monkeypatch.delenv(f"RESON_{name}", raising=False)
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"


def rounds(number: int, **more: int) -> reson.FederationConfig:
    """A federation config with so many rounds."""
    return reson.FederationConfig(num_rounds=number, **more)


def submit_parts(parts: JobParts, shards: Path) -> reson.Run:
    """Submits a job that `reson.submit` would not let through, as it is."""
    report = check_shards(shards, manifest_required=False)
    url = default_store_url(None, home_folder())
    record = RunRecord.new(parts.name, "local", url)
    connection = reson.ResonTechConfig()
    shards, store, target = local_shards(report.shards), open_store(url), open_target("local")
    return Submission(build_job(parts), place(Survey(), shards), parts.federation, record, store, target, connection).start()


def processes_of(run: reson.Run) -> list[psutil.Process]:
    """All processes that still work for a run: runner, simulator, sites."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if run.id[-12:] in " ".join(process.cmdline()):
                found.append(process)
    return found
