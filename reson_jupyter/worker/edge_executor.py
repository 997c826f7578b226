"""Runs the callbacks that a Scaleout user's `startup(client)` registers. It stands below the executor that it extends."""

import importlib as _reson_importlib
from typing import Any as _reson_Any

from nvflare.apis.fl_constant import ReturnCode as _reson_ReturnCode
from nvflare.apis.shareable import make_reply as _reson_make_reply

from .executor import GenericClientExecutor


class EdgeExecutor(GenericClientExecutor):
    """Trains and validates with the callbacks of a Scaleout client.

    Its `train_fn` and `validate_fn` are the user's `startup`; its model, which holds weights only, is made by `model_args`:
    {"helper", "parameters"}. The package reson_edge ships with it, and is imported before anything of the user's is.
    """

    def __init__(self, **args: _reson_Any) -> None:
        super().__init__(**args)
        site = _reson_importlib.import_module("reson_edge.site")
        self._site: _reson_Any = site.open_site(lambda: self._function(self._train_fn), self._model_args["helper"])

    def _run(
        self,
        function: _reson_Any,
        stage: str,
        model: _reson_Any,
        weights: _reson_Any,
        env: _reson_Any,
        out_dir: str,
        logger: _reson_Any,
    ) -> _reson_Any:
        return (self._site.train if stage == "train" else self._site.validate)(weights, env, logger)

    def _validates(self, env: _reson_Any, logger: _reson_Any) -> bool:
        return bool(self._site.can_validate(env, logger))

    def _title(self, name: str) -> str:
        return "the train callback"

    def _validate(self, shareable: _reson_Any, fl_ctx: _reson_Any, logger: _reson_Any) -> _reson_Any:
        if not self._validates(self._env(shareable, fl_ctx), logger):
            # Nobody must count this site among those that validated.
            return _reson_make_reply(_reson_ReturnCode.TASK_UNSUPPORTED)
        return super()._validate(shareable, fl_ctx, logger)
