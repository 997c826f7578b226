"""What both ends of a run use: the process's own log, lines by their numbers, and addresses without their secrets."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reson_jupyter.worker import common
from reson_jupyter.worker.common import _reson_hide_queries, _reson_log_beyond
from reson_jupyter.worker.lines import _reson_LineReader


def test_the_log_is_read_from_a_place_on_in_whole_lines(log: Path) -> None:
    log.write_bytes(b"one\ntwo\nthr")
    assert _reson_log_beyond(0) == "one\ntwo\n"
    assert _reson_log_beyond(4) == "two\n"
    assert _reson_log_beyond(8) == _reson_log_beyond(100) == ""


@given(content=st.lists(st.binary(max_size=12).map(lambda data: data.replace(b"\n", b"")), max_size=12))
def test_its_text_has_as_many_bytes_as_the_file(tmp_path_factory: pytest.TempPathFactory, content: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("log") / "log.txt"
    path.write_bytes(b"".join(line + b"\n" for line in content))
    handler = logging.FileHandler(path)
    logging.getLogger().addHandler(handler)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(common, "_reson_LOG_BYTES", 16)
            offset = 0
            while text := _reson_log_beyond(offset):
                offset += len(text.encode())
        assert offset == path.stat().st_size
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def test_a_process_without_a_log_says_so() -> None:
    with pytest.raises(FileNotFoundError, match=r"it writes no log\.txt"):
        _reson_log_beyond(0)


def test_no_query_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for _ in range(2):
        _reson_hide_queries()
    logger = logging.getLogger("urllib3.connectionpool")
    assert len([one for one in logger.filters if type(one).__name__ == "_reson_NoQueries"]) == 1
    logger.debug('%s "GET %s HTTP/1.1" %s', "https://h:443", "/a?X-Amz-Signature=sesame&b=c", 200)
    logger.warning("Failed to parse headers (url=%s): %s", "https://h/a?sig=sesame", "why")
    assert [record.getMessage() for record in caplog.records] == [
        'https://h:443 "GET /a?... HTTP/1.1" 200',
        "Failed to parse headers (url=https://h/a?... why",
    ]


@given(lines=st.lists(st.integers(0, 30), max_size=30), pieces=st.integers(1, 7), most=st.integers(1, 60))
def test_lines_are_read_by_number_however_they_come(
    tmp_path_factory: pytest.TempPathFactory, lines: list[int], pieces: int, most: int
) -> None:
    path = tmp_path_factory.mktemp("lines") / "events.ndjson"
    reader = _reson_LineReader(str(path))
    assert reader.read(0, most) == b""
    content = b"".join(b"x" * length + b"\n" for length in lines)
    found = b""
    with path.open("wb") as file:
        for start in range(0, len(content), 1 + len(content) // pieces):
            file.write(content[start : start + 1 + len(content) // pieces])
            file.flush()
            while piece := reader.read(found.count(b"\n"), most):
                assert len(piece) <= most or piece.count(b"\n") == 1
                assert piece.endswith(b"\n")
                found += piece
    assert found == content
    assert reader.read(-1, most) == b""
    again = _reson_LineReader(str(path))
    assert again.read(0, 10_000) == content
