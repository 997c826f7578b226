"""What a federation's looks say to the user before a run."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reson_jupyter.backend.flare import survey as module
from reson_jupyter.backend.flare.kit import read_kit
from reson_jupyter.backend.flare.look import _unheard as unheard
from reson_jupyter.backend.flare.look import _versions as versions
from reson_jupyter.backend.flare.survey import survey
from reson_jupyter.errors import TargetError
from tests.flare.conftest import FakeSession, write_kit


def look(monkeypatch: pytest.MonkeyPatch, kit: Path, **found: Any) -> Any:
    answer = {
        "sites": ["site-1", "site-2"],
        "silent": [],
        "unheard": {},
        "versions": {"server": "2.9.0", "site-1": "2.9.0"},
    } | found
    monkeypatch.setattr(module, "_look", lambda _: answer)
    return survey(read_kit(str(kit)), "2.9.0")


def test_the_sites_are_those_that_are_connected(monkeypatch: pytest.MonkeyPatch, kit: Path) -> None:
    found = look(monkeypatch, kit)
    assert (found.sites, found.notes, found.store) == (("site-1", "site-2"), (), "")


def test_a_site_that_does_not_answer_is_left_out_and_named(monkeypatch: pytest.MonkeyPatch, kit: Path) -> None:
    found = look(monkeypatch, kit, silent=["site-2"])
    assert found.sites == ("site-1",)
    assert found.notes == ("site-2: connected, but without an answer, so the run goes without",)


def test_a_site_that_was_not_heard_for_long_is_named(monkeypatch: pytest.MonkeyPatch, kit: Path) -> None:
    found = look(monkeypatch, kit, unheard={"site-2": 130})
    assert (found.sites, found.notes) == (("site-1", "site-2"), ("site-2 was last heard 130 s ago; it may be gone",))
    assert look(monkeypatch, kit, unheard={"site-2": 130}, silent=["site-2"]).notes == (
        "site-2: connected, but without an answer, so the run goes without",
    )


def test_how_long_a_site_was_not_heard_is_told_by_the_servers_clock() -> None:
    heard = {"site-1": 1000.0, "site-2": 960.0, "site-3": 870.4, "site-4": None}
    assert unheard(heard, 0.0) == {"site-3": 130}
    assert unheard(heard, 1010.0) == {"site-2": 50, "site-3": 140}
    assert unheard({}, 0.0) == {} == unheard({"site-1": 5.0}, 0.0)


def test_a_site_that_the_server_does_not_reach_is_silent() -> None:
    told = {"server": {"version": "2.9.0"}, "site-1": {"version": "2.9.0"}, "site-2": {"error": "No replies"}}
    api = SimpleNamespace(report_version=lambda _: told)
    assert versions(FakeSession(api), ["site-1", "site-2"]) == {
        "versions": {"server": "2.9.0", "site-1": "2.9.0"}, "silent": ["site-2"],
    }  # fmt: skip


def test_other_versions_are_told_and_those_that_will_not_do_are_refused(monkeypatch: pytest.MonkeyPatch, kit: Path) -> None:
    assert look(monkeypatch, kit, versions={"server": "2.8.1"}).notes == (
        "the federation runs NVFlare 2.8.1, this machine 2.9.0",
    )
    assert look(monkeypatch, kit, versions={}).notes == (), "each site tells its own before the first round"
    for version in ("2.6.2", "3.0.0"):
        with pytest.raises(TargetError, match=f"site-1 has NVFlare {version}"):
            look(monkeypatch, kit, versions={"site-1": version})


def test_a_federation_without_sites_says_how_to_start_them(monkeypatch: pytest.MonkeyPatch, kit: Path) -> None:
    with pytest.raises(TargetError, match=r"no site is connected to the federation hospitals at 127\.0\.0\.1:8002"):
        look(monkeypatch, kit, sites=[])
    with pytest.raises(TargetError, match=r"no site of .* answers: site-1, site-2"):
        look(monkeypatch, kit, silent=["site-1", "site-2"])


def test_a_server_that_is_not_there_is_told_at_once_with_its_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    kit = read_kit(str(write_kit(tmp_path / "kit", port=port)))
    with pytest.raises(
        TargetError, match=rf"nothing listens at the federation's server 127.0.0.1:{port}\n  Is the server running"
    ):
        survey(kit, "2.9.0")
