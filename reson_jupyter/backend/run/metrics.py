"""The metrics of a run as a list that can become a data frame."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from ...card import html_root
from ...data.report import counted
from ...errors import ResonError
from ...names import printable
from ...table import html_table
from ..progress import MetricRecord

if TYPE_CHECKING:
    import pandas as pd

_ORDER = ("loss", "accuracy", "val_loss", "val_accuracy", "train_loss", "train_accuracy")
_SHOWN = 8


class Metrics(list[MetricRecord]):
    """Records `{"site", "round", "step", "name", "value", "time"}`; `round` is 0-based, `time` in seconds since the epoch."""

    def __repr__(self) -> str:
        if not self:
            return "Metrics(no values yet)"
        names = by_importance({record["name"] for record in self})
        sites = {record["site"] for record in self} - {None}
        more = [f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
        shown = ", ".join([*map(printable, names[:_SHOWN]), *more])
        return f"Metrics({counted(len(self), 'value')} of {shown}, from {counted(len(sites), 'site')}; .to_pandas() has them all)"

    def _repr_html_(self) -> str:
        newest = {(record["name"], record["site"]): record for record in self}
        means = [newest[name, None] for name in by_importance({name for name, site in newest if site is None})]
        rows = [(printable(mean["name"]), f"{mean['value']:.6g}", str(mean["round"] + 1)) for mean in means]
        table = html_table(("metric", "newest mean over the sites", "round"), rows) if rows else ""
        return html_root(f"{escape(repr(self))}<div style='overflow-x:auto'>{table}</div>")

    def to_pandas(self) -> pd.DataFrame:
        """Returns the records as a data frame, one row each. Raises `ResonError` where pandas is not installed."""
        return frame(self, list(MetricRecord.__annotations__))


def frame(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Returns rows as a data frame. Raises `ResonError` where pandas is not installed."""
    try:
        import pandas as pd
    except ImportError:
        raise ResonError("to_pandas() needs pandas, which is not installed here", "Run: %pip install pandas") from None
    return pd.DataFrame(list(rows), columns=list(columns))


def by_importance(names: Collection[str]) -> list[str]:
    """Returns metrics in the order in which people look at them: losses and accuracies by their usual names, then the others."""
    first = [name for name in _ORDER if name in names]
    return first + sorted(set(names).difference(first))
