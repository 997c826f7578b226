"""The models of the rounds go to the store while the run goes on, as many as there is room for."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.backend.runner.rounds import RoundKeeper, round_key, round_name
from reson_jupyter.backend.store import DirectoryStore
from reson_jupyter.errors import StoreError
from tests.patience import wait_for

PREFIX = "jobs/digits-1"


class Away(DirectoryStore):
    """A store that takes no file until it is told to, and may hang before it says so."""

    away = True
    refused = 0

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked, self.gives_up = threading.Event(), threading.Event()
        self.gives_up.set()

    def put_file(self, *args: Any, **kwargs: Any) -> None:
        """Fails while it is away, once it gives up."""
        self.asked.set()
        if self.away:
            self.gives_up.wait(60)
            self.refused += 1
            raise StoreError("nobody there")
        super().put_file(*args, **kwargs)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


def saved(folder: Path, number: int, size: int = 10) -> int:
    """What the persistor leaves of a round."""
    folder.mkdir(exist_ok=True)
    (folder / round_name(number)).write_bytes(bytes([number]) * size)
    return number


def kept(store: DirectoryStore) -> list[str]:
    return [info.key.rpartition("/")[2] for info in store.list(f"{PREFIX}/files_out/rounds/")]


def test_every_round_is_kept_under_its_number_and_no_longer_lies_here(store: DirectoryStore, tmp_path: Path) -> None:
    keeper = RoundKeeper(tmp_path / "rounds", store, PREFIX)
    for number in range(3):
        keeper.keep(saved(tmp_path / "rounds", number))
    assert keeper.finish(60)
    assert kept(store) == ["round_00000.pt", "round_00001.pt", "round_00002.pt"]
    assert store.get(round_key(PREFIX, 2)) == bytes([2]) * 10
    assert list((tmp_path / "rounds").iterdir()) == []


def test_the_oldest_go_when_there_is_no_room_for_all_and_the_newest_never(store: DirectoryStore, tmp_path: Path) -> None:
    keeper = RoundKeeper(tmp_path / "rounds", store, PREFIX, budget=25)
    for number in range(4):
        keeper.keep(saved(tmp_path / "rounds", number))
    keeper.keep(saved(tmp_path / "rounds", 4, size=100))
    assert keeper.finish(60)
    assert kept(store) == ["round_00004.pt"]


def test_a_persistor_that_leaves_no_rounds_has_none_kept(store: DirectoryStore, tmp_path: Path) -> None:
    keeper = RoundKeeper(tmp_path / "rounds", store, PREFIX)
    keeper.keep(0)
    assert keeper.finish(60) and kept(store) == []


def test_a_store_that_is_away_holds_nobody_up_and_gets_the_rounds_when_it_is_back(tmp_path: Path) -> None:
    store = Away(tmp_path / "store")
    keeper = RoundKeeper(tmp_path / "rounds", store, PREFIX, budget=25)
    store.gives_up.clear()
    keeper.keep(saved(tmp_path / "rounds", 0))
    assert store.asked.wait(30)
    for number in range(1, 5):
        keeper.keep(saved(tmp_path / "rounds", number))
    assert store.refused == 0, "it hangs, and all were taken note of meanwhile"
    store.gives_up.set()
    wait_for(lambda: store.refused)
    store.away = False
    assert keeper.finish(60)
    assert kept(store) == ["round_00003.pt", "round_00004.pt"]


def test_it_is_said_when_a_round_could_not_be_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keeper = RoundKeeper(tmp_path / "rounds", Away(tmp_path / "store"), PREFIX)
    keeper.keep(saved(tmp_path / "rounds", 0))
    assert not keeper.finish(0.1)
    assert "round 1 was not kept: nobody there" in capsys.readouterr().out
