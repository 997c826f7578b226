"""manifest.ndjson: what is a good one, and what is said of a bad one."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reson_jupyter.data.manifest import Sample, member_of, scan_manifest, summarise
from reson_jupyter.data.problems import Problems
from reson_jupyter.errors import ShardError
from tests.patience import cpu_seconds


def parse_manifest(data: bytes, name: str = "manifest.ndjson") -> list[Sample]:
    """The samples of a manifest; ShardError with every problem."""
    problems = Problems()
    samples = list(scan_manifest(io.BytesIO(data), problems))
    problems.raise_if_any(name, "Correct these and make the shards again.")
    return samples


def line(**changes: Any) -> bytes:
    return json.dumps({"id": "1", "uri": "file://images/1.png", "y": [0], **changes}).encode()


def test_each_line_is_a_sample() -> None:
    data = b'{"id": "a", "uri": "file://x/1.png", "y": [3], "meta": {"hospital": "A"}}\n{"id": "b", "uri": "2.png", "y": 0}\n'
    assert parse_manifest(data) == [
        Sample("a", "file://x/1.png", [3], {"hospital": "A"}, 1),
        Sample("b", "2.png", [0], {}, 2),
    ]


def test_blank_lines_a_byte_order_mark_and_windows_line_ends_are_no_problem() -> None:
    data = b"\xef\xbb\xbf" + line(id="a") + b"\r\n\r\n   \r\n" + line(id="b", meta=None) + b"\r\n\n"
    assert [(sample.id, sample.line) for sample in parse_manifest(data)] == [("a", 1), ("b", 4)]


def test_an_unusual_line_end_inside_a_string_does_not_end_the_line() -> None:
    assert parse_manifest(json.dumps({"id": "a\u2028b", "uri": "x", "y": 1}, ensure_ascii=False).encode())[0].id == "a\u2028b"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"{", "not JSON"),
        (b'{"id": "1"', "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b'{"y": ' + b"9" * 5_000 + b"}", "not JSON"),
        (b'{\r"id": "1", "uri": "x", "y": 0}', "carriage return"),
        (line(id="a") + b"\r" + line(id="b"), "carriage return"),
        (b"[1, 2]", "JSON array"),
        (b'"text"', "JSON string"),
        (b"3", "JSON number"),
        (b"null", "JSON null"),
        (b"\xff\xfe{", "UTF-16"),
        (b'{"id": "caf\xe9"}', "not UTF-8"),
        (b"{}", "id, uri, y are missing"),
        (b'{"id": "1", "y": 0}', "uri is missing"),
        (line().decode().encode("utf-16-le"), "not JSON"),
        (line(id="\ud800"), "half a character"),
        (line(id=1), "id must be a string"),
        (line(id=""), "id must be a string that is not empty"),
        (line(uri=None), "uri must be a string"),
        (line(uri=""), "uri must be a string that is not empty"),
        (line(uri="s3://bucket/1.png"), "would have to be downloaded"),
        (line(uri="http://example.org/1.png"), "would have to be downloaded"),
        (line(uri="https://example.org/1.png"), "would have to be downloaded, which only sites do; put the file into the shard"),
        (line(uri="file://"), "relative"),
        (line(uri="file:///etc/passwd"), "relative"),
        (line(uri="C:/1.png"), "relative"),
        (line(uri="a\0.png"), "relative"),
        (line(uri="/etc/passwd"), "relative"),
        (line(uri="file://../1.png"), "relative"),
        (line(uri="file://a/%2e%2e/%2e%2e/1.png"), "relative"),
        (line(uri="a\\1.png"), "relative"),
        (line(y="3"), "whole numbers from 0, not '3'"),
        (line(y=None), "whole numbers from 0, not None"),
        (line(y=True), "whole numbers from 0, not True"),
        (line(y=[1, False]), "whole numbers from 0, not False"),
        (line(y=1.0), "whole numbers from 0, not 1.0"),
        (line(y=[[1]]), "whole numbers from 0"),
        (line(y=-1), "class indices from 0"),
        (line(y=10**9), "class indices from 0"),
        (line(y=[2, 2]), "twice"),
        (line(meta="x"), "meta must be an object"),
        (b'{"id": "1", "uri": "x", "y": 0, "y": 1}', "'y' is there twice in one object"),
        (b'{"id": "1", "uri": "x", "y": 0, "meta": {"a": 1, "b": {"k": 1, "k": 1}}}', "'k' is there twice in one object"),
    ],
)
def test_a_bad_line_is_named_with_its_number(bad: bytes, said: str) -> None:
    at = 1 if said == "UTF-16" else 2
    with pytest.raises(ShardError) as caught:
        parse_manifest(bad if at == 1 else line(id="good") + b"\n" + bad)
    assert said in caught.value.message
    assert at == 1 or "line 2: " in caught.value.message


def test_an_id_that_comes_twice_is_named_with_both_lines() -> None:
    with pytest.raises(ShardError, match="line 3: id 'a' is already on line 1"):
        parse_manifest(b"\n".join([line(id="a"), line(id="b"), line(id="a")]))


def test_all_problems_are_counted_and_the_first_twenty_shown() -> None:
    with pytest.raises(ShardError) as caught:
        parse_manifest(b"\n".join([b"{}"] * 50), "digits.ndjson")
    assert "digits.ndjson: 50 problems" in caught.value.message
    assert caught.value.message.count("missing") == 20
    assert "and 30 more" in caught.value.message


def test_a_summary_counts_samples_and_labels() -> None:
    lines = [line(id="a", y=2), line(id="b", y=[0]), line(id="c", y=[2]), line(id="d", y=[7])]
    summary = summarise(iter(parse_manifest(b"\n".join(lines))))
    assert summary.samples == 4
    assert list(summary.label_counts.items()) == [(0, 1), (2, 2), (7, 1)]
    assert (summary.max_label, summary.max_label_id) == (7, "d")
    assert not summary.multi_label


def test_several_labels_on_one_sample_make_the_data_multi_label() -> None:
    summary = summarise(iter(parse_manifest(b"\n".join([line(id="a", y=[1, 4]), line(id="b", y=[])]))))
    assert summary.multi_label
    assert summary.label_counts == {1: 1, 4: 1}
    assert summary.unlabelled == [2]


def test_an_empty_manifest_has_no_samples() -> None:
    assert parse_manifest(b"\n\n") == []
    assert summarise(iter([])).max_label is None


@pytest.mark.parametrize(
    ("uri", "member"),
    [
        ("file://images/1.png", "images/1.png"),
        ("images/ä b.png", "images/ä b.png"),
    ],
)
def test_a_uri_means_a_member_of_the_shard(uri: str, member: str) -> None:
    assert member_of(uri) == member


labels = st.integers(0, 50) | st.lists(st.integers(0, 50), unique=True, max_size=4)
names = st.text(min_size=1).filter(lambda text: text.isprintable())
metas = st.none() | st.dictionaries(st.text(), st.integers())
records = st.lists(st.tuples(names, labels, metas), unique_by=lambda record: record[0])


@given(records, st.booleans())
def test_whatever_is_written_is_read_again(written: list[tuple[str, Any, Any]], ascii_only: bool) -> None:
    lines = [
        json.dumps({"id": name, "uri": f"images/{number}", "y": y, "meta": meta}, ensure_ascii=ascii_only)
        for number, (name, y, meta) in enumerate(written)
    ]
    found = parse_manifest("\n".join(lines).encode())
    assert [(sample.id, sample.labels, sample.meta) for sample in found] == [
        (name, y if isinstance(y, list) else [y], meta or {}) for name, y, meta in written
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "uri", "y", "meta", "x"]), inner),
    max_leaves=12,
)


@given(st.lists(st.binary(max_size=30) | json_values.map(lambda value: json.dumps(value).encode()), max_size=5))
def test_any_bytes_are_samples_or_problems_and_never_a_crash(lines: list[bytes]) -> None:
    problems = Problems()
    samples = list(scan_manifest(io.BytesIO(b"\n".join(lines)), problems))
    assert all(sample.id and all(label >= 0 for label in sample.labels) for sample in samples)
    assert len(problems.shown) == min(problems.count, 20)


def test_of_very_many_bad_lines_the_rest_is_not_looked_at_and_the_report_says_so() -> None:
    problems = Problems()
    assert list(scan_manifest(io.BytesIO(b"x\n" * 999 + line() + b"\n" + b"x\n" * 1_000), problems))
    assert problems.count == 1_001
    assert problems.shown[20:] == ["and 980 more", "line 1001 is the 1,000th bad one; the rest was not looked at"]


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n \r\n"])
def test_every_second_line_may_be_blank(end: bytes) -> None:
    data = b"".join(line(id=str(number)) + end for number in range(150_000))
    problems = Problems()
    assert sum(1 for _ in scan_manifest(io.BytesIO(data), problems)) == 150_000
    assert not problems.count


def test_a_line_of_a_megabyte_is_read() -> None:
    assert parse_manifest(line(meta={"note": "x" * 1_000_000}) + b"\n" + line(id="2"))[1].line == 2


def test_a_hundred_thousand_lines_take_about_a_second() -> None:
    data = b"\n".join(line(id=f"s{number}", y=[number % 10], meta={"site": "a"}) for number in range(20_000))
    assert summarise(scan_manifest(io.BytesIO(data), Problems())).samples == 20_000
    # Half a second on an idle machine; the limit leaves room for slower ones.
    assert 5 * cpu_seconds(lambda: summarise(scan_manifest(io.BytesIO(data), Problems())), 5) < 2.5
