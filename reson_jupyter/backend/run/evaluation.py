"""What came of trying a run's model on data: numbers, and what the model said of each image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

import numpy as np
import numpy.typing as npt

from ...card import html_root
from ...names import printable

_SHOWN = 10
_CELL = '<{0} style="text-align:left">{1}</{0}>'


@dataclass(frozen=True)
class Prediction:
    """What the model said of one image.

    Attributes:
        name: The sample's id, or the file's name.
        labels: What the model says: the most probable class; of a multi-label model every class that is more probable than not.
        probabilities: The probability of every class.
        truth: What the data says; None if it says nothing.
    """

    name: str
    labels: tuple[int, ...]
    probabilities: npt.NDArray[np.float32] = field(compare=False, repr=False)
    truth: tuple[int, ...] | None = None

    @property
    def label(self) -> int:
        """The most probable class."""
        return int(self.probabilities.argmax())

    @property
    def probability(self) -> float:
        """The probability of the most probable class."""
        return float(self.probabilities.max())

    @property
    def right(self) -> bool | None:
        """Whether the model says what the data says; None if the data says nothing."""
        return None if self.truth is None else sorted(self.labels) == sorted(self.truth)


@dataclass(frozen=True)
class Evaluation:
    """A model on data.

    Attributes:
        samples: How many samples; None if a validate function of the user's own did not say.
        metrics: Loss and accuracy, or what the user's own validate function returned.
        predictions: What the model said of each image; empty where the user's own validate function was called.
        classes: The names of the labels, where the data has them.
    """

    samples: int | None
    metrics: Mapping[str, float]
    predictions: tuple[Prediction, ...] = ()
    classes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        lines = [f"Evaluation: {self._headline()}"]
        if self.predictions:
            caption, rows = self._table()
            widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
            lines += [f"  {caption}"] if caption else []
            lines += ["    " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = f"<b>Evaluation: {escape(self._headline())}</b>"
        if not self.predictions:
            return html_root(head)
        caption, rows = self._table()
        lines = ("".join(_CELL.format("td" if place else "th", escape(one)) for one in row) for place, row in enumerate(rows))
        table = "".join(f"<tr>{line}</tr>" for line in lines)
        return html_root(f"{head}<div>{escape(caption)}</div><table>{table}</table>")

    def _headline(self) -> str:
        count = [] if self.samples is None else [f"{self.samples:,} sample{'s' if self.samples != 1 else ''}"]
        return (
            ", ".join([*count, *(f"{printable(name)} {value:.4g}" for name, value in self.metrics.items())])
            or "nothing was measured"
        )

    def _table(self) -> tuple[str, list[list[str]]]:
        """A caption and rows, the head first: of data with labels what the model got wrong, the surest first."""
        labelled = self.predictions[0].truth is not None
        chosen = [one for one in self.predictions if not one.right]
        if labelled:
            chosen.sort(key=lambda one: one.probability, reverse=True)
        caption = [f"{len(chosen):,} of {len(self.predictions):,} wrong" + ", the surest first" * (len(chosen) > 1)] * labelled
        caption += [f"the first {_SHOWN} are shown"] * (len(chosen) > _SHOWN)
        head = ["sample", "the model says", "probability", *(["it is"] if labelled else [])]
        rows = [head] if chosen else []
        for one in chosen[:_SHOWN]:
            truth = [] if one.truth is None else [self._named(one.truth)]
            rows.append([printable(one.name), self._named(one.labels), f"{one.probability:.3f}", *truth])
        return "; ".join(caption), rows

    def _named(self, labels: tuple[int, ...]) -> str:
        names = (f"{label} {printable(self.classes[label])}" if label < len(self.classes) else str(label) for label in labels)
        return ", ".join(names) or "none"
