"""The text of files as HTML: highlighted code, and diffs. All of it is escaped, and what is not printable is shown as such."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import JsonLexer, PythonLexer, TextLexer

from ..names import printable

_LEXERS = {"py": PythonLexer, "json": JsonLexer}
_FORMATTER = HtmlFormatter(nowrap=True)
# What `--jp-mirror-editor-*` calls it, a colour that can be read on white and on black where there is no such variable, and
# Pygments' classes. JupyterLab and nbconvert know the classes as well, also where a page may have no style sheet of ours.
_COLORS = (
    ("keyword", "#3d9a3d", ("k", "kc", "kd", "kn", "kp", "kr", "kt", "ow")),
    ("string", "#c5504b", ("s", "s1", "s2", "sa", "sb", "sc", "sd", "se", "sh", "si", "sr", "sx")),
    ("number", "#3d9a3d", ("m", "mb", "mf", "mh", "mi", "mo")),
    ("comment", "#4f8f8f", ("c", "c1", "cm", "ch", "cs")),
    ("def", "#4a7fe0", ("nc", "nf", "fm")),
    ("builtin", "#3d9a3d", ("nb", "bp")),
    ("operator", "#a95fd6", ("o",)),
    ("meta", "#a95fd6", ("nd",)),
    ("property", "#4a7fe0", ("nt",)),
)
_LINES: Mapping[str, tuple[str, str]] = {
    "+": ("ins", "text-decoration:none;background-color:rgba(46,160,67,0.25)"),
    "-": ("del", "text-decoration:none;background-color:rgba(229,83,75,0.25)"),
}
# nbconvert would have the text around it set the font.
_FONT = "font-family:var(--jp-code-font-family,monospace)"
_PRE = f"margin:4px 0;padding:6px 8px;white-space:pre-wrap;overflow-wrap:anywhere;border-left:3px solid gray;{_FONT}"


def code_html(name: str, lines: Sequence[str]) -> str:
    """Returns lines of a file, highlighted by the end of its name."""
    lexer = _LEXERS.get(name.rpartition(".")[2], TextLexer)(stripnl=False, ensurenl=False)
    # What Pygments calls an error is code that another version of Python takes.
    inner = highlight("\n".join(map(visible, lines)), lexer, _FORMATTER)
    return f'<div class="highlight"><pre style="{_PRE}">{inner}</pre></div>'


def diff_html(lines: Sequence[str]) -> str:
    """Returns lines of a unified diff; the first two, which name the files, are left out."""
    return f'<pre style="{_PRE}">{chr(10).join(map(_diff_line, lines[2:]))}</pre>'


def colors() -> str:
    """Returns the rules of the colours, which hold below the class reson-preview only."""
    rules = (
        f"{','.join(f'.reson-preview .highlight .{name}' for name in names)}"
        f"{{color:var(--jp-mirror-editor-{part}-color,{fallback})}}"
        for part, fallback, names in _COLORS
    )
    return f"<style>.reson-preview .highlight{{background:none}}{''.join(rules)}</style>"


def visible(line: str) -> str:
    """Returns a line of text that can hide nothing."""
    return printable(line.replace("\t", "    "))


def _diff_line(line: str) -> str:
    text = escape(visible(line))
    if line[:1] not in _LINES:
        return f'<span style="opacity:0.75">{text}</span>' if line.startswith("@@") else text
    tag, style = _LINES[line[0]]
    return f'<{tag} style="{style}">{text}</{tag}>'
