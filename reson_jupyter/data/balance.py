"""The classes at each site: what is odd about them, in words, and all of them as a picture."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from io import BytesIO
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..names import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Counts = Mapping[int, int]
Names = Mapping[int, str]
NO_NAMES: Names = MappingProxyType({})

_MIDTONE = "#7a7a7a"  # readable on white and on near-black
_MAX_BARS = 20  # classes; of more nobody could tell the colours
_MAX_ROWS = 40  # sites that have a line of their own
_MAX_COLUMNS = 200  # of a heat map; more classes share them
_SHOWN = 8
_NAME = 24  # characters
_ROW, _ALL_ROWS = 0.3, 6.0  # inches; many sites share what there is
_FEW = 10  # samples; of fewer a scale that is not logarithmic tells more


def balance_warnings(sites: Sequence[Counts], num_classes: int = 0, names: Names = NO_NAMES) -> list[str]:
    """Returns what is odd about the classes: nobody has one, only one site has it, or a site has no other.

    Args:
        sites: For each site, the samples of each label.
        num_classes: How many classes there are; 0 for the greatest label + 1.
        names: What classes are called.
    """
    holders: dict[int, list[int]] = {}
    for number, counts in enumerate(sites, 1):
        for label in counts:
            holders.setdefault(label, []).append(number)
    if not holders:
        return []
    warnings = []
    every = max(num_classes, max(holders) + 1)
    if missing := every - len(holders):
        first = [label for label in range(len(holders) + _SHOWN) if label not in holders and label < every][:_SHOWN]
        counted = " (are the labels counted from 1?)" if first == [0] and missing == 1 else ""
        warnings.append(f"no sample has {_named(first, missing, names)}{counted}")
    if len(sites) < 2 or len(holders) < 2:
        return warnings
    for number, counts in enumerate(sites, 1):
        alone = sorted(label for label in counts if holders[label] == [number])
        if len(counts) == 1:
            warnings.append(f"site-{number} has only label {titled(next(iter(counts)), names)}")
        elif alone:
            warnings.append(f"only site-{number} has {_named(alone[:_SHOWN], len(alone), names)}")
    return warnings


def titled(label: int, names: Names) -> str:
    """Returns a label with what its class is called: "0" or "0 cat"."""
    return f"{label} {shortened(names[label])}" if label in names else str(label)


def shortened(name: str) -> str:
    """Returns a name that has room in a table or beside a bar and cannot break its line."""
    shown = printable(name)
    return shown if len(shown) <= _NAME else f"{shown[: _NAME // 2]}…{shown[-(_NAME // 2 - 1) :]}"


def _named(first: Sequence[int], count: int, names: Names) -> str:
    *head, last = [*(titled(label, names) for label in first), *([f"{count - len(first):,} more"] if count > len(first) else [])]
    return f"labels {', '.join(head)} and {last}" if head else f"label {last}"


def balance_png(sites: Sequence[Counts], unit: str, shards: Sequence[str], names: Names = NO_NAMES) -> str:
    """Returns the picture as base64; "" where there are no labels.

    Args:
        sites: For each site, the samples of each label.
        unit: What is counted: "samples", or "labels" where a sample can have several.
        shards: The file names of the sites' shards.
        names: What classes are called.
    """
    if not any(sites):
        return ""
    out = BytesIO()
    balance_figure(sites, unit, shards, names).savefig(out, format="png", transparent=True)
    return base64.b64encode(out.getvalue()).decode()


def balance_figure(sites: Sequence[Counts], unit: str, shards: Sequence[str], names: Names = NO_NAMES) -> Figure:
    """Returns a bar for each site, stacked of its classes; of many classes or sites a heat map."""
    # Here, because matplotlib costs a second and a check that nobody looks at needs none.
    from matplotlib.figure import Figure

    labels = sorted(set().union(*sites))
    figure = Figure(figsize=(7.2, 0.9 + min(_ROW * len(sites), _ALL_ROWS)), dpi=144, layout="constrained")
    axes = figure.add_subplot()
    rows = [_plain(f"site-{number}  {shortened(shard)}") for number, shard in enumerate(shards, 1)]
    if len(labels) <= _MAX_BARS and len(sites) <= _MAX_ROWS:
        _draw_bars(axes, sites, {label: _plain(titled(label, names)) for label in labels}, rows, unit)
    else:
        _draw_map(figure, axes, sites, labels, rows, unit)
    axes.tick_params(colors=_MIDTONE, labelsize=8 if len(sites) <= _MAX_ROWS / 2 else 7, length=0)
    axes.xaxis.label.set(color=_MIDTONE, fontsize=8)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def _plain(text: str) -> str:
    """Between two dollars matplotlib reads mathematics."""
    return text.replace("$", r"\$")


def _draw_bars(axes: Axes, sites: Sequence[Counts], labels: Names, rows: Sequence[str], unit: str) -> None:
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    colors = colormaps["tab10" if len(labels) <= 10 else "tab20"].colors  # type: ignore[attr-defined]
    places = range(len(sites))
    ends = [0] * len(sites)
    for (label, title), color in zip(labels.items(), colors, strict=False):
        widths = [counts.get(label, 0) for counts in sites]
        axes.barh(places, widths, left=ends, color=color, height=0.7, label=title)
        ends = [end + width for end, width in zip(ends, widths, strict=True)]
    axes.set_yticks(places, rows)
    axes.set_ylim(len(sites) - 0.5, -0.5)
    axes.set_xlabel(unit)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="x", color=_MIDTONE, alpha=0.25)
    axes.set_axisbelow(True)
    style: dict[str, Any] = {"title": "label", "fontsize": 8, "title_fontsize": 8, "frameon": False, "labelcolor": _MIDTONE}
    legend = axes.legend(**style, loc="center left", bbox_to_anchor=(1, 0.5), ncols=1 + (len(labels) - 1) // 8)
    legend.get_title().set_color(_MIDTONE)


def _draw_map(figure: Figure, axes: Axes, sites: Sequence[Counts], labels: Sequence[int], rows: Sequence[str], unit: str) -> None:
    import numpy as np
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    columns = min(len(labels), _MAX_COLUMNS)
    place = {label: index * columns // len(labels) for index, label in enumerate(labels)}
    first = {column: label for label, column in reversed(place.items())}
    grid = np.zeros((len(sites), columns))
    for row, counts in enumerate(sites):
        for label, count in counts.items():
            grid[row, place[label]] += count
    # What a site does not have stays empty, and one large class does not make all others look alike. The scale begins below 1,
    # because its first colours could hardly be told from a dark page.
    most = max(grid.max(), 2)
    few = most < _FEW
    norm = Normalize(-0.3 * most, most) if few else LogNorm(0.3, most)
    shown = axes.imshow(np.ma.masked_equal(grid, 0), aspect="auto", norm=norm, interpolation="nearest")
    axes.set_xlabel("label")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: str(first.get(round(at), ""))))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=20, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda at, _: rows[round(at)] if 0 <= at < len(rows) else ""))
    bar = figure.colorbar(shown, format="%d", ticks=MaxNLocator(integer=True) if few else None)
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
    bar.set_label(unit, color=_MIDTONE, fontsize=8)
    bar.ax.tick_params(which="both", colors=_MIDTONE, labelsize=8, length=0)
    bar.ax.set_ylim(1, most)
    bar.outline.set_visible(False)
