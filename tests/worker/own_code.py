"""Classes of the user's own that several tests ship."""

from __future__ import annotations

OWN_EXECUTOR = """
from nvflare.apis.analytix import AnalyticsDataType
from nvflare.apis.dxo import DXO, DataKind, MetaKey, from_shareable
from nvflare.apis.executor import Executor
from nvflare.apis.utils.analytix_utils import create_analytic_dxo, send_analytic_dxo

class OwnExecutor(Executor):
    def __init__(self, **kwargs):
        super().__init__()

    def execute(self, task_name, shareable, fl_ctx, abort_signal):
        number = int(fl_ctx.get_identity_name()[-1])
        weights = {key: value + number for key, value in from_shareable(shareable).data.items()}
        dxo = create_analytic_dxo("score", 0.5 * number, AnalyticsDataType.SCALAR, global_step=7)
        send_analytic_dxo(self, dxo, fl_ctx)
        self.log_error(fl_ctx, "something was odd")
        return DXO(DataKind.WEIGHTS, weights, {MetaKey.NUM_STEPS_CURRENT_ROUND: 10 * number}).to_shareable()
"""
