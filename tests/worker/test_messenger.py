"""The logger that user code gets, and how its events reach the server."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nvflare.apis.event_type import EventType
from nvflare.apis.shareable import ReturnCode, Shareable, make_reply
from nvflare.apis.signal import Signal

from reson_jupyter.worker.messenger import ResonMessenger
from tests.patience import cpu_seconds

from .loopback import Engine


class Site(Engine):
    """A site with our messenger, and a server that takes its batches unless it is not `up`."""

    def __init__(self, run_dir: Path) -> None:
        super().__init__(run_dir)
        self.up = True
        self.batches: list[Shareable] = []
        self.signal = Signal()
        self.messenger = ResonMessenger()
        self.logger = self.messenger.make_logger(0, self.signal)
        self.components["messenger"] = self.messenger
        self.topics["reson.report"] = self._take
        self.tell(EventType.START_RUN)

    def tell(self, event_type: str) -> None:
        with self.new_context() as fl_ctx:
            self.fire_event(event_type, fl_ctx)

    def _take(self, topic: str, request: Shareable, fl_ctx: Any) -> Shareable:
        if self.up:
            self.batches.append(request)
        return make_reply(ReturnCode.OK if self.up else ReturnCode.TIMEOUT)

    def events(self) -> list[dict[str, Any]]:
        """All that arrives, in the end."""
        self.messenger.flush()
        return [event for batch in self.batches for event in json.loads(batch["events"])]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.tell(EventType.END_RUN)


def test_log_metric_takes_one_number_or_many(site: Site) -> None:
    site.logger.log_metric("loss", 0.5)
    site.logger.log_metric({"loss": torch.tensor(0.25), "accuracy": np.float32(1)}, step=3)
    assert [event["data"] for event in site.events()] == [
        {"step": None, "values": {"loss": 0.5}, "stage": "train"},
        {"step": 3, "values": {"loss": 0.25, "accuracy": 1.0}, "stage": "train"},
    ]


@pytest.mark.parametrize("value", [None, "many", [1], torch.zeros(2)])
def test_a_metric_that_is_no_number_is_an_error_at_the_users_line(site: Site, value: Any) -> None:
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        site.logger.log_metric("loss", value)


def test_messages_have_a_level_and_may_have_arguments(site: Site) -> None:
    site.logger("text")
    site.logger({"type": "warn", "msg": "w"})
    site.logger({"type": "err", "msg": "e"})
    site.logger({"msg": "i"})
    site.logger.info("%d of %s", 1, "two")
    site.logger.warning("100 %")
    site.logger.error(ValueError("x"))
    assert [(event["data"]["level"], event["data"]["message"]) for event in site.events()] == [
        ("info", "text"),
        ("warning", "w"),
        ("error", "e"),
        ("info", "i"),
        ("info", "1 of two"),
        ("warning", "100 %"),
        ("error", "x"),
    ]


def test_log_metric_raises_when_the_run_was_stopped(site: Site) -> None:
    site.signal.trigger(True)
    with pytest.raises(site.logger.Aborted):
        site.logger.log_metric("loss", 1.0)


def test_log_metric_costs_less_than_20_microseconds(site: Site) -> None:
    def log_a_thousand() -> None:
        for step in range(1000):
            site.logger.log_metric("loss", 0.5, step=step)

    assert cpu_seconds(log_a_thousand, 10, time.thread_time) / 1000 < 20e-6


def test_a_flood_is_sent_in_few_batches_and_complete(site: Site) -> None:
    began = time.monotonic()
    for step in range(2000):
        site.logger.log_metric("loss", 0.5, step=step)
        time.sleep(0.0003)
    assert [event["data"]["step"] for event in site.events()] == list(range(2000))
    assert len(site.batches) <= (time.monotonic() - began) / 0.2 + 1


def test_many_threads_may_log_at_once(site: Site) -> None:
    def log(number: int) -> None:
        for step in range(1000):
            site.logger.log_metric(f"m{number}", step, step=step)

    threads = [threading.Thread(target=log, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = site.events()
    for number in range(8):
        name = f"m{number}"
        assert [event["data"]["step"] for event in events if name in event["data"]["values"]] == list(range(1000))


def test_odd_texts_and_large_numbers_do_not_silence_the_site(site: Site) -> None:
    site.logger.info("half a character: \ud800")
    site.logger.log_metric("loss", 0.5, step=2**63)
    site.logger.log_metric("loss", 0.5, step=10**5000)
    site.logger.log_attributes({"seed": 2**64, "key": 2**20000, "small": -(2**63)})
    site.logger.info("after")
    data = [event["data"] for event in site.events()]
    assert [item["message"] for item in data if "message" in item] == [
        "half a character: \ud800",
        "a step is beyond 2**63, so it is left out",
        "the attribute 'seed' is beyond 2**63, so it is logged as text",
        "the attribute 'key' is beyond 2**63, so it is logged as text",
        "after",
    ]
    assert [item["step"] for item in data if "step" in item] == [None, None]
    (attributes,) = [item["values"] for item in data if "key" in item.get("values", ())]
    assert (attributes["seed"], attributes["key"][:4], attributes["small"]) == ("18446744073709551616", "0x10", -(2**63))


def test_an_event_that_cannot_be_sent_is_told_and_does_not_stop_the_others(site: Site) -> None:
    site.messenger.report("log", 0, {"level": "info", "message": object()})
    site.logger.info("after")
    assert [event["data"]["message"] for event in site.events()] == ["what was reported as log is no JSON: TypeError", "after"]


def test_what_could_not_be_sent_is_sent_later_in_order(site: Site) -> None:
    site.logger.info("0")
    site.up = False
    assert not site.messenger.flush()
    site.logger.info("1")
    assert not site.messenger.flush()
    site.up = True
    assert site.messenger.flush()
    assert [batch["batch"] for batch in site.batches] == [0, 1]
    assert [event["data"]["message"] for event in site.events()] == ["0", "1"]


def test_a_reply_tells_how_many_batches_its_task_sent(site: Site) -> None:
    for text in ("a", "b"):
        site.logger.info(text)
        site.messenger.flush()
    reply = make_reply(ReturnCode.OK)
    site.messenger.settle(reply)
    assert reply.get_header("reson.report") == {"sender": site.batches[0]["sender"], "batches": 2}


# The site's log file


@pytest.fixture
def log_files(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """log.txt, and error_log.txt for errors only, as NVFlare sets them up."""
    root, level = logging.getLogger(), logging.getLogger().level
    handlers = [logging.FileHandler(tmp_path / name, encoding="utf-8") for name in ("log.txt", "error_log.txt")]
    handlers[1].setLevel(logging.ERROR)
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield tmp_path / "log.txt", tmp_path / "error_log.txt"
    root.setLevel(level)
    for handler in handlers:
        root.removeHandler(handler)
        handler.close()


def test_what_is_printed_goes_to_the_log_line_by_line_and_where_it_went_before(
    log_files: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    site = Site(tmp_path)
    print("loss", 0.5)
    print("a", end="")
    print("b\n\nc")
    print("10 %\r20 %")
    site.tell(EventType.END_RUN)
    print("after the run")
    assert log_files[0].read_text() == "INFO loss 0.5\nINFO ab\nINFO c\nINFO 20 %\n"
    assert capsys.readouterr().out == "loss 0.5\nab\n\nc\n10 %\r20 %\nafter the run\n"


def test_threads_that_print_at_once_do_not_mix_their_lines(log_files: tuple[Path, Path], tmp_path: Path) -> None:
    site = Site(tmp_path)

    def say(word: str) -> None:
        for _ in range(200):
            print(word, word)

    threads = [threading.Thread(target=say, args=(word,)) for word in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    site.tell(EventType.END_RUN)
    assert sorted(log_files[0].read_text().splitlines()) == sorted(f"INFO {word} {word}" for word in "abc" for _ in range(200))


def test_what_the_logger_takes_stands_in_the_log_but_never_among_the_errors(log_files: tuple[Path, Path], site: Site) -> None:
    """What stands in error_log.txt is taken for the cause when a site dies."""
    site.logger.info("epoch 1")
    site.logger.error("odd")
    assert log_files[0].read_text() == "INFO epoch 1\nERROR odd\n"
    assert log_files[1].read_text() == ""


def test_debug_messages_are_sent_while_the_level_is_debug(log_files: tuple[Path, Path], site: Site) -> None:
    for level in (logging.INFO, logging.DEBUG, logging.WARNING):
        logging.getLogger().setLevel(level)
        site.logger.debug("at level %d", level)
    assert [event["data"] for event in site.events()] == [{"level": "debug", "message": "at level 10"}]
    assert log_files[0].read_text() == "DEBUG at level 10\n"
