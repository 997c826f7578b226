"""Metrics over the rounds as pictures, readable on light and on dark pages."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MIDTONE = "#7a7a7a"  # readable on white and on near-black
COLORS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#3aa6a0", "#c9a227", "#9c755f")
NAMED_LINES = 8
# What tells lines of one colour apart, and all of them without colours.
_DASHES = ("-", "--", ":")
_NAME = 40  # characters
_SHADES = 64  # in a picture; with a palette it is a third of the size, which every saved notebook carries


@dataclass(frozen=True)
class Line:
    """One line of a picture.

    Attributes:
        label: Whose it is.
        rounds: The rounds (1-based) that have a value, ascending.
        values: The values.
        main: Whether it is drawn over the others, wide and without a colour.
    """

    label: str
    rounds: Sequence[int]
    values: Sequence[float]
    main: bool = False


def lines_figure(title: str, lines: Sequence[Line], num_rounds: int, *, dashed: bool = False) -> Figure:
    """Returns a metric over the rounds as a drawing.

    Args:
        title: The metric's name.
        lines: What is drawn; the place of a line decides its colour.
        num_rounds: How many rounds there are; what comes after them is the final model's validation. 0: not known.
        dashed: Whether lines are told apart by their dashes, too.
    """
    # Here, because matplotlib costs a second and most imports of this module draw nothing.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.3, 2.6), dpi=144, layout="constrained")
    axes = figure.add_subplot()
    for index, line in enumerate(lines):
        if not line.rounds:
            continue
        look: dict[str, Any] = {"color": COLORS[index % len(COLORS)], "linewidth": 1.2, "marker": "."}
        if line.main:
            look = {"color": MIDTONE, "linewidth": 3, "marker": "o", "markersize": 4}
        elif dashed:
            look |= {"linestyle": _DASHES[index % len(_DASHES)], "linewidth": 1.6}
        axes.plot(line.rounds, line.values, label=_plain(line.label), **look)
    axes.set_title(_plain(title), fontsize=10, color=MIDTONE, loc="left")
    _set_rounds(axes, max((number for line in lines for number in line.rounds), default=1), num_rounds)
    axes.tick_params(colors=MIDTONE, labelsize=8)
    axes.grid(color=MIDTONE, alpha=0.25)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def add_legend(figure: Figure) -> None:
    """Names the lines of a drawing, if there are any."""
    [axes] = figure.axes
    if axes.lines:
        axes.legend(fontsize=7, frameon=False, labelcolor=MIDTONE)


def figure_png(draw: Callable[[], Figure]) -> str:
    """Returns what `draw` draws as base64; "" for values near the largest number there is, which matplotlib cannot scale."""
    import numpy as np

    out = BytesIO()
    try:
        with np.errstate(over="raise", invalid="ignore"):
            draw().savefig(out, format="png", transparent=True)
    except Exception:  # whatever the values do to matplotlib: what stands around the picture is worth having
        return ""
    return base64.b64encode(_with_palette(out)).decode()


def _with_palette(png: BytesIO) -> bytes:
    from PIL import Image

    out = BytesIO()
    with Image.open(png) as picture:
        picture.quantize(_SHADES, method=Image.Quantize.FASTOCTREE).save(out, format="png", optimize=True)
    return out.getvalue()


def _set_rounds(axes: Axes, newest: int, num_rounds: int) -> None:
    from matplotlib.ticker import MaxNLocator

    is_final = newest > num_rounds > 0
    ticks = MaxNLocator(integer=True, min_n_ticks=1).tick_values(1, newest)
    step = ticks[-1] - ticks[-2] if len(ticks) > 1 else 1
    # No other tick may touch the one of the final model's validation.
    numbers = [number for number in ticks if 1 <= number <= (newest - 0.7 * step if is_final else newest)]
    labels = {number: f"{number:.0f}" for number in numbers} | ({newest: "final"} if is_final else {})
    axes.set_xticks(list(labels), list(labels.values()))


def _plain(name: str) -> str:
    """A name as matplotlib must take it: `$` starts a formula there, a leading underscore hides a line from the legend."""
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name[:_NAME])
    return (f" {shown}" if shown.startswith("_") else shown).replace("$", r"\$")
