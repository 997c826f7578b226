"""Gets a site ready before the first round, and tells what it has: programs, room, device, data.

This file travels to the sites below the executor's module, ours or a user's, the messenger and the agent. So that they do not
disturb each other, every name at its top level but the class's starts with `_reson_`, and it uses no builtin that
`from torch import *` replaces.
"""

import importlib as _reson_importlib
import json as _reson_json
import os as _reson_os
import platform as _reson_platform
import shutil as _reson_shutil
import threading as _reson_threading
from typing import Any as _reson_Any

import torch as _reson_torch
from nvflare import __version__ as _reson_nvflare_version
from nvflare.apis.event_type import EventType as _reson_EventType
from nvflare.apis.executor import Executor as _reson_Executor
from nvflare.apis.fl_constant import FLContextKey as _reson_FLContextKey
from nvflare.apis.fl_constant import ReturnCode as _reson_ReturnCode
from nvflare.apis.shareable import make_reply as _reson_make_reply
from nvflare.app_common.app_constant import AppConstants as _reson_AppConstants

from .needs import _reson_Needs
from .shard_cache import _reson_ShardCache
from .shard_fetch import _reson_NoShard
from .site_data import _reson_BadSetting, _reson_given_place, _reson_set_place

_reson_PREPARE = "reson_prepare"  # the task
_reson_PROBLEMS = "reson_problems"  # header of its answer
_reson_LITTLE_ROOM = 1 << 30  # bytes of the disk
_reson_LOOKED_AT = 1000  # samples whose files are looked for


class _reson_Stopped(BaseException):
    """The site is asked to stop. Not an Exception, as the messenger's is none."""


class ResonPreparation(_reson_Executor):
    """Does the task "reson_prepare"; a site that gets another one first, as it joined late, prepares before it.

    Args:
        requirements: What the site needs, as "torch==2.9.0".
        manifest: Name of the manifest of its data.
        shard: {"name", "url", "sha256", "bytes"}, if the site's data is in the store; the url is a secret.
        own_training: Whether code of the user's own trains: whether that needs data or a manifest nobody knows.
    """

    def __init__(
        self, requirements: list[str], manifest: str = "", shard: _reson_Any = None, own_training: "bool" = False
    ) -> None:
        super().__init__()
        self._requirements = requirements
        self._manifest = manifest
        self._shard = shard
        self._own_training = own_training
        self._prepared = False
        self._aborted = _reson_threading.Event()
        self._abort_signal: _reson_Any = None
        self._messenger: _reson_Any = None

    def handle_event(self, event_type: str, fl_ctx: _reson_Any) -> None:
        """Called by NVFlare for every event of the site."""
        if event_type == _reson_EventType.ABORT_TASK:
            self._aborted.set()
        elif event_type == _reson_EventType.BEFORE_TASK_EXECUTION:
            self._aborted.clear()
            late = fl_ctx.get_prop(_reson_FLContextKey.TASK_NAME) == _reson_AppConstants.TASK_TRAIN
            if late and not self._prepared and not fl_ctx.get_engine().get_component("agent").is_prepared:
                self._prepare(fl_ctx, fl_ctx.get_run_abort_signal())

    def execute(self, task_name: str, shareable: _reson_Any, fl_ctx: _reson_Any, abort_signal: _reson_Any) -> _reson_Any:
        """Prepares. A site that cannot train answers with EXECUTION_EXCEPTION, and with what is wrong."""
        problems = self._prepare(fl_ctx, abort_signal)
        if problems is None:
            reply = _reson_make_reply(_reson_ReturnCode.TASK_ABORTED)
        else:
            reply = _reson_make_reply(_reson_ReturnCode.EXECUTION_EXCEPTION if problems else _reson_ReturnCode.OK)
            reply.set_header(_reson_PROBLEMS, problems)
        self._messenger.settle(reply)
        return reply

    def _prepare(self, fl_ctx: _reson_Any, abort_signal: _reson_Any) -> _reson_Any:
        """What is wrong, in sentences without their ends; None if the site was asked to stop."""
        engine = fl_ctx.get_engine()
        self._abort_signal, self._messenger = abort_signal, engine.get_component("messenger")
        self._messenger.report("site", None, {"phase": "preparing"})
        self._messenger.flush()
        found = _reson_Findings()
        try:
            self._look(found, fl_ctx.get_engine(), fl_ctx.get_identity_name())
        except _reson_Stopped:
            self._messenger.report("site", None, {"phase": "aborted"})
            return None
        except Exception as exc:  # which would be a fault of ours
            failure = self._messenger.failure(exc)
            found.problems.append(f"the preparation failed: {failure['message']}")
        self._prepared = True
        self._messenger.report("prepared", None, found.told())
        if found.problems:
            message = f"{fl_ctx.get_identity_name()} cannot train: {'; '.join(found.problems)}"
            self._messenger.report("error", None, {"message": message, "traceback": found.traceback})
        return found.problems

    def _look(self, found: _reson_Any, engine: _reson_Any, site: str) -> None:
        agent, workspace = engine.get_component("agent"), engine.get_workspace()
        found.needs(_reson_Needs(self._requirements))
        place = self._find_data(found, agent, workspace, site)
        found.disk = _reson_shutil.disk_usage(workspace.get_root_dir()).free
        if found.disk < _reson_LITTLE_ROOM:
            found.notes.append(f"its disk has only {found.disk / 1e6:,.0f} MB left")
        if place:
            agent.use_data(place)
        elif not found.problems:
            self._miss_data(found)
        # What is missing was said already, and would be said again by the import that fails of it.
        if not found.problems:
            self._load_code(found, agent, place)

    def _find_data(self, found: _reson_Any, agent: _reson_Any, workspace: _reson_Any, site: str) -> str:
        """The folder of the site's data; "" if there is none, or if it is said why it cannot be had."""
        try:
            place, said = _reson_set_place(workspace.get_site_config_dir(), site)
            if place:
                found.data = place
                if self._shard:
                    found.notes.append(f"the shard {self._shard['name']} was not fetched, as {said} says where the data is")
                return place
            if self._shard:
                place = self._fetch(workspace.get_root_dir())
                found.data = "shard"
                return place
        except (_reson_BadSetting, _reson_NoShard) as exc:
            found.problems.append(str(exc))
            return ""
        found.data = place = _reson_given_place(agent.data_root, site)
        return place

    def _fetch(self, root: str) -> str:
        base = _reson_os.environ.get("RESON_CACHE") or _reson_os.path.join(root, "reson_cache")
        base = _reson_os.environ["RESON_CACHE"] = _reson_os.path.abspath(
            _reson_os.path.expanduser(base)
        )  # for decoded images, too
        return _reson_ShardCache(_reson_os.path.join(base, "shards"), self._check, self._tell).fetch(self._shard)

    def _miss_data(self, found: _reson_Any) -> None:
        text = (
            "it has no data: set RESON_DATA_ROOT there, or data_root in local/reson.json (a federation of your own: "
            "%reson federation start --data DIR), or submit with shards from a bucket"
        )
        (found.notes if self._own_training else found.problems).append(text)

    def _load_code(self, found: _reson_Any, agent: _reson_Any, place: str) -> None:
        """Imports the user's code, and reads the manifest as the default training does."""
        try:
            module = _reson_importlib.import_module(agent.adapter_module)
        except BaseException as exc:  # whatever it raises or ends with
            if getattr(exc, "says_all", False):
                found.problems.append(str(exc))
                return
            found.fail(f"{agent.adapter_module}.py cannot be imported", self._messenger.failure(exc))
            return
        if self._own_training:
            self._count_roughly(found, place)
        else:
            hosts = sorted(agent.training.get("image_hosts") or ())
            try:
                samples = getattr(module, "_rt_read_manifest")(place, self._manifest, hosts)  # noqa: B009 - no name of this file
            except FileNotFoundError:
                found.problems.append(f"there is no {self._manifest} at the root of its data ({place})")
            except (OSError, ValueError) as exc:
                found.problems.append(f"its manifest cannot be used: {exc}")
            else:
                self._count(found, samples, place, agent.training.get("num_classes"))

    def _count_roughly(self, found: _reson_Any, place: str) -> None:
        """Counts what the manifest has, if there is one: only the user's code knows how to read it, and whether it does."""
        samples, labels = 0, set()
        try:
            with open(_reson_os.path.join(place, self._manifest), encoding="utf-8-sig") as file:
                for line in file:
                    if line.strip():
                        y = _reson_json.loads(line).get("y", [])
                        labels.update(y if isinstance(y, list) else [y])
                        samples += 1
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return
        found.samples, found.classes = samples, len(labels) or None

    def _count(self, found: _reson_Any, samples: list[_reson_Any], place: str, num_classes: _reson_Any) -> None:
        labels = {label for _, _, labels in samples for label in labels}
        found.samples, found.classes = len(samples), len(labels)
        beyond = sorted(label for label in labels if num_classes and label >= num_classes)
        if beyond:
            found.problems.append(
                f"its data has the label {beyond[0]}, and the run has {num_classes} classes (0 to {num_classes - 1})"
            )
        for name, member, _ in samples[:_reson_LOOKED_AT]:
            self._check()
            if "://" not in member and not _reson_os.path.isfile(_reson_os.path.join(place, member)):
                found.problems.append(f"the image {member} of the sample {name!r} is not in its data")
                break

    def _check(self) -> None:
        if self._abort_signal.triggered or self._aborted.is_set():
            raise _reson_Stopped

    def _tell(self, text: str) -> None:
        self._messenger.report("log", None, {"level": "info", "message": text})


class _reson_Findings:
    """What the event `prepared` says."""

    def __init__(self) -> None:
        self.packages: dict[str, str] = {}
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.disk = 0
        self.data = ""
        self.samples: _reson_Any = None
        self.classes: _reson_Any = None
        self.traceback = ""

    def needs(self, needs: _reson_Any) -> None:
        """Takes what the site has of what it needs."""
        self.packages = needs.packages
        self.problems += needs.problems
        self.notes += needs.notes

    def fail(self, what: str, failure: dict[str, str]) -> None:
        """Takes what code of the user's raised."""
        self.problems.append(f"{what}: {failure['message']}")
        self.traceback = failure["traceback"]

    def told(self) -> dict[str, _reson_Any]:
        """As it is reported."""
        return {
            "python": _reson_platform.python_version(),
            "torch": _reson_torch.__version__,
            "nvflare": _reson_nvflare_version,
            "packages": self.packages,
            "device": _reson_torch.cuda.get_device_name(0) if _reson_torch.cuda.is_available() else "cpu",
            "disk": self.disk,
            "data": self.data,
            "samples": self.samples,
            "classes": self.classes,
            "problems": self.problems,
            "notes": self.notes,
        }
