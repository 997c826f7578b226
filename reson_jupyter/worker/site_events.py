"""What a site may tell, and its data as far as it is sound: other people's processes send it.

This file travels to the server below the persistor's module, ours or a user's. So that neither disturbs the other, every name at
its top level starts with `_reson_`, and it uses no builtin that `from torch import *` replaces.
"""

import builtins as _reson_py
import json as _reson_json
import math as _reson_math
from typing import Any as _reson_Any

_reson_MAX_TEXT = 20_000  # characters
_reson_MAX_LISTED = 100  # packages, problems and the like


def _reson_name(name: _reson_Any) -> str:
    return "".join(mark if mark.isprintable() else "_" for mark in str(name).strip())[:128] or "_"


def _reson_number(value: _reson_Any) -> _reson_Any:
    number = _reson_py.float(value)
    return number if _reson_math.isfinite(number) else None


def _reson_plain(value: _reson_Any) -> _reson_Any:
    if isinstance(value, _reson_py.float):
        return _reson_number(value)
    return value if value is None or isinstance(value, _reson_py.int) else str(value)[:1000]


def _reson_first(items: _reson_Any) -> list[_reson_Any]:
    return [item for number, item in enumerate(items) if number < _reson_MAX_LISTED]


_reson_SITE_EVENTS: dict[str, _reson_Any] = {
    "site": lambda data: {"phase": str(data["phase"])[:20]},
    "prepared": lambda data: {
        **{key: str(data[key])[:1000] for key in ("python", "torch", "nvflare", "device", "data")},
        "packages": {_reson_name(name): str(data["packages"][name])[:100] for name in _reson_first(data["packages"])},
        "disk": _reson_py.int(data["disk"]),
        **{key: None if data[key] is None else _reson_py.int(data[key]) for key in ("samples", "classes")},
        **{key: [str(text)[:1000] for text in _reson_first(data[key])] for key in ("problems", "notes")},
    },
    "metrics": lambda data: {
        "step": None if data["step"] is None else _reson_py.int(data["step"]),
        "values": {_reson_name(name): None if value is None else _reson_number(value) for name, value in data["values"].items()},
        "stage": "validate" if data["stage"] == "validate" else "train",
    },
    "attributes": lambda data: {"values": {_reson_name(name): _reson_plain(value) for name, value in data["values"].items()}},
    "log": lambda data: {"level": str(data["level"])[:10], "message": str(data["message"])[:_reson_MAX_TEXT]},
    "telemetry": lambda data: {
        **{key: _reson_py.int(data[key]) for key in ("beat", "pid", "memory")},
        "cpu": _reson_py.float(data["cpu"]),
        "task": str(data["task"])[:20],
        "place": data["place"] and [str(data["place"][0])[:200], _reson_py.int(data["place"][1]), str(data["place"][2])[:200]],
    },
    "answer": lambda data: {
        "request": str(data["request"])[:100],
        "ok": data["ok"] is True,
        "value": _reson_json.loads(_reson_json.dumps(data["value"], allow_nan=False)),
        "error": str(data["error"])[:1000],
        "traceback": str(data["traceback"])[-_reson_MAX_TEXT:],
    },
    "error": lambda data: {"message": str(data["message"])[:1000], "traceback": str(data["traceback"])[-_reson_MAX_TEXT:]},
}
