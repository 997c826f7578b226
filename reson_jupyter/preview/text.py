"""A preview for a terminal: the tree of the files with their sizes, and what has changed, in words."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import dirname

from ..backend.event_log import latest_key
from ..backend.job import PACKAGES
from ..data.report import counted
from ..names import printable
from ..table import text_table
from ..units import size
from .changes import FileChange
from .contents import RUN_ID, PlannedShard, Preview
from .since import Since
from .tree import Folder, tree_of

SHORT = 12  # digits of a digest
SHARD_TITLES = ("site", "shard", "size", "sha256", "")
_MARKS = {"added": "+", "removed": "-", "changed": "~"}
# What a submit writes besides.
BESIDES = f"Besides, the run's log goes to {dirname(latest_key(f'jobs/{RUN_ID}'))}/, a mark for each shard to shards/used/."


def preview_text(preview: Preview) -> str:
    """Returns the preview as lines of text."""
    lines = [preview.title, f"  {goes(preview)}", ""]
    lines += text_table(("file", "size", "sha256"), list(_rows(tree_of(preview.files))), ["size"]).splitlines()
    if preview.shards:
        table = text_table(SHARD_TITLES, [shard_row(shard) for shard in preview.shards], ["size"])
        lines += ["", *table.splitlines()]
    lines += ["", *_since(preview.since)]
    lines += [f"a submit would be refused: {printable(text)}" for text in preview.obstacles]
    lines += [f"not looked at: {printable(text)}" for text in preview.unseen]
    lines += [f"note: {printable(text)}" for text in preview.notes]
    return "\n".join(lines)


def goes(preview: Preview) -> str:
    """Returns where all of it would go."""
    place = f" ({printable(preview.place)})" if preview.place else ""
    store = printable(preview.store) or "a store that is not known"
    return f"for the target {printable(preview.target)}{place}, by {store}, below jobs/{RUN_ID}/; nothing was sent"


def _stored(shard: PlannedShard) -> str:
    """Whether the store has a shard, in words."""
    return {True: "in the store already", False: "to be sent", None: "unknown whether the store has it"}[shard.stored]


def change_text(change: FileChange) -> str:
    """Returns what happened to a file, in a line."""
    came, went = change.counts
    counts = f"  +{came} -{went}" if change.kind == "changed" else f"  {change.kind}"
    return f"{_MARKS[change.kind]} {printable(change.path)}{counts}"


def _rows(folder: Folder, depth: int = 0) -> Iterator[tuple[str, str, str]]:
    indent = "  " * depth
    for name, inner in folder.folders.items():
        if depth == 1 and name in PACKAGES:
            yield f"{indent}{name}/ ({counted(inner.count, 'file')} of this package)", size(inner.bytes), ""
            continue
        yield f"{indent}{printable(name)}/", size(inner.bytes), ""
        yield from _rows(inner, depth + 1)
    for name, file in folder.files.items():
        yield f"{indent}{printable(name)}", size(file.bytes), file.sha256[:SHORT] or "another for each run"


def shard_row(shard: PlannedShard) -> tuple[str, ...]:
    """Returns a site and its data as a row below `SHARD_TITLES`."""
    if not shard.name:
        return printable(shard.site), "(has its data itself)", "", "", ""
    return printable(shard.site) or "?", printable(shard.name), size(shard.bytes), shard.sha256[:SHORT], _stored(shard)


def _since(since: Since) -> list[str]:
    changes = since.changes
    if changes is None:
        return [since.sentence]
    if not changes:
        return [f"{since.sentence}: nothing has changed."]
    lines = [*changes.values, *changes.data, *map(change_text, changes.files)]
    more = ["  (`print(preview.diff)` shows the lines)"] if any(file.diff for file in changes.files) else []
    return [f"{since.sentence}:", *(f"  {line}" for line in lines), *more]
