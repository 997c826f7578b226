"""Lines of metrics with fewer points that look the same: of each stretch of rounds, the least and the greatest value stay.

A line is `{"name": metric, "site": site (None: weighted mean over sites), "rounds": [...], "values": [...]}`, its rounds
ascending and its values as long. Values that are no numbers are text ("NaN").
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

# Of all lines together: about half a megabyte of JSON.
BUDGET = 20_000
# The first, the last, and one stretch between them.
_LEAST = 4

Line = dict[str, Any]


def thinned(lines: list[Line], budget: int = BUDGET) -> list[Line]:
    """Returns the lines with at most `budget` points in all, or four of each line where even these are more.

    Args:
        lines: The lines; none is changed.
        budget: How many points may stay. If there are no more, all do.
    """
    if sum(len(line["rounds"]) for line in lines) <= budget:
        return lines
    most = max(_LEAST, budget // len(lines))
    return [line if len(line["rounds"]) <= most else _thin(line, most) for line in lines]


def _thin(line: Line, most: int) -> Line:
    values = line["values"]
    inner = len(values) - 2
    stretches = (most - 2) // 2
    edges = [1 + inner * n // stretches for n in range(stretches + 1)]
    kept = {0, len(values) - 1}
    for start, end in pairwise(edges):
        # Text is neither the least nor the greatest.
        numbers = [at for at in range(start, end) if not isinstance(values[at], str)]
        if numbers:
            kept |= {min(numbers, key=values.__getitem__), max(numbers, key=values.__getitem__)}
    places = sorted(kept)
    return {**line, "rounds": [line["rounds"][at] for at in places], "values": [values[at] for at in places]}
