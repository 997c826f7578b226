"""What tests look at after a run, besides the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import reson_jupyter as reson
from reson_jupyter.home import home

from .app import Platform
from .jobs import PlatformJob


def the_job(platform: Platform) -> PlatformJob:
    """Returns the one job that the platform has."""
    [job] = platform.jobs.values()
    return job


def no_secret_is_told(platform: Platform, run: reson.Run | None = None, *texts: str) -> None:
    """Asserts that no secret stands in what a user sees, in the run's log, or in a file of this machine."""
    for where, text in _told(platform, run, texts):
        for secret in platform.secrets:
            assert secret not in text, f"a secret stands in {where}"


def _told(platform: Platform, run: reson.Run | None, texts: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    yield "what was shown", "\n".join(texts)
    for path in home().rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes().decode("latin-1")
    if run is not None:
        yield "the run", f"{run!r} {run.reason} {run.progress.notes} {run.errors()} {run.events()}"
        for name in platform.bucket.keys(f"jobs/{run.id}/files_out/"):
            yield name, platform.bucket.get(f"jobs/{run.id}/files_out/{name}").decode("latin-1")


def folder_of(name: str) -> Path:
    """Returns where a run's files of this machine lie."""
    return home() / "runs" / name
