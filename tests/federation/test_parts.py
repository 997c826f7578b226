"""What a federation at hand is made of, without its processes: where it lies, what its sites have, what is refused."""

from __future__ import annotations

import errno
import json
import os
import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

import reson_jupyter as reson
from reson_jupyter.backend.federation import data, handle, kits, place, start
from reson_jupyter.backend.federation.handle import Federation
from reson_jupyter.errors import ConfigError, ShardError, TargetError
from tests.runs.conftest import write_plain_shards


@pytest.fixture(autouse=True)
def own_home(short_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, below one with a short path."""
    home = Path(tempfile.mkdtemp(dir=short_home)).resolve()
    monkeypatch.setenv("RESON_HOME", str(home))
    return home


@pytest.fixture
def three(own_home: Path) -> Path:
    """A folder with the kits of three sites, as far as their data is concerned."""
    for name in kits.site_names(3):
        (own_home / name / "local").mkdir(parents=True)
    (own_home / "data").mkdir()
    return own_home


def data_roots(folder: Path) -> list[Path | None]:
    return [kits.data_root(folder / name) for name in kits.site_names(3)]


# where it lies


def test_a_federation_lies_below_the_home(own_home: Path) -> None:
    assert place.new_folder(None) == own_home / "federation" / "nodes"
    assert (own_home / "federation" / "nodes").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["with white space", "x" * 60])
def test_below_a_home_that_nvflare_would_not_take_it_lies_in_a_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("RESON_HOME", str(tmp_path / name))
    monkeypatch.setattr(place.tempfile, "tempdir", "/tmp")
    folder = place.new_folder(None)
    assert folder.name.startswith("reson-federation-") and folder.stat().st_mode & 0o777 == 0o700
    folder.rmdir()


@pytest.mark.parametrize(
    "name, why",
    [("a b", "NVFlare takes no path with white space"), ("x" * 70, "has more than 64 characters"), ("full", "is not empty")],
)
def test_a_chosen_folder_that_cannot_hold_it_is_refused(own_home: Path, name: str, why: str) -> None:
    (own_home / "full").mkdir(parents=True)
    (own_home / "full" / "thesis.tex").touch()
    with pytest.raises(TargetError, match=why):
        place.new_folder(own_home / name)
    assert (own_home / "full" / "thesis.tex").exists()


def test_a_chosen_folder_that_is_a_file_is_refused(own_home: Path) -> None:
    (own_home / "file").touch()
    with pytest.raises(TargetError, match="cannot be used: File exists"):
        place.new_folder(own_home / "file")


def test_a_chosen_folder_is_taken_by_whatever_name_it_is_called(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own_home)
    monkeypatch.setenv("HOME", str(own_home))
    assert place.new_folder("here") == own_home / "here"
    assert place.new_folder("~/there") == own_home / "there"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"folder": "/x"}', '{"folder": "/x", "sites": 1, "more": 2}'])
def test_a_damaged_book_means_that_there_is_no_federation(own_home: Path, text: str) -> None:
    (own_home / "federation").mkdir(parents=True)
    (own_home / "federation" / "federation.json").write_text(text)
    assert reson.federation() is None and reson.stop_federation() is False


def test_two_at_once_are_refused() -> None:
    with place.only_one(), pytest.raises(TargetError, match=r"is starting or stopping .*\n  Wait until it is done\."):
        reson.stop_federation()
    assert reson.stop_federation() is False


def test_a_federation_of_another_machine_that_shares_the_home_is_left_alone(own_home: Path) -> None:
    folder = own_home / "federation" / "nodes"
    folder.mkdir(parents=True)
    place.Place(str(folder), 3, complete=True, host="login-2").save()
    for ask in (reson.federation, reson.start_federation, reson.stop_federation, Federation.at(folder, 3).stop):
        with pytest.raises(TargetError, match=r"on another machine, login-2\n  Stop it there\. .* delete .*federation\.json$"):
            ask()
    assert folder.exists()


# the sites' data


def test_shards_are_unpacked_and_dealt_out_in_the_order_of_their_names(three: Path, tmp_path: Path) -> None:
    data.share_out(data.find_data(write_plain_shards(tmp_path, 3)), three, kits.site_names(3))
    roots = data_roots(three)
    assert [(root / "number.txt").read_text() for root in roots if root] == ["0", "1", "2"]
    # By its digest beside it a site keeps the decoded images of a shard for the next run.
    assert all(root and len(root.with_name(f"{root.name}.sha256").read_text()) == 64 for root in roots)
    assert not list((three / "data").glob("*.part"))


def test_the_same_data_again_is_unpacked_once_and_other_data_beside_it(three: Path, tmp_path: Path) -> None:
    shards = data.find_data(write_plain_shards(tmp_path, 2))
    data.share_out(shards, three, kits.site_names(3))
    before = data_roots(three)
    data.share_out(shards[::-1], three, kits.site_names(3))
    assert data_roots(three) == [before[1], before[0], None]


def test_what_is_called_as_a_site_goes_there_and_a_site_may_be_without_data(three: Path, tmp_path: Path) -> None:
    (tmp_path / "site-3").mkdir()
    (tmp_path / "site-3" / "table.csv").touch()
    data.share_out(data.find_data(tmp_path), three, kits.site_names(3))
    assert data_roots(three) == [None, None, tmp_path / "site-3"]


def test_subfolders_stay_where_they_are_and_neither_hidden_ones_nor_the_test_set_are_a_site(three: Path, tmp_path: Path) -> None:
    for name in ("b", "a", ".cache", "test"):
        (tmp_path / name).mkdir()
    found = data.find_data(tmp_path)
    assert found == [tmp_path / "a", tmp_path / "b"]
    data.share_out(found, three, kits.site_names(3))
    assert data_roots(three) == [tmp_path / "a", tmp_path / "b", None]
    assert json.loads((three / "site-1/local/reson.json").read_text()) == {"data_root": str(tmp_path / "a")}


def test_more_data_than_sites_is_refused(three: Path, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="there are 4 shards, more than sites"):
        data.share_out(data.find_data(write_plain_shards(tmp_path, 4)), three, kits.site_names(3))
    assert data_roots(three) == [None, None, None]


def test_a_shard_that_is_not_safe_is_refused(three: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../../out.txt", "out")
    with pytest.raises(ShardError, match=r"evil\.zip is not safe to unpack"):
        data.share_out(data.find_data(tmp_path), three, kits.site_names(3))
    assert not list(three.rglob("out.txt")) and data_roots(three) == [None, None, None]


def test_classes_of_images_are_no_sites_and_what_to_do_is_said(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.PNG").touch()
    with pytest.raises(ShardError, match=r"folders of images: cat, dog\.\n.*%reson shards make"):
        data.find_data(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "empty", "file.txt", "one.zip"])
def test_a_folder_without_data_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").touch()
    (tmp_path / "one.zip").touch()
    with pytest.raises(ShardError, match=name):
        data.find_data(tmp_path / name)


# starting


@pytest.fixture
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> list[Federation]:
    """What would have been started."""
    started: list[Federation] = []
    monkeypatch.setattr(start, "make_kits", lambda folder, count, port, environment: None)
    monkeypatch.setattr(start, "bring_up", started.append)
    monkeypatch.setattr(start, "share_out", lambda found, folder, sites: None)
    return started


@pytest.mark.parametrize("sites", [0, -1, 2.0, True, "three"])
def test_a_number_of_sites_that_is_none_is_refused(nothing_starts: list[Federation], sites: int) -> None:
    with pytest.raises(ConfigError, match="a federation cannot have"):
        reson.start_federation(sites)
    assert not nothing_starts and reson.federation() is None


def test_there_are_as_many_sites_as_asked_for_or_as_have_data_or_three(nothing_starts: list[Federation], tmp_path: Path) -> None:
    write_plain_shards(tmp_path, 4)
    for arguments in ({"sites": 2}, {"data": tmp_path}, {"data": tmp_path, "sites": 5}, {}):
        reson.start_federation(**arguments)  # type: ignore[arg-type]
        reson.stop_federation()
    assert [len(started.sites) for started in nothing_starts] == [2, 4, 5, 3]
    assert nothing_starts[0].sites == ("site-1", "site-2")


@pytest.mark.parametrize(
    "gigabytes, hint",
    [(2.0, "Start 2 at most: %reson federation start --sites 2"), (1.0, "Make room: not even one would fit.")],
)
def test_more_sites_than_the_memory_holds_are_refused(
    nothing_starts: list[Federation], monkeypatch: pytest.MonkeyPatch, gigabytes: float, hint: str
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=gigabytes * 1e9))
    with pytest.raises(TargetError) as error:
        reson.start_federation(3)
    assert f"a server and 3 sites need 2.5 GB to train, and {gigabytes} GB are free\n  {hint}" == str(error.value)
    assert not nothing_starts


@pytest.mark.parametrize("part", ["make_kits", "share_out", "bring_up"])
def test_a_full_disk_is_told_and_nothing_is_left(
    nothing_starts: list[Federation], monkeypatch: pytest.MonkeyPatch, own_home: Path, part: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(start, part, full)
    with pytest.raises(TargetError, match=r"nodes could not be set up: No space left on device\n  Check the disk"):
        reson.start_federation(1)
    assert reson.federation() is None and not (own_home / "federation" / "nodes").exists()


def test_a_federation_that_others_can_reach_is_ended(
    nothing_starts: list[Federation], monkeypatch: pytest.MonkeyPatch, own_home: Path
) -> None:
    monkeypatch.setattr(start, "open_doors", lambda folder: ["0.0.0.0:8002"])
    with pytest.raises(TargetError, match=r"other machines can reach the federation: it listens on 0\.0\.0\.0:8002\n"):
        reson.start_federation(1)
    assert reson.federation() is None and not (own_home / "federation" / "nodes").exists()


@pytest.mark.parametrize("installed", ["2.7.2", "2.8.1rc1"])
def test_versions_that_listen_on_every_address_are_refused(
    nothing_starts: list[Federation], monkeypatch: pytest.MonkeyPatch, installed: str
) -> None:
    monkeypatch.setattr(start, "version", lambda name: installed)
    with pytest.raises(TargetError, match=rf"^with NVFlare {installed} other machines could reach .*\n  Install nvflare 2\.9"):
        reson.start_federation(1)
    assert not nothing_starts


def test_what_nvflare_says_when_it_cannot_make_kits_is_told(own_home: Path, tmp_path: Path) -> None:
    (tmp_path / "nvflare.py").write_text("raise ImportError('libfoo.so is missing')")
    with pytest.raises(TargetError, match=r"NVFlare could not make the startup kits: ImportError: libfoo\.so is missing\n"):
        kits.make_kits(own_home, 1, 8002, {**os.environ, "PYTHONPATH": str(tmp_path)})


def test_the_processes_have_a_home_of_their_own_and_none_of_the_users_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RESON_API_KEY", "RESONTECH_OUT_DIR", "AWS_SESSION_TOKEN", "NVFLARE_STARTUP_KIT_DIR", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "canary")
    environment = kits.base_environment(Path("/f"))
    assert [name for name, value in environment.items() if value == "canary"] == ["CUDA_VISIBLE_DEVICES"]
    assert (environment["HOME"], environment["TMPDIR"], environment["PATH"]) == ("/f/home", "/f/tmp", os.environ["PATH"])


def test_the_sites_hear_where_a_project_is_that_does_not_travel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESON_PROJECT", "client")
    assert kits.base_environment(Path("/f"))["RESON_PROJECT"] == str(tmp_path.resolve() / "client")


# how it shows itself


def test_it_shows_what_each_does_and_has(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (three / "logs").mkdir()
    (three / "logs" / "server.txt").write_text("root - INFO - Server started\n")
    (three / "logs" / "site-1.txt").write_text("Successfully registered client:site-1 for project reson.\n")
    (three / "logs" / "site-2.txt").write_text("Connecting\n")
    kits.set_data_root(three / "site-1", Path("/data/<a>"))
    monkeypatch.setattr(handle, "running_nodes", lambda folder: {"server", "site-1", "site-2"})
    federation = Federation.at(three, 3)
    assert federation.states == {"server": "running", "site-1": "connected", "site-2": "starting", "site-3": "not running"}
    assert repr(federation).splitlines() == [
        "A federation on this machine: a server and 3 sites",
        "        state        data",
        "server  running",
        "site-1  connected    /data/<a>",
        "site-2  starting",
        "site-3  not running",
        f"submit to it: %reson config target=flare startup_kit={three}/researcher",
        "stop it: %reson federation stop, or reson.stop_federation()",
    ]
    html = federation._repr_html_()
    assert "/data/&lt;a&gt;" in html and "not running" in html and "<a>" not in html


def test_more_data_than_sites_is_told_before_anything_is_started(nothing_starts: list[Federation], tmp_path: Path) -> None:
    write_plain_shards(tmp_path, 3)
    with pytest.raises(TargetError, match=r"has data for 3 sites, and the federation would have 2\n  .* start --sites 3 --data "):
        reson.start_federation(2, data=tmp_path)
    assert not nothing_starts and reson.federation() is None
