"""Check, preview and submit as the panel does them: on a thread, with what comes of it as an output of a cell."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ... import api
from ...backend.rehearsal import Rehearsal
from ...errors import RehearsalFailed, ResonError
from ..live.results import Bundle
from ..live.run_view import RunView
from ..live.show import put_view
from ..rehearsal_card import RehearsalCard

Output = dict[str, Any]
Put = Callable[[list[Output]], None]


def carry_out(action: str, put: Put) -> None:
    """Carries an action out; whatever comes of it is put, and nothing is raised.

    Args:
        action: "check", "preview" or "submit".
        put: Takes what stands in the output area from now on, as a notebook's outputs.
    """
    try:
        _ACTIONS[action](put)
    except RehearsalFailed as failed:
        assert isinstance(failed.rehearsal, Rehearsal)
        put([error_output(failed), _shown(RehearsalCard(failed.rehearsal))])
    except ResonError as error:
        put([error_output(error)])
    except (Exception, SystemExit) as bug:  # a module of the user's own may end the process when it is imported
        put(
            [
                {
                    "output_type": "error",
                    "ename": type(bug).__name__,
                    "evalue": str(bug),
                    "traceback": traceback.format_exception(bug),
                }
            ]
        )


def _check(put: Put) -> None:
    put([_shown(RehearsalCard(api.check()))])


def _preview(put: Put) -> None:
    put([_shown(api.preview())])


def _submit(put: Put) -> None:
    def put_live(view: RunView) -> Callable[[Bundle], None]:
        put([_data(view._repr_mimebundle_()[0])])
        return lambda bundle: put([_data(bundle)])

    put_view(api.submit(), put_live)


_ACTIONS: Mapping[str, Callable[[Put], None]] = MappingProxyType({"check": _check, "preview": _preview, "submit": _submit})


def _shown(result: Any) -> Output:
    return _data({"text/html": result._repr_html_(), "text/plain": repr(result)})


def _data(bundle: Mapping[str, Any]) -> Output:
    return {"output_type": "display_data", "data": dict(bundle), "metadata": {}}


def error_output(error: ResonError) -> Output:
    """A user's error as a notebook's output."""
    return {"output_type": "stream", "name": "stderr", "text": f"{error}\n"}
