"""Names of Scaleout that cannot mean anything in a run here, each with what to use instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn

_API = "it speaks to Scaleout's server; a run here is followed in the notebook, with run = reson.submit(...)"
_PRIORITY = "a site sends its reports in the order in which they are made; leave priorities out"
_BUILDER = "a model here is its parameters only; use ScaleoutModel.from_model_params(params, helper)"

REFUSED: Mapping[str, Mapping[str, str]] = {
    "scaleout": {"Scaleout": _API, "PriorityClass": _PRIORITY, "ClassOrder": _PRIORITY, "DecayPolicy": _PRIORITY},
    "scaleoututil.api.client": {"Scaleout": _API},
    "scaleoututil.utils.model": {"ScaleoutModelBuilder": _BUILDER},
}


def refusing(module: str) -> Callable[[str], NoReturn]:
    """Returns the `__getattr__` of a module of Scaleout, which says why it has not a name and what to use."""

    def missing(name: str) -> NoReturn:
        if name in REFUSED[module]:
            raise ImportError(f"{module} has no {name} here: {REFUSED[module][name]}", name=module)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return missing
