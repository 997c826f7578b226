"""Runs on a real federation, from `submit` to the model, through a bucket and without one, and whatever may happen to them."""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import psutil
import pytest
import torch

import reson_jupyter as reson
from reson_jupyter.backend.federation import Federation
from reson_jupyter.errors import StoreError
from reson_jupyter.events import RunState
from tests.federation.conftest import kill_site, restart_site
from tests.patience import wait_for
from tests.runs import commanded
from tests.runs.conftest import processes_of, rounds, write_image_shard
from tests.runs.models import Line, SmallNet, fl_train
from tests.servers import s3_server

pytestmark = [pytest.mark.nvflare, pytest.mark.federation]

COMMANDS = {name: getattr(commanded, name) for name in ("go_on", "who", "murmur")}
SITES = ["site-1", "site-2", "site-3"]


@pytest.fixture(scope="module", autouse=True)
def target(federation: Federation) -> Iterator[None]:
    """Everything is submitted to the federation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESON_STARTUP_KIT", str(federation.startup_kit))
        patch.setenv("RESON_TARGET", "flare")
        yield


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A bucket that sites can reach."""
    with s3_server() as endpoint:
        for name, value in endpoint.environment.items():
            monkeypatch.setenv(name, value)
        yield


@pytest.fixture
def three_shards(tmp_path: Path) -> Path:
    """Three image shards of unequal size and class mix."""
    folder = tmp_path / "shards"
    folder.mkdir()
    for number, labels in enumerate(([0] * 20 + [1] * 10, [1] * 12 + [2] * 4, [2] * 20 + [0] * 4)):
        write_image_shard(folder / f"shard_{number}.zip", labels, seed=number)
    return folder


@pytest.fixture
def held() -> Iterator[Callable[..., reson.Run]]:
    """Starts runs whose sites stay in the first round until they are told to go on; what goes on at the end is stopped."""
    started = []

    def start(number: int = 2, **more: int) -> reson.Run:
        run = reson.submit(
            commanded.Counter, train=commanded.fl_train, commands=COMMANDS, name="held", check=False,
            federation=rounds(number, **more),
        )  # fmt: skip
        started.append(run)
        wait_for(lambda: run.state.done or in_round(run, 0) == SITES, 120)
        assert not run.state.done, run.reason
        return run

    yield start
    for run in started:
        if not run.state.done:
            run.abort()
            wait_for(lambda run=run: run.state.done)


def in_round(run: reson.Run, number: int) -> list[str]:
    """The sites that train in a round."""
    return [name for name, site in sorted(run.progress.sites.items()) if (site.phase, site.round) == ("training", number)]


def delays(run: reson.Run, kind: str) -> Callable[[], list[float]]:
    """Watches a run; what is returned tells the seconds that each event of a kind took from the site to here."""
    found: list[float] = []
    known = 0

    def observe(run: reson.Run) -> None:
        nonlocal known
        events = run.events()
        found.extend(time.time() - event.time for event in events[known:] if event.type == kind and not run.state.done)
        known = len(events)

    run.observe(observe)
    return lambda: found


def carrier_of(run: reson.Run) -> psutil.Process:
    return next(process for process in processes_of(run) if "backend.flare.carry" in " ".join(process.cmdline()))


def test_through_a_bucket_the_weights_are_those_of_a_local_run_and_metrics_are_seen_live(
    bucket: None, three_shards: Path, federation: Federation
) -> None:
    training = reson.TrainingConfig(img_size=12, local_epochs=2, batch_size=8, learning_rate=0.02)
    submit = {"name": "colours", "shards_dir": three_shards, "training": training, "federation": rounds(3), "check": False}
    run = reson.submit(SmallNet, **submit)
    told = delays(run, "metrics")
    run.wait(120)
    assert run.state == reson.RunState.FINISHED and run.errors() == []
    assert len(told()) >= 3 * 3 and statistics.median(told()) <= 1.5

    # Nobody said that the store is out of reach, so everything came through it; nothing of that is left in it, nor a secret.
    assert not any("asked through the federation" in note for note in run.progress.notes)
    assert list(federation.startup_kit.glob("transfer/*")) == []
    files = {path.relative_to(three_shards).as_posix() for path in run.download(three_shards / "got")}
    assert {"got/model_out/GLOBAL_MODEL.pt", *(f"got/files_out/logs/{name}.txt" for name in ("server", *SITES))} <= files
    assert "X-Amz-Signature" not in "".join(path.read_text(errors="replace") for path in three_shards.glob("got/**/*.*"))

    local = reson.submit(SmallNet, target="local", **submit).wait(120)
    ours, theirs = run.model().state_dict(), local.model().state_dict()
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-6, rtol=0) for name in theirs)


def test_without_a_bucket_sites_answer_log_and_skip_and_the_run_is_found_from_another_process(
    held: Callable[..., reson.Run],
) -> None:
    run = held(2, min_clients=2, wait_time_after_min_received=2)
    answers = run.command("who", {"a": 1})
    assert {site: answer.value for site, answer in answers.items()} == {
        site: {"site": site, "round": 0, "given": {"a": 1}} for site in SITES
    }
    run.set_log_level("debug", "site-1")
    run.command("murmur", {"text": "heard"})
    wait_for(lambda: "a murmur: heard" in run.logs("site-1"), 15)
    assert "a murmur" not in run.logs("site-2")
    run.reset_errors()

    # Another process finds the run, and waits for it.
    script = f"import reson_jupyter as reson; run = reson.attach({run.id!r}).wait(60); print(run.state.value, len(run.events()))"
    other = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    run.skip_round("site-3")
    wait_for(lambda: run.progress.sites["site-3"].phase == "skipped", 15)
    run.command("go_on", {"rounds": 2})
    run.wait(60)
    assert run.state == reson.RunState.DEGRADED and "site-3 is missing from 1 round" in run.reason
    assert run.model().state_dict()["rounds"].item() == 2
    assert other.communicate(timeout=60)[0].split()[-2:] == ["degraded", str(len(run.events()))]
    assert "site-3 holds round 0" in run.logs("site-3"), "at the end the logs are in the store"


def test_a_run_goes_on_when_its_carrier_is_killed_and_is_aborted_when_it_is_asked_to(held: Callable[..., reson.Run]) -> None:
    run = held(5)
    first = carrier_of(run)
    first.send_signal(signal.SIGKILL)
    first.wait(5)
    wait_for(lambda: bool(processes_of(run)), 20)
    assert carrier_of(run).pid != first.pid
    run.command("go_on", {"rounds": 1}, timeout=30)
    wait_for(lambda: in_round(run, 1) == SITES)
    assert [event.type for event in run.events()].count("run_started") == 1, "nothing is heard twice"

    asked = time.monotonic()
    run.abort()
    with pytest.raises(reson.RunFailed, match="Stopped on request after 1 round of 5"):
        run.wait(60)
    assert time.monotonic() - asked < 30
    assert run.state == reson.RunState.ABORTED
    wait_for(lambda: processes_of(run) == [], 10)


def test_a_site_that_is_killed_within_a_round_is_missed_or_ends_the_run(
    held: Callable[..., reson.Run], federation: Federation
) -> None:
    run = held(2, min_clients=2, wait_time_after_min_received=2)
    try:
        kill_site(federation, "site-3")
        run.command("go_on", {"rounds": 2}, sites=["site-1", "site-2"])
        run.wait(150)
    finally:
        restart_site(federation, "site-3")
    assert run.state == reson.RunState.DEGRADED, run.reason
    assert "site-3" in run.reason


def test_sites_that_lack_a_package_or_have_another_version_say_so_before_the_first_round(
    three_shards: Path, tmp_path: Path, set_data: Callable[[str, Path], None]
) -> None:
    for number, site in enumerate(SITES):
        set_data(site, unpacked(three_shards / f"shard_{number}.zip", tmp_path / site))
    run = reson.submit(
        SmallNet, name="bare", check=False, federation=rounds(1), requirements=["a-package-that-nobody-has==1.0", "numpy>=99"],
        training=reson.TrainingConfig(num_classes=3),
    )  # fmt: skip
    with pytest.raises(reson.RunFailed, match=r"site-1, site-2 and site-3 cannot train: .*a-package-that-nobody-has is missing"):
        run.wait(60)
    assert run.progress.rounds == {}
    told = {event.site: event.data for event in run.events() if event.type == "prepared"}
    assert sorted(told) == SITES
    for has in told.values():
        missing, other = sorted(has["problems"])[::-1]
        assert "a-package-that-nobody-has is missing" in missing
        assert other == f"numpy is {numpy.__version__} there, and the run needs >=99"
        assert has["packages"]["numpy"] == numpy.__version__


def test_a_site_without_data_says_so_before_the_first_round_and_the_others_train(
    three_shards: Path, tmp_path: Path, set_data: Callable[[str, Path], None]
) -> None:
    for number, site in enumerate(SITES[:2]):
        set_data(site, unpacked(three_shards / f"shard_{number}.zip", tmp_path / site))
    run = reson.submit(
        SmallNet, name="two-of-three", check=False, federation=rounds(1, min_clients=2),
        training=reson.TrainingConfig(num_classes=3, img_size=12),
    )  # fmt: skip
    run.wait(120)
    assert run.state is RunState.DEGRADED and "site-3 never contributed (it has no data: set RESON_DATA_ROOT there" in run.reason
    told = {event.site: event for event in run.events() if event.type == "prepared"}
    assert [told[site].data["samples"] for site in SITES] == [30, 16, None]
    began = next(event.seq for event in run.events() if event.type == "round_started")
    assert max(event.seq for event in told.values()) < began
    assert run.progress.rounds[0].aggregated and set(run.progress.rounds[0].aggregated) == {"site-1", "site-2"}
    assert [failure.site for failure in run.errors()] == ["site-3"]


def unpacked(shard: Path, folder: Path) -> Path:
    with zipfile.ZipFile(shard) as archive:
        archive.extractall(folder)
    return folder


def test_a_folder_cannot_bring_shards_to_sites_and_nothing_is_sent(three_shards: Path, short_home: Path) -> None:
    before = sorted(short_home.glob("runs/*")), sorted(short_home.glob("store/jobs/*"))
    with pytest.raises(StoreError, match=r"cannot fetch their shards from file:"):
        reson.submit(Line, train=fl_train, name="folder", shards_dir=three_shards, check=False, federation=rounds(1))
    assert (sorted(short_home.glob("runs/*")), sorted(short_home.glob("store/jobs/*"))) == before
