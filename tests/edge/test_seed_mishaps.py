"""Builds of seed models that go wrong, or do what nobody expects of them."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from reson_jupyter.edge import build_run
from reson_jupyter.edge.project import read_project
from reson_jupyter.edge.project.project import Project
from reson_jupyter.edge.seed import seed_of
from reson_jupyter.errors import JobError

from .project_folders import IMPORTER, write

SAVE = "    np.savez(os.path.join(OUT, 'seed.npz'), **{'0': np.ones(2)})\n"
HEAD = "import os, shutil, subprocess, sys\nimport numpy as np\nOUT = os.environ['SCALEOUT_BUILD_OUTPUT_DIR']\n\ndef build():\n"
HERE = "os.path.join(os.path.dirname(__file__), 'pretrained.npz')"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A home of its own, and no file that could fill the disk."""
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 30, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def project(tmp_path: Path, body: str, **files: str | bytes) -> Project:
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    return read_project(write(tmp_path / "client", {**IMPORTER, "build.py": HEAD + indented, **files}))


def pretrained(tmp_path: Path) -> bytes:
    np.savez(tmp_path / "made.npz", **{"0": np.ones(3)})
    return (tmp_path / "made.npz").read_bytes()


def still_there(*command: str) -> list[int]:
    return [one.pid for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] == list(command)]


def test_a_build_that_prints_without_end_is_ended_and_little_of_it_shown(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"it printed more than 16 MB\n  \| xxx") as failed:
        seed_of(project(tmp_path, "print('begun')\nwhile True: print('x' * 100_000)"), limit=60)
    assert len(failed.value.message) < 10_000


def test_of_a_build_that_prints_much_the_end_is_kept(tmp_path: Path) -> None:
    seed = seed_of(project(tmp_path, f"for n in range(300_000): print(n)\n{SAVE.strip()}"))
    assert seed.output.endswith("299998\n299999\n") and len(seed.output) == 64 << 10


@pytest.mark.parametrize("end", ["", "raise ValueError", "sys.stdout.flush(); os.kill(os.getpid(), 9)"])
def test_whatever_a_build_started_is_ended_with_it(end: str, tmp_path: Path) -> None:
    body = f"subprocess.Popen(['sleep', '6261'])\nsubprocess.Popen(['sleep', '6262'], start_new_session=True)\n{SAVE.strip()}\n"
    found = project(tmp_path, body + end)
    if end:
        with pytest.raises(JobError):
            seed_of(found)
    else:
        assert seed_of(found).numbers == 2
    assert still_there("sleep", "6261") == still_there("sleep", "6262") == []


@pytest.mark.parametrize(
    "body",
    [
        f"shutil.copy2({HERE}, os.path.join(OUT, 'seed.npz'))",
        f"shutil.move({HERE}, OUT)",
        f"os.symlink({HERE}, os.path.join(OUT, 'seed.npz'))",
        f"shutil.copy2({HERE}, os.path.join(os.path.dirname(__file__), 'seed.npz'))",
    ],
)
def test_a_seed_that_is_a_copy_with_its_times_is_found(body: str, tmp_path: Path) -> None:
    assert seed_of(project(tmp_path, body, **{"pretrained.npz": pretrained(tmp_path)})).numbers == 3


@pytest.mark.parametrize("code", ["", "0", "None"])
def test_a_build_that_exits_when_it_is_done_has_built(code: str, tmp_path: Path) -> None:
    assert seed_of(project(tmp_path, f"{SAVE.strip()}\nsys.exit({code})")).numbers == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("shutil.rmtree(os.path.dirname(os.path.dirname(OUT)))", "wrote no model, and no other file"),
        ("print('a'); shutil.rmtree(os.path.dirname(os.path.dirname(OUT))); 1 / 0", r"build\.py, line 6: ZeroDivisionError"),
        ("open(sys.argv[-1], 'w').write('no json'); os._exit(3)", "it ended with exit code 3"),
        ("open(sys.argv[-1], 'w').write('[1]'); os._exit(3)", "it ended with exit code 3"),
        ("np.savez('seed.npz', w=np.ones(2))", "only seed.npz: .* its arrays are called 'w'"),
        ("open('seed.npz', 'w').write('x')", r"only seed\.npz: seed\.npz is no model .* neither an npz nor"),
        ("np.savez('seed.npz', **{'0': np.array([np.nan])})", "cannot be the seed: 0 holds values that are NaN or infinite"),
    ],
)
def test_a_build_that_goes_wrong_in_an_odd_way_is_told_in_a_sentence(body: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(JobError, match=message):
        seed_of(project(tmp_path, body))


def test_the_text_of_an_exception_is_shortened(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"build\.py, line \d+: ValueError: xxx") as failed:
        seed_of(project(tmp_path, "raise ValueError('x' * 5_000_000)"))
    assert len(failed.value.message) < 10_000


def test_what_started_while_the_others_were_ended_is_ended_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late = [psutil.Popen(["sleep", "6263"]) for _ in range(2)]  # such as another machine's scheduling would have them
    looks = iter([[process] for process in late])
    monkeypatch.setattr(build_run, "left_behind", lambda *_: next(looks, []))
    assert seed_of(project(tmp_path, SAVE.strip())).numbers == 2
    assert not any(process.is_running() for process in late)


def test_what_a_killed_build_left_goes_with_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    write(temporary / "reson-seed-killed", {".lock": "", "work/client/build.py": "of a user"})
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    assert seed_of(project(tmp_path, SAVE.strip())).numbers == 2
    assert list(temporary.iterdir()) == []


def test_a_failed_build_names_both_ways_to_name_a_file_instead(tmp_path: Path) -> None:
    with pytest.raises(JobError) as failed:
        seed_of(project(tmp_path, "1 / 0"))
    assert failed.value.hint == "Correct that, or name a file: checkpoint=FILE or --checkpoint FILE."
