"""The rows of the fault table."""

from __future__ import annotations

from pathlib import Path

import reson_jupyter as reson
from reson_jupyter.backend.job import JobParts, UserModule
from tests.faults import strikes
from tests.faults.table import Fault, until
from tests.runs.conftest import submit_parts

_NO_SITE_HAS_IT = "import nobody_has_this\n\n\nclass Mine:\n    pass\n"
_MODEL = "import torch\nfrom torch import nn\n\n\nclass Line(nn.Module):\n    def __init__(self):\n"
_MODEL += "        super().__init__()\n"
_MODEL += "        self.weight = nn.Parameter(torch.tensor([1.0, 2.0]))\n\n\n"
_TRAIN = """def fl_train(model, env, out_dir, logger=None):
    logger.log_metric({"number": 1})
    return {"weights": model.state_dict(), "samples": 1}
"""


def broken(what: str, says: str, **parts: object) -> Fault:
    """A row whose job is broken in a way that `reson.submit` would refuse; it is submitted past all checks."""

    def submit(_: Fault, shards: Path) -> reson.Run:
        given = {"model_source": _MODEL + _TRAIN, "train_fn": "fl_train", **parts}
        return submit_parts(JobParts("broken", "model_def.Line", **given), shards)  # type: ignore[arg-type]

    return Fault(what, ("failed",), says, submit=submit, within=60)


SITES = (
    Fault("a site raises in round 1", ("failed",), "ValueError: bad luck", "raises", where="faulty.py"),
    Fault("a site raises in round 3", ("failed",), "bad luck", "raises", 2, rounds=4, where="faulty.py", rounds_kept=2),
    Fault("a site is killed, and the round needs it", ("failed",), "ended without a word", "is killed", 1, rounds_kept=1),
    Fault(
        "a site is killed, and the others go on", ("degraded",), "site-2 is missing from", "is killed", 1,
        sites=3, rounds=3, federation={"min_clients": 2, "wait_time_after_min_received": 1}, rounds_kept=3,
    ),
    Fault("a site hangs in a C call", ("failed",), "hangs", "hangs in C", 1, where="faulty.py", rounds_kept=1),
    Fault(
        "a site hangs, and the others go on", ("degraded",), "site-2 is missing from", "hangs in C", 1,
        sites=3, rounds=5, pace=5, federation={"min_clients": 2, "wait_time_after_min_received": 1}, rounds_kept=5,
        where="faulty.py",
    ),
    Fault("a site's process is stopped", ("failed",), "stopped", "is stopped", 1, rounds_kept=1),
    Fault(
        "the train function never returns", ("failed",), "within 10 s", "computes for ever",
        federation={"round_timeout": 10}, where="faulty.py",
    ),
    Fault("the train function stands still for 16 s", ("finished",), "", "stands still for a while", rounds_kept=2),
    Fault("the training diverges", ("failed",), "not finite", "diverges", 1, rounds_kept=1),
    Fault("a site returns other shapes", ("failed",), "has the shape [3]", "returns other shapes", 1, rounds_kept=1),
    Fault("a site runs out of memory", ("failed",), "memory", "runs out of memory", where="faulty.py"),
)  # fmt: skip

JOBS = (
    broken("an import that no site has", "nobody_has_this", executor=UserModule(_NO_SITE_HAS_IT, "Mine")),
    broken("a syntax error on the sites", "SyntaxError", executor=UserModule("class Mine:\n    def\n", "Mine")),
    broken(
        "a constructor that fails on the server only", "no accelerator",
        model_source=_MODEL.replace(
            "        super().__init__()\n",
            "        super().__init__()\n        import sys\n"
            '        if not any(word.endswith("simulator_worker.py") for word in sys.argv):\n'
            '            raise RuntimeError("this machine has no accelerator")\n',
        ) + _TRAIN,
    ),
    broken(
        "a persistor that cannot save", "the archive does not answer",
        persistor=UserModule(
            "from nvflare.app_opt.pt.file_model_persistor import PTFileModelPersistor\n\n\n"
            "class Mine(PTFileModelPersistor):\n    def save_model(self, ml, fl_ctx):\n"
            '        raise OSError("the archive does not answer")\n',
            "Mine",
        ),
    ),
)  # fmt: skip

PROCESSES = (
    Fault(
        "the server's process is killed", ("failed",), "server", strike=until(strikes.training(2), strikes.kill_server),
        rounds=5, pace=2, rounds_kept=2,
    ),
    Fault(
        "the server's process is stopped", ("failed",), "server", strike=until(strikes.training(1), strikes.stop_server),
        rounds=5, pace=2, rounds_kept=1,
    ),
    Fault(
        "the runner is killed", ("lost",), "", strike=until(strikes.training(2), strikes.kill_runner),
        rounds=5, pace=2, rounds_kept=2,
    ),
)  # fmt: skip

ABORTS = (
    Fault("aborted before the start", ("aborted",), "on request", strike=until(strikes.in_state("starting"), strikes.abort)),
    Fault(
        "aborted in a round", ("aborted",), "on request", "waits to be stopped", 1,
        strike=until(strikes.training(1), strikes.abort), rounds_kept=1,
    ),
    Fault(
        "aborted at the end", ("aborted", "finished", "degraded"), "", strike=until(strikes.in_state("finishing"), strikes.abort),
        rounds_kept=2,
    ),
    Fault(
        "aborted twice", ("aborted",), "on request", "waits to be stopped", 1,
        strike=until(strikes.training(1), strikes.abort_twice), rounds_kept=1,
    ),
    Fault(
        "aborted while the function does not look", ("aborted",), "on request", "hears of no stop", 1,
        strike=until(strikes.training(1), strikes.abort), rounds_kept=1,
    ),
)  # fmt: skip

FLOOD = Fault("2,000 metrics in a round", ("finished",), "", "logs a flood", 1, rounds_kept=2)
