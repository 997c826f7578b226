"""The metrics of a run as a list that can become a data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ResonError
from ..progress import MetricRecord

if TYPE_CHECKING:
    import pandas as pd


class Metrics(list[MetricRecord]):
    """Records `{"site", "round", "step", "name", "value", "time"}`; `round` is 0-based, `time` in seconds since the epoch."""

    def to_pandas(self) -> pd.DataFrame:
        """Returns the records as a data frame, one row each. Raises `ResonError` where pandas is not installed."""
        try:
            import pandas as pd
        except ImportError:
            raise ResonError("to_pandas() needs pandas, which is not installed here", "Run: %pip install pandas") from None
        return pd.DataFrame(self, columns=list(MetricRecord.__annotations__))
