"""Has the sites validate the final global model once more, when all rounds are over: its curve gets its last point.

This file travels to the server below the persistor's module and the reporter. So that they do not disturb each other, every name
at its top level but the class's starts with `_reson_`, and it uses no builtin that `from torch import *` replaces.
"""

import builtins as _reson_py
import time as _reson_time
from typing import Any as _reson_Any

from nvflare.apis.controller_spec import Task as _reson_Task
from nvflare.apis.fl_constant import FLContextKey as _reson_FLContextKey
from nvflare.apis.fl_constant import ReturnCode as _reson_ReturnCode
from nvflare.apis.impl.controller import Controller as _reson_Controller
from nvflare.app_common.app_constant import AppConstants as _reson_AppConstants

_reson_LOOK = 0.1  # seconds
_reson_UNFIT = "reson_unfit"  # property of the run's context: the sites that cannot train


class ResonFinalValidation(_reson_Controller):
    """A workflow after the training; whatever becomes of it, the run is finished already, so it waits for no silent site.

    Its metrics belong to the round after the last. A site that fails says so; those that did it are reported as `validated`, and
    those that have nothing to validate with as excused.

    Args:
        patience: Seconds without a sign of any site that has not answered yet, after which nobody waits for them. More than the
            default where sites take turns.
    """

    def __init__(self, patience: "float" = 10.0) -> None:
        super().__init__()
        self._patience = patience
        self._reporter: _reson_Any = None
        self._done: list[str] = []
        self._excused: list[str] = []
        self._waiting: set[str] = set()
        self._last_answer = 0.0

    def start_controller(self, fl_ctx: _reson_Any) -> None:
        """Called by NVFlare at the start of the run."""
        self._reporter = fl_ctx.get_engine().get_component("reporter")

    def stop_controller(self, fl_ctx: _reson_Any) -> None:
        """Called by NVFlare at the end."""

    def control_flow(self, abort_signal: _reson_Any, fl_ctx: _reson_Any) -> None:
        """Called by NVFlare once the workflow before has ended."""
        model = fl_ctx.get_prop(_reson_AppConstants.GLOBAL_MODEL)
        now = _reson_time.monotonic()
        unfit = fl_ctx.get_prop(_reson_UNFIT, [])  # they have said why already
        heard = self._reporter.heard.items()
        sites = sorted(site for site, last in heard if now - last < self._patience and site not in unfit)
        if model is None or not sites or abort_signal.triggered:
            return
        rounds = fl_ctx.get_prop(_reson_AppConstants.CURRENT_ROUND) + 1
        self._waiting, self._last_answer = set(sites), now
        task = _reson_Task(
            name=_reson_AppConstants.TASK_VALIDATION, data=self._data(model, rounds, fl_ctx), result_received_cb=self._on_result
        )
        self.broadcast(task, fl_ctx, targets=sites, min_responses=len(sites))
        while self._waiting and not abort_signal.triggered and not self._all_silent():
            _reson_time.sleep(_reson_LOOK)
        self.cancel_task(task, fl_ctx=fl_ctx)
        if not abort_signal.triggered:
            data = {"sites": sorted(self._done), **({"excused": sorted(self._excused)} if self._excused else {})}
            event = {"type": "validated", "round": rounds, "data": data}
            self.fire_event_with_data("reson.report", fl_ctx, _reson_FLContextKey.EVENT_DATA, event)

    def _data(self, model: _reson_Any, rounds: "int", fl_ctx: _reson_Any) -> _reson_Any:
        data = fl_ctx.get_engine().get_component("shareable_generator").learnable_to_shareable(model, fl_ctx)
        data.set_header(_reson_AppConstants.CURRENT_ROUND, rounds)
        data.set_header(_reson_AppConstants.NUM_ROUNDS, rounds)
        data.add_cookie(_reson_AppConstants.CONTRIBUTION_ROUND, rounds)
        return data

    def _on_result(self, client_task: _reson_Any, fl_ctx: _reson_Any) -> None:
        code = client_task.result.get_return_code()
        if code == _reson_ReturnCode.OK:
            self._done.append(client_task.client.name)
        elif code == _reson_ReturnCode.TASK_UNSUPPORTED:
            self._excused.append(client_task.client.name)
        self._waiting.discard(client_task.client.name)
        self._last_answer = _reson_time.monotonic()

    def _all_silent(self) -> _reson_Any:
        signs = [self._reporter.heard[site] for site in list(self._waiting)]
        return _reson_time.monotonic() - _reson_py.max([self._last_answer, *signs]) > self._patience

    def process_result_of_unknown_task(
        self, client: _reson_Any, task_name: str, client_task_id: str, result: _reson_Any, fl_ctx: _reson_Any
    ) -> None:
        """Called by NVFlare for a result that comes after nobody waits for it any more."""
