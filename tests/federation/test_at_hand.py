"""A federation at hand as it really runs: who can reach it, what it leaves alone, and that stopping it leaves nothing."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch

import reson_jupyter as reson
from reson_jupyter.backend.federation import Federation, start
from reson_jupyter.backend.federation.nodes import open_doors, processes_of, running_nodes
from reson_jupyter.errors import TargetError
from reson_jupyter.events import EventType
from tests.federation.conftest import kill_site
from tests.federation.own_job import submit_sleeping
from tests.patience import wait_for
from tests.runs import conftest as runs_conftest
from tests.runs.models import SmallNet

pytestmark = [pytest.mark.nvflare, pytest.mark.federation]

image_shards = runs_conftest.image_shards

CONNECTED = {"server": "running", "site-1": "connected", "site-2": "connected"}
_CANARIES = {
    "RESON_API_KEY": "canary-1", "RESON_S3_SECRET": "canary-2", "AWS_SECRET_ACCESS_KEY": "canary-3", "AWS_PROFILE": "canary-4",
}  # fmt: skip


@pytest.fixture
def own(short_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The test's HOME, which is empty; whatever federation the test leaves is stopped."""
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    for name, value in _CANARIES.items():
        monkeypatch.setenv(name, value)
    yield tmp_path / "home"
    reson.stop_federation()


def another(script: str) -> subprocess.Popen[str]:
    """Another kernel of the same user."""
    text = f"import reson_jupyter as reson\n{textwrap.dedent(script)}"
    return subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)


def said(script: str) -> str:
    """What another kernel prints to its end."""
    kernel = another(script)
    assert kernel.stdout
    with kernel.stdout as output:
        text = output.read()
    assert kernel.wait(120) == 0
    return text


def everything(federation: Federation) -> list[psutil.Process]:
    return [process for processes in processes_of(federation.folder).values() for process in processes]


def test_while_a_job_runs_nothing_listens_but_on_loopback_and_the_users_home_and_tmp_stay_empty(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    federation = reson.start_federation(2)
    assert federation.states == CONNECTED
    told = capsys.readouterr().out
    assert all(f"{name} is connected" in told for name in ("server", "site-1", "site-2")) and told.endswith("\r")
    job = submit_sleeping(federation.startup_kit, tmp_path, 2)
    home = federation.folder / "home"
    wait_for(lambda: (home / "site-1").exists() and (home / "site-2").exists())
    # Server and sites each have a process of their own and one of the job.
    assert {name: len(processes) >= 2 for name, processes in processes_of(federation.folder).items()} == dict.fromkeys(
        CONNECTED, True
    )
    listening, talking = set(), set()
    for process in everything(federation):
        for door in process.net_connections("inet"):
            (listening if door.status == psutil.CONN_LISTEN else talking).add(door.laddr.ip)
    assert listening == {"127.0.0.1"} and talking <= {"127.0.0.1"}
    assert open_doors(federation.folder) == []
    assert not any(own.iterdir()) and not any((tmp_path / "tmp").iterdir())
    assert (federation.folder / "jobs-storage" / job).is_dir() and (federation.folder / "snapshot-storage").is_dir()
    environments = [process.environ() for process in everything(federation)]
    assert not any("canary" in value for environment in environments for value in environment.values())
    assert {environment["HOME"] for environment in environments} == {str(home)}

    processes = everything(federation)
    assert reson.stop_federation() is True
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)
    assert not federation.folder.exists() and reson.federation() is None
    assert not any(own.iterdir()) and not any((tmp_path / "tmp").iterdir())
    assert reson.stop_federation() is False


def test_it_outlives_its_kernel_and_any_other_finds_extends_and_stops_it(own: Path) -> None:
    assert "died" in said("""
        import os
        reson.start_federation(2)
        print("died", flush=True)
        os._exit(0)
    """)
    federation = reson.federation()
    assert federation is not None and federation.states == CONNECTED
    kill_site(federation, "site-2")
    assert federation.states == {**CONNECTED, "site-2": "not running"} and "site-2  not running" in repr(federation)
    server = processes_of(federation.folder)["server"]
    for other in ({"sites": 3}, {"folder": own / "elsewhere"}):
        with pytest.raises(TargetError, match=r"a federation of 2 sites runs on this machine already, in .*\n.*federation stop"):
            reson.start_federation(**other)  # type: ignore[arg-type]
    assert reson.start_federation() == federation == reson.start_federation(2)
    assert federation.states == CONNECTED and processes_of(federation.folder)["server"] == server
    assert said("print(reson.stop_federation())").splitlines()[-1] == "True"
    federation.stop()  # again
    assert not federation.folder.exists() and not running_nodes(federation.folder)


def test_what_a_killed_kernel_had_half_started_goes_with_the_next_start(own: Path) -> None:
    kernel = another("reson.start_federation(2)")
    wait_for(lambda: (half := reson.federation()) is not None and len(running_nodes(half.folder)) == 3)
    with pytest.raises(TargetError, match="another notebook or script is starting or stopping the federation"):
        reson.start_federation(1)
    kernel.send_signal(signal.SIGKILL)
    kernel.communicate()
    half = reson.federation()
    assert half is not None
    left = everything(half)
    federation = reson.start_federation(1)
    assert federation.states == {"server": "running", "site-1": "connected"}
    assert left and not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in left)


def test_an_interrupt_leaves_nothing(own: Path) -> None:
    kernel = another("reson.start_federation(2)")
    wait_for(lambda: (half := reson.federation()) is not None and len(running_nodes(half.folder)) == 3)
    half = reson.federation()
    assert half is not None
    kernel.send_signal(signal.SIGINT)
    kernel.communicate()
    assert kernel.returncode and reson.federation() is None and not everything(half) and not half.folder.exists()


def test_a_port_that_somebody_takes_meanwhile_is_told_and_nothing_is_left(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(start, "_free_port", lambda: port)
        with pytest.raises(TargetError, match=rf"^port {port}, .* was taken by another program\n  Start it once more\.$"):
            reson.start_federation(1)
    assert reson.federation() is None


def test_a_server_that_cannot_start_is_told_with_its_last_words(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = start.make_kits

    def make(folder: Path, *arguments: object) -> None:
        broken(folder, *arguments)  # type: ignore[arg-type]
        (folder / "server" / "startup" / "fed_server.json").write_text("no JSON")

    monkeypatch.setattr(start, "make_kits", make)
    with pytest.raises(TargetError, match=r"(?s)server of the federation has ended; it said last:.*JSON"):
        reson.start_federation(1)
    assert reson.federation() is None


def test_the_user_alone_reads_the_keys_and_nobody_has_that_of_the_authority(own: Path) -> None:
    folder = reson.start_federation(1).folder
    assert folder.stat().st_mode & 0o77 == 0
    keys = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.key"))
    assert keys == ["researcher/startup/client.key", "server/startup/server.key", "site-1/startup/client.key"]
    texts = [path.read_text() for path in folder.rglob("*") if path.is_file()]
    assert sum(bool(re.search("PRIVATE KEY", text)) for text in texts) == len(keys)
    assert os.stat(folder / "researcher").st_uid == os.getuid()


def test_with_data_for_its_sites_it_trains_without_any_bucket(
    own: Path, image_shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in _CANARIES:
        monkeypatch.delenv(name)
    federation = reson.start_federation(data=image_shards)
    assert federation.sites == ("site-1", "site-2")
    monkeypatch.setenv("RESON_TARGET", "flare")
    monkeypatch.setenv("RESON_STARTUP_KIT", str(federation.startup_kit))
    training = reson.TrainingConfig(num_classes=3, img_size=12, batch_size=8)
    run = reson.submit(SmallNet, name="no-bucket", training=training, federation=reson.FederationConfig(num_rounds=2)).wait(200)
    samples = {event.site: event.data["samples"] for event in run.events() if event.type == EventType.CONTRIBUTION}
    assert samples == {"site-1": 53.0, "site-2": 37.0}  # the rest of 60 and 40 is for validation
    initial = SmallNet(3).state_dict()
    assert all(not torch.equal(value, initial[name]) for name, value in run.model().state_dict().items())
