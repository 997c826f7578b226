"""Looks, before the first round, whether enough sites can train, and has those that cannot left out of the rounds.

This file travels to the server below the persistor's module and the reporter. So that they do not disturb each other, every name
at its top level but the classes' starts with `_reson_`, and it uses no builtin that `from torch import *` replaces.
"""

import time as _reson_time
from typing import Any as _reson_Any

from nvflare.apis.controller_spec import Task as _reson_Task
from nvflare.apis.fl_constant import FLContextKey as _reson_FLContextKey
from nvflare.apis.fl_constant import ReturnCode as _reson_ReturnCode
from nvflare.apis.impl.controller import Controller as _reson_Controller
from nvflare.apis.shareable import Shareable as _reson_Shareable
from nvflare.app_common.workflows.scatter_and_gather import ScatterAndGather as _reson_ScatterAndGather

from .final_validation import _reson_UNFIT

_reson_PREPARE = "reson_prepare"  # the task
_reson_PROBLEMS = "reson_problems"  # header of its answer
_reson_SILENT = 120.0  # seconds without any sign of a site, after which it is taken for gone
_reson_GLANCE = 0.1  # seconds between two looks


class ResonPreflight(_reson_Controller):
    """A workflow before the rounds: has every site prepare, and waits for all of them.

    Args:
        min_clients: How many sites a round needs.
        timeout: Seconds that a site, while it prepares, may say nothing new.
    """

    def __init__(self, min_clients: "int", timeout: "float") -> None:
        super().__init__()
        self._min_clients = min_clients
        self._timeout = timeout
        self._reporter: _reson_Any = None
        self._waiting: set[str] = set()
        self._unfit: dict[str, str] = {}  # why not, by site

    def start_controller(self, fl_ctx: _reson_Any) -> None:
        """Called by NVFlare before the workflow."""
        self._reporter = fl_ctx.get_engine().get_component("reporter")

    def stop_controller(self, fl_ctx: _reson_Any) -> None:
        """Called by NVFlare at the end."""

    def control_flow(self, abort_signal: _reson_Any, fl_ctx: _reson_Any) -> None:
        """Called by NVFlare as the first workflow."""
        sites = sorted(client.name for client in fl_ctx.get_engine().get_clients())
        self._waiting = set(sites)
        task = _reson_Task(name=_reson_PREPARE, data=_reson_Shareable(), result_received_cb=self._on_result)
        self.broadcast(task, fl_ctx, targets=sites, min_responses=len(sites))
        gone = self._wait(abort_signal)
        self.cancel_task(task, fl_ctx=fl_ctx)
        if abort_signal.triggered:
            return
        fl_ctx.set_prop(_reson_UNFIT, sorted(self._unfit), private=True, sticky=True)
        reasons = [f"{site} cannot train: {why}" for site, why in sorted({**self._unfit, **gone}.items())]
        sound = len(sites) - len(reasons)
        if sound < self._min_clients:
            need = f"every round needs {self._min_clients}, and {sound} of {len(sites)} can train"
            self.system_panic(f"{'. '.join(reasons) or 'Too few sites take part'}. No round was begun: {need}.", fl_ctx)
            return
        for reason in reasons:
            event = {"type": "log", "round": None, "data": {"level": "warning", "message": reason}}
            self.fire_event_with_data("reson.report", fl_ctx, _reson_FLContextKey.EVENT_DATA, event)

    def _wait(self, abort_signal: _reson_Any) -> dict[str, str]:
        """Waits until every site has answered or is given up; returns why, by site, for those that are."""
        began = _reson_time.monotonic()
        gone: dict[str, str] = {}
        while self._waiting - gone.keys() and not abort_signal.triggered:
            _reson_time.sleep(_reson_GLANCE)
            now = _reson_time.monotonic()
            for site in self._waiting - gone.keys():
                if now - self._reporter.heard.get(site, began) > _reson_SILENT:
                    gone[site] = f"there was no sign of it for {_reson_SILENT:g} s"
                elif now - self._reporter.spoke.get(site, began) > self._timeout:
                    gone[site] = f"its preparation has said nothing new for {self._timeout:g} s"
        return gone

    def _on_result(self, client_task: _reson_Any, fl_ctx: _reson_Any) -> None:
        site, result = client_task.client.name, client_task.result
        code = result.get_return_code()
        if code != _reson_ReturnCode.OK:
            problems = result.get_header(_reson_PROBLEMS) or [f"its preparation ended with {code}"]
            self._unfit[site] = "; ".join(str(problem) for problem in problems)
        self._waiting.discard(site)

    def process_result_of_unknown_task(
        self, client: _reson_Any, task_name: str, client_task_id: str, result: _reson_Any, fl_ctx: _reson_Any
    ) -> None:
        """Called by NVFlare for a result that comes after nobody waits for it any more."""


class ResonRounds(_reson_ScatterAndGather):
    """The rounds, without the sites that cannot train: their errors would count as answers, and close rounds too early."""

    def broadcast_and_wait(
        self,
        task: _reson_Any,
        fl_ctx: _reson_Any,
        targets: _reson_Any = None,
        min_responses: "int" = 1,
        wait_time_after_min_received: "int" = 0,
        abort_signal: _reson_Any = None,
    ) -> None:
        """As NVFlare's."""
        unfit = fl_ctx.get_prop(_reson_UNFIT, [])
        sites = [client.name for client in fl_ctx.get_engine().get_clients() if client.name not in unfit]
        super().broadcast_and_wait(task, fl_ctx, sites, min_responses, wait_time_after_min_received, abort_signal)
