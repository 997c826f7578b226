"""Requests lie in a folder until one takes them, in the order in which they came."""

from __future__ import annotations

import threading
from pathlib import Path

from reson_jupyter.backend.carrying.mailbox import Mailbox


def test_requests_are_taken_once_in_their_order(tmp_path: Path) -> None:
    box = Mailbox(tmp_path / "requests")
    assert box.take() == []
    for number in range(20):
        box.put({"id": str(number), "sites": None, "params": {"é": [1, None]}})
    taken = box.take()
    assert [request["id"] for request in taken] == [str(number) for number in range(20)]
    assert taken[0]["params"] == {"é": [1, None]}
    assert box.take() == [] and list((tmp_path / "requests").iterdir()) == []


def test_what_cannot_be_read_is_dropped_and_holds_nothing_up(tmp_path: Path) -> None:
    box = Mailbox(tmp_path)
    (tmp_path / "0.json").write_bytes(b"{\xff")
    (tmp_path / "1.json").write_text("[1]")
    (tmp_path / "2.part").write_text('{"id": "half')
    box.put({"id": "whole"})
    assert box.take() == [{"id": "whole"}]
    assert [path.name for path in tmp_path.iterdir()] == ["2.part"]


def test_requests_of_many_at_once_all_arrive(tmp_path: Path) -> None:
    def put(writer: int) -> None:
        for number in range(25):
            Mailbox(tmp_path).put({"id": f"{writer}-{number}"})

    writers = [threading.Thread(target=put, args=(writer,)) for writer in range(4)]
    for thread in writers:
        thread.start()
    taken = []
    while any(thread.is_alive() for thread in writers):
        taken += Mailbox(tmp_path).take()
    taken += Mailbox(tmp_path).take()
    assert sorted(request["id"] for request in taken) == sorted(f"{w}-{n}" for w in range(4) for n in range(25))
