"""Startup kits as users name them, sound and otherwise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reson_jupyter.backend.flare.kit import read_kit, why_gone
from reson_jupyter.errors import TargetError
from tests.flare.conftest import DAY, write_kit


def refusal(folder: str) -> str:
    with pytest.raises(TargetError) as caught:
        read_kit(folder)
    return str(caught.value)


def test_a_kit_tells_who_the_user_is_and_where_the_server_is(kit: Path) -> None:
    found = read_kit(str(kit))
    assert (found.path, found.username, found.project, found.server) == (kit, "ann@example.com", "hospitals", "127.0.0.1:8002")
    assert found.is_loopback


def test_a_kit_may_be_named_from_home_relatively_and_by_its_startup_folder(
    kit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in (f"~/{kit.name}", kit.name, f" {kit} ", str(kit / "startup")):
        assert read_kit(name).path == kit


def test_what_is_no_kit_of_a_user_is_refused_with_what_to_set(kit: Path, tmp_path: Path) -> None:
    assert "needs the startup kit" in refusal("")
    assert "there is no folder" in refusal(str(tmp_path / "nowhere"))
    assert "cannot be found" in refusal("~nobody-has-this-name/kit")
    assert "has no startup/fed_admin.json" in refusal(str(tmp_path))
    for name, whose in (("fed_client.json", "a site's"), ("fed_server.json", "the server's")):
        other = tmp_path / whose / "startup"
        other.mkdir(parents=True)
        (other / name).write_text("{}")
        assert f"is {whose} startup kit" in refusal(str(other.parent))
    assert "%reson config startup_kit=" in refusal("")


@pytest.mark.parametrize("name", ["client.crt", "client.key", "rootCA.pem"])
def test_a_kit_that_lacks_a_file_names_it(kit: Path, name: str) -> None:
    (kit / "startup" / name).unlink()
    assert f"{name} is missing" in refusal(str(kit))


def test_a_damaged_kit_is_no_bug_of_ours(kit: Path) -> None:
    config = kit / "startup" / "fed_admin.json"
    for content in (
        "no json",
        "[]",
        "{}",
        json.dumps({"admin": {"host": "x"}}),
        json.dumps({"admin": {"host": "x", "port": "y"}}),
    ):
        config.write_text(content)
        assert "cannot be used" in refusal(str(kit))


def test_a_certificate_that_is_no_longer_or_not_yet_valid_is_told_by_its_date(tmp_path: Path) -> None:
    assert "expired on 20" in refusal(str(write_kit(tmp_path / "old", begins=-3 * DAY, ends=-DAY)))
    assert "clock" in refusal(str(write_kit(tmp_path / "new", begins=DAY, ends=2 * DAY)))


def test_no_key_is_in_what_a_kit_shows(kit: Path) -> None:
    assert "PRIVATE" not in repr(read_kit(str(kit)))


@pytest.mark.parametrize("at_hand", [True, False])
def test_a_kit_tells_whether_its_federation_is_still_the_same(kit: Path, tmp_path: Path, at_hand: bool) -> None:
    known = read_kit(str(kit)).federation
    assert why_gone(kit, known, at_hand=at_hand) == why_gone(kit, "", at_hand=at_hand) == ""
    shutil.rmtree(kit)
    assert why_gone(kit, known, at_hand=at_hand) == ("The federation was stopped" if at_hand else ""), (
        "elsewhere a disk may be away"
    )
    write_kit(kit)
    assert read_kit(str(kit)).federation != known
    assert why_gone(kit, known, at_hand=at_hand) == (
        "The federation was stopped (another one has been started since)"
        if at_hand
        else f"The startup kit {kit} is that of another federation by now"
    )
    (kit / "startup" / "rootCA.pem").unlink()
    assert why_gone(kit, known, at_hand=at_hand) == ""
