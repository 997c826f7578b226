"""What differs between two jobs, whatever their files are called and hold; and the tree of such files."""

from __future__ import annotations

import difflib
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from reson_jupyter.backend.history.origin import Origin
from reson_jupyter.backend.job import Job, JobParts, build_job
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.card import html_root
from reson_jupyter.config import FederationConfig, TrainingConfig
from reson_jupyter.preview.changes import Changes, Made, compare
from reson_jupyter.preview.contents import PlannedFile
from reson_jupyter.preview.highlight import code_html, diff_html
from reson_jupyter.preview.tree import Folder, tree_of
from tests.hostile import HOSTILE, harmless

NAMES = st.text(st.characters(exclude_characters="/", exclude_categories=("Cs",)), min_size=1, max_size=8)
PATHS = st.lists(st.one_of(NAMES, st.sampled_from(HOSTILE).map(lambda name: name.replace("/", "|"))), min_size=1, max_size=3)
FILES = st.dictionaries(PATHS.map("/".join), st.binary(max_size=30), max_size=6)
LINES = st.lists(st.one_of(st.text(st.characters(exclude_characters="\n"), max_size=12), st.sampled_from(HOSTILE)), max_size=8)


def made(files: dict[str, bytes], sites: dict[str, tuple[str, str]] | None = None, **record: object) -> Made:
    base = build_job(JobParts("a", "model_def.Net", "class Net: ...\n", training=TrainingConfig(), federation=FederationConfig()))
    run = RunRecord(**{"id": "a", "name": "a", "target": "local", "store": "", "created": 0.0, **record})
    said = {"sites": {site: {"shard": name, "sha256": digest} for site, (name, digest) in (sites or {}).items()}}
    return Made(Origin(run, Job("a", {**base.files, **files}), said), None, sites_known=True)


def replayed(before: list[str], diff: tuple[str, ...]) -> list[str]:
    """Applies a unified diff."""
    result, position = [], 0
    for line in diff[2:]:
        if line.startswith("@@"):
            start, _, count = line.split()[1][1:].partition(",")
            first = int(start) - (count != "0")
            result += before[position:first]
            position = first
        elif line.startswith("+"):
            result.append(line[1:])
        else:
            assert before[position] == line[1:]
            if line.startswith(" "):
                result.append(line[1:])
            position += 1
    return result + before[position:]


@settings(max_examples=150, deadline=None)
@given(before=FILES, now=FILES)
def test_each_file_that_differs_is_told_once_and_no_other(before: dict[str, bytes], now: dict[str, bytes]) -> None:
    changes = compare(made(before), made(now))
    kinds = {change.path: change.kind for change in changes.files}
    assert {path for path, kind in kinds.items() if kind == "added"} == now.keys() - before.keys() - made(
        {}
    ).origin.job.files.keys()
    assert len(kinds) == len(changes.files)
    both = before.keys() & now.keys()
    assert {path for path in both if kinds.get(path) == "changed"} == {path for path in both if before[path] != now[path]}


@settings(max_examples=150, deadline=None)
@given(before=LINES, now=LINES)
def test_the_lines_of_a_diff_lead_from_then_to_now(before: list[str], now: list[str]) -> None:
    old, new = ("\n".join(lines).encode("utf-8", "surrogatepass") for lines in (before, now))
    [*changes] = compare(made({"scripts/x.py": old}), made({"scripts/x.py": new})).files
    if old == new:
        assert changes == []
        return
    then = old.decode(errors="replace").split("\n")
    assert replayed(then, changes[0].diff) == new.decode(errors="replace").split("\n")
    came, went = changes[0].counts
    assert came - went == len(new.decode(errors="replace").split("\n")) - len(then)


@settings(max_examples=150, deadline=None)
@given(lines=LINES, name=st.sampled_from(["a.py", "a.json", "a.txt", "a"]))
def test_the_text_of_a_file_is_text_and_nothing_else(lines: list[str], name: str) -> None:
    shown = harmless(html_root(code_html(name, lines))).text
    assert shown.isprintable() or set(char for char in shown if not char.isprintable()) == {"\n"}
    diff = list(difflib.unified_diff([], lines, lineterm=""))
    assert harmless(html_root(diff_html(diff))).text.count("\n") == max(0, len(diff) - 3)


@given(files=FILES)
def test_every_file_is_in_the_tree_once(files: dict[str, bytes]) -> None:
    planned = [PlannedFile(path, len(data), "", None) for path, data in files.items()]

    def walk(folder: Folder, above: str = "") -> list[str]:
        here = [above + name for name in folder.files]
        return here + [path for name, inner in folder.folders.items() for path in walk(inner, f"{above}{name}/")]

    tree = tree_of(planned)
    assert sorted(walk(tree)) == sorted(files)
    assert (tree.count, tree.bytes) == (len(files), sum(map(len, files.values())))


def test_the_data_of_the_sites_is_told_by_its_digest() -> None:
    before = made({}, {"site-1": ("a.zip", "1" * 64), "site-2": ("b.zip", "2" * 64), "clinic": ("", ""), "gone": ("", "")})
    now = made({}, {"site-1": ("z.zip", "1" * 64), "site-2": ("b.zip", "3" * 64), "clinic": ("c.zip", "4" * 64), "new": ("", "")})
    assert compare(before, now).data == (
        f"site-1: a.zip ({'1' * 12}) is now called z.zip",
        f"site-2: b.zip ({'2' * 12}) -> b.zip ({'3' * 12})",
        f"clinic: data of its own -> c.zip ({'4' * 12})",
        "new is new, with data of its own",
        "gone is gone, which had data of its own",
    )


def test_another_place_and_arguments_of_the_model_are_told() -> None:
    def with_args(args: dict[str, object], **record: object) -> Made:
        parts = JobParts("a", "model_def.Net", "class Net: ...\n", model_args=args)
        return made(dict(build_job(parts).files), **record)

    long = "x" * 500
    changes = compare(with_args({"width": 4, "layers": [1, 2]}), with_args({"width": 8, "tail": long}, target="flare"))
    assert changes.values == (
        "target local -> flare",
        "model_args.width 4 -> 8",
        f"model_args.tail none -> {'x' * 80}...",
        "model_args.layers [1, 2] -> none",
    )


def test_hostile_values_are_shown_as_text() -> None:
    for name in HOSTILE:
        changes: Changes = compare(made({}, name=name), made({}, name="plain", store=name))
        assert all(line.isprintable() for line in changes.values)


def test_files_of_very_many_lines_are_not_compared_line_by_line() -> None:
    before, now = (json.dumps(list(range(first, 15_000)), indent=0).encode() for first in (0, 1))
    [change] = compare(made({"scripts/x.py": before}), made({"scripts/x.py": now})).files
    assert change.diff[-1] == "@@ too long to be compared line by line @@" and change.counts == (0, 0)
