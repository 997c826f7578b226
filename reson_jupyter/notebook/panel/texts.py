"""What a panel says: text, as HTML in which every value is escaped (the one widget that breaks lines and renders no LaTeX)."""

from __future__ import annotations

from html import escape

import ipywidgets as widgets

from ...card import NO_TEX
from ...names import printable

# Buttons that wait until something is over.
BUSY = "jp-Reson-widgets-busy"
STYLE = """<style>
.jp-Reson-widgets-busy > .jupyter-button { cursor: default; opacity: 0.5; }
.jp-Reson-widgets { max-width: 760px; container-type: inline-size; }
.jp-Reson-widgets .widget-html-content { line-height: 1.35; white-space: normal; }
.jp-Reson-widgets .widget-html:has(> .widget-html-content:empty) { display: none; }
.jp-Reson-widgets .widget-label { text-align: left; }
.jp-Reson-widgets-note { margin-left: calc(16em + 8px); margin-bottom: 6px; }
.jp-Reson-widgets-help { color: var(--jp-ui-font-color2); font-size: 0.9em; }
.jp-Reson-widgets-error { color: var(--jp-error-color0, var(--jp-error-color1)); }
.jp-Reson-widgets-heading { font-weight: 600; }
@container (max-width: 560px) {
  .jp-Reson-widgets .widget-text, .jp-Reson-widgets .widget-dropdown { flex-wrap: wrap; height: auto; }
  .jp-Reson-widgets .widget-text > .widget-label, .jp-Reson-widgets .widget-dropdown > .widget-label { width: 100% !important; }
  .jp-Reson-widgets-note { margin-left: 0; }
}
</style>"""


def text(content: str = "", kind: str = "") -> widgets.HTML:
    """Returns a widget that shows text, see `tell`."""
    shown = widgets.HTML()
    tell(shown, content, kind)
    return shown


def tell(shown: widgets.HTML, content: str, kind: str = "") -> None:
    """Has a widget of `text` say something else.

    Args:
        shown: The widget.
        content: The text; its lines stay lines.
        kind: "help", "error" or "heading"; an error is read out by a screen reader.
    """
    lines = "<br>".join(escape(printable(line)) for line in content.splitlines())
    role = ' role="alert"' if kind == "error" else ""
    shown.value = f'<span class="jp-Reson-widgets-{kind} {NO_TEX}"{role}>{lines}</span>' if content else ""
