"""A preview for a notebook: folders and files that open, without a script. Every value is escaped.

It also holds where a page takes styles and variables away, as JupyterLab does with what it does not trust.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from ..backend.job import PACKAGES, SCRIPTS
from ..card import html_root
from ..data.report import counted
from ..names import printable
from ..table import html_table
from ..units import size
from .changes import Changes, FileChange
from .contents import PlannedFile, Preview
from .highlight import code_html, colors, diff_html
from .since import Since
from .text import BESIDES, SHARD_TITLES, SHORT, change_text, goes, shard_row
from .tree import Folder, tree_of

_SHOWN_LINES = 500
_SHOWN_CHARACTERS = 40_000
# Most of a job is this package's own code, which every saved notebook would hold.
_SHOWN_OF_OURS = 30
_SHOWN_DIFF_LINES = 400
_INSIDE = "margin:2px 0 2px 20px"
_QUIET = "opacity:0.75"
_RIGHT = "float:right;opacity:0.75"
_FAILED = "#d32f2f"
_WARNED = "#f57c00"


def preview_html(preview: Preview) -> str:
    """Returns the preview as HTML."""
    parts = [
        colors(),
        f"<b>{escape(preview.title)}</b>",
        f'<div style="overflow-wrap:anywhere">{escape(goes(preview))}</div>',
        _list([f"a submit would be refused: {text}" for text in preview.obstacles], _FAILED),
        _list([f"not looked at: {text}" for text in preview.unseen], _WARNED),
        _since(preview.since),
        *_inside(tree_of(preview.files), preview),
        _shards(preview),
        _details("How the job was made", _list(preview.notes) + f'<div style="{_QUIET}">{escape(BESIDES)}</div>'),
    ]
    return html_root("".join(parts), "reson-card reson-preview", "max-width:1100px;line-height:1.5")


def _inside(folder: Folder, preview: Preview) -> list[str]:
    folders = [_folder(name, inner, preview) for name, inner in folder.folders.items()]
    return folders + [_file(name, file, preview) for name, file in folder.files.items()]


def _folder(name: str, folder: Folder, preview: Preview) -> str:
    held = f'<span style="{_RIGHT}">{counted(folder.count, "file")}, {size(folder.bytes)}</span>'
    summary = f"<b>{escape(printable(name))}/</b> {held}"
    return _details(summary, "".join(_inside(folder, preview)), opened=name not in PACKAGES, escaped=True)


def _file(name: str, file: PlannedFile, preview: Preview) -> str:
    digest = file.sha256 or "another for each run"
    told = f'<span style="{_RIGHT}"><code title="SHA-256 {digest}">{digest[:SHORT]}</code> {size(file.bytes)}</span>'
    if not file.sha256:
        told = f'<span style="{_RIGHT}">{digest} {size(file.bytes)}</span>'
    changes = preview.since.changes.files if preview.since.changes else ()
    marked = "".join(f" <i>({change.kind})</i>" for change in changes if change.path == file.path)
    summary = f"<code>{escape(printable(name))}</code>{marked} {told}"
    key = f'<div style="{_QUIET};overflow-wrap:anywhere">{escape(printable(file.key))}, SHA-256 {digest}</div>'
    return _details(summary, key + _text(name, file, _shown_lines(file, preview)), escaped=True)


def _text(name: str, file: PlannedFile, most: int) -> str:
    """The text of a file, at most so many lines of it."""
    if file.text is None:
        return f"<div>{'weights, which are' if file.path.startswith('model/') else 'no text, which is'} not shown</div>"
    if not file.text:
        return "<div>empty</div>"
    lines = file.text[:_SHOWN_CHARACTERS].removesuffix("\n").split("\n")
    shown = lines[:most]
    if len(shown) == len(lines) and len(file.text) <= _SHOWN_CHARACTERS:
        return code_html(name, shown)
    left = file.text.removesuffix("\n").count("\n") + 1 - len(shown)
    ours = ", of this package" if most < _SHOWN_LINES else ""
    held = counted(left, "line") if left else counted(len(file.text) - _SHOWN_CHARACTERS, "character")
    more = f"... and {held} more{ours}: print(reson.preview(...).job.files[{file.path!r}].decode())"
    return code_html(name, shown) + f'<div style="{_QUIET};overflow-wrap:anywhere">{escape(more)}</div>'


def _shown_lines(file: PlannedFile, preview: Preview) -> int:
    """How many lines of a file are shown; of one that this package wrote, what is the user's and a little more."""
    name = file.path.removeprefix("scripts/")
    if name.split("/")[0] in PACKAGES:
        return _SHOWN_OF_OURS
    if name not in SCRIPTS:
        return _SHOWN_LINES
    source = preview.job.sources.get(name)
    own = max((span.first + span.count - 1 for span in source.spans), default=0) if source else 0
    return min(_SHOWN_LINES, own + _SHOWN_OF_OURS)


def _since(since: Since) -> str:
    changes = since.changes
    if changes is None:
        return f'<div style="{_QUIET};margin:6px 0">{escape(since.sentence)}</div>'
    if not changes:
        return f'<div style="{_QUIET};margin:6px 0">{escape(since.sentence)}: nothing has changed.</div>'
    return _details(f"{since.sentence}: {_summed(changes)}", _changes(changes), opened=True)


def _summed(changes: Changes) -> str:
    counts = ((len(changes.values), "value"), (len(changes.data), "change of data"), (len(changes.files), "file"))
    return ", ".join(f"{count} {word if count == 1 else _plural(word)}" for count, word in counts if count)


def _plural(word: str) -> str:
    return "changes of data" if word == "change of data" else f"{word}s"


def _changes(changes: Changes) -> str:
    return _list([*changes.values, *changes.data]) + "".join(map(_change, changes.files))


def _change(change: FileChange) -> str:
    if not change.diff:
        return f'<div style="{_INSIDE}"><code>{escape(change_text(change))}</code></div>'
    hidden = len(change.diff) - 2 - _SHOWN_DIFF_LINES
    more = f'<div style="{_QUIET}">... and {counted(hidden, "line")} more: print(preview.diff)</div>' if hidden > 0 else ""
    summary = f"<code>{escape(change_text(change))}</code>"
    return _details(summary, diff_html(change.diff[: _SHOWN_DIFF_LINES + 2]) + more, escaped=True)


def _shards(preview: Preview) -> str:
    if not preview.shards:
        return ""
    rows = [shard_row(shard) for shard in preview.shards]
    held = size(sum(shard.bytes for shard in preview.shards))
    keys = [f"{printable(shard.name)}: {', '.join(map(printable, shard.keys))}" for shard in preview.shards if shard.keys]
    table = f'<div style="overflow-x:auto">{html_table(SHARD_TITLES, rows, ["size"])}</div>'
    summary = f'<b>data</b> <span style="{_RIGHT}">{counted(len(rows), "site")}, {held}</span>'
    return _details(summary, table + _details("Keys in the store", _list(keys)), opened=True, escaped=True)


def _details(summary: str, inside: str, *, opened: bool = False, escaped: bool = False) -> str:
    head = summary if escaped else escape(summary)
    state = " open" if opened else ""
    return f'<details{state}><summary style="cursor:pointer">{head}</summary><div style="{_INSIDE}">{inside}</div></details>'


def _list(lines: Iterable[str], color: str = "transparent") -> str:
    items = "".join(f'<li style="overflow-wrap:anywhere">{escape(printable(line))}</li>' for line in lines)
    return f'<ul style="margin:4px 0;padding-left:22px;border-left:4px solid {color}">{items}</ul>' if items else ""
