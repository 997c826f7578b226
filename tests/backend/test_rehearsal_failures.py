"""Rehearsals that fail: at which step, with what message, and in which line of the notebook. In a real process each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from reson_jupyter.backend.job import Job, JobParts, build_job
from reson_jupyter.backend.rehearsal import Rehearsal, rehearse

from .rehearsal_jobs import ADD_ONE, LINE, NET, image_job, module, own_job, table_shard, write_shard
from .test_rehearsal import EXECUTOR, PERSISTOR

pytestmark = pytest.mark.nvflare

TRAIN = LINE.count("\n") + 2  # the line of the first statement of fl_train


def returned(value: str) -> Job:
    return own_job(f"    return {value}\n")


def executing(old: str, new: str) -> Job:
    assert old in EXECUTOR
    return own_job(ADD_ONE, executor=module(EXECUTOR.replace(old, new), "Mine", "In[5]"), train_fn="")


def persisting(old: str, new: str) -> Job:
    assert old in PERSISTOR
    return own_job(ADD_ONE, persistor=module(PERSISTOR.replace(old, new), "Keep", "In[6]"))


DXO = "return DXO(DataKind.WEIGHTS, weights, {MetaKey.NUM_STEPS_CURRENT_ROUND: 9}).to_shareable()"
NAN = "{'weights': {'weight': model.weight.detach() * float('nan')}, 'samples': 5}"
EMPTY = "from torch import nn\nclass Net(nn.Module):\n    def __init__(self, num_classes): super().__init__()\n"
RAISING_VALIDATE = "\ndef fl_validate(model, env, out_dir, logger=None):\n    return {'first': model.bias[0]}\n"

CASES: dict[str, tuple[Callable[[], Job], str, str, str]] = {
    "a distribution that is missing": (
        lambda: image_job("import a_package_that_nobody_has\n" + NET),
        "import", "ModuleNotFoundError: No module named 'a_package_that_nobody_has'", "In[4], line 1",
    ),
    "a syntax error": (lambda: image_job(NET + "def broken(:\n    pass\n"), "import", "SyntaxError: ", "In[4], line 12"),
    "a constructor that raises": (
        lambda: image_job(NET.replace("nn.Linear(4, num_classes)", "nn.Linear(4, num_classes + '1')")),
        "construct", "TypeError: unsupported operand", "In[4], line 8",
    ),
    "a model without parameters": (
        lambda: image_job(EMPTY),
        "construct", "the model Net has no parameters", "",
    ),
    "lazy layers": (
        lambda: image_job(NET.replace("nn.Linear(4, ", "nn.LazyLinear(")), "construct", "the model Net has lazy layers", "",
    ),
    "a forward whose shapes do not fit": (
        lambda: image_job(NET.replace("nn.Linear(4,", "nn.Linear(5,")),
        "validate", "RuntimeError: the model failed on images of the shape (1, 3, 12, 12)", "In[4], line 11",
    ),
    "a validate function that raises": (
        lambda: own_job(ADD_ONE, RAISING_VALIDATE),
        "validate", "AttributeError: 'Net' object has no attribute 'bias'", "In[4], line 14",
    ),
    "a train function that raises": (
        lambda: own_job("    raise ValueError('bad luck')\n"), "train", "ValueError: bad luck", f"In[4], line {TRAIN}",
    ),
    "a variable that no site has": (
        lambda: own_job("    os.environ['NOBODY_SET_THIS']\n"), "train", "KeyError: 'NOBODY_SET_THIS'", f"In[4], line {TRAIN}",
    ),
    "sys.exit": (lambda: own_job("    sys.exit(3)\n"), "train", "SystemExit: 3", f"In[4], line {TRAIN}"),
    "os._exit": (lambda: own_job("    os._exit(3)\n"), "train", "the process ended itself with the exit code 3", ""),
    "a crash": (lambda: own_job("    os.abort()\n"), "train", "the process was ended by signal 6", f"In[4], line {TRAIN}"),
    "no weights": (lambda: returned("{'samples': 5}"), "return value", "ValueError: fl_train() returned no weights", ""),
    "nothing at all": (lambda: returned("None"), "return value", "ValueError: fl_train() returned no weights", ""),
    "no dict": (lambda: returned("[1]"), "return value", "TypeError: fl_train() returned a list", ""),
    "weights that are not finite": (
        lambda: returned(NAN), "return value", "ValueError: fl_train(): the weights of weight are not", "",
    ),
    "no samples": (
        lambda: returned("{'weights': model.state_dict(), 'samples': 0}"),
        "return value", "ValueError: fl_train() returned samples=0", "",
    ),
    "keys of another model": (
        lambda: returned("{'weights': {'w': model.weight}, 'samples': 1}"),
        "return value", "ValueError: fl_train(): the returned weights", "",
    ),
    "an executor that raises": (
        lambda: executing(DXO, "return weights.nothing()"), "train", "AttributeError: 'dict' object has no", "In[5], line 19",
    ),
    "an executor that writes to what it received": (
        lambda: executing("weights = {", "from_shareable(shareable).data['weight'] += 1; weights = {"),
        "train", "ValueError: output array is read-only", "In[5], line 18",
    ),
    "an executor that returns something else": (
        lambda: executing(DXO, "return weights"), "train", "the executor's execute returned a dict, not a Shareable", "",
    ),
    "an executor that logs its failure and returns a code": (
        lambda: executing(
            DXO,
            "from nvflare.apis.shareable import make_reply\n        try:\n            1 / 0\n        except Exception:\n"
            "            self.log_exception(fl_ctx, 'oh')\n            return make_reply('EXECUTION_EXCEPTION')",
        ),
        "train", "the executor answered EXECUTION_EXCEPTION: ZeroDivisionError: division by zero", "In[5], line 21",
    ),
    "an executor that returns differences": (
        lambda: executing("DataKind.WEIGHTS", "DataKind.WEIGHT_DIFF"),
        "return value", "the executor returned WEIGHT_DIFF; the agg", "",
    ),
    "an executor that loses weights": (
        lambda: executing("return DXO", "weights = {'other': 1}; return DXO"),
        "return value", "the returned weights are not the model's", "",
    ),
    "a persistor that raises at the start": (
        lambda: persisting("return make_model_learnable(", "return make_model_learnables("),
        "load weights", "NameError: name 'make_model_learnables'", "In[6], line 12",
    ),
    "a persistor that loads nothing": (
        lambda: persisting("return make_model_learnable(", "make_model_learnable("),
        "load weights", "the persistor's load_model returned a NoneType, not a ModelLearnable", "",
    ),
    "a persistor that cannot save": (
        lambda: persisting('os.environ["RESONTECH_OUT_DIR"]', '"/nowhere"'),
        "save", "RuntimeError: Parent directory /nowhere", "In[6], line 16",
    ),
    "a persistor that saves nothing": (lambda: persisting("torch.save(", "print("), "save", "the persistor saved no file", ""),
    "a persistor that saves another model": (
        lambda: persisting('{"model": weights}', '{"model": {"other": torch.ones(1)}}'),
        "reload", "RuntimeError: Error(s) in loading state_dict for Net:", "",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table_shard(tmp_path_factory.mktemp("shard") / "shard.zip", 6)


def failed(rehearsal: Rehearsal) -> tuple[str, str, str]:
    """Step, message and place of what went wrong."""
    assert rehearsal.failure is not None and rehearsal.explained is not None, rehearsal
    where = rehearsal.explained.where
    return rehearsal.failure.step, rehearsal.failure.message, where.where if where else ""


@pytest.mark.parametrize("case", CASES)
def test_a_failure_is_told_with_its_step_message_and_line(case: str, shard: Path) -> None:
    make, step, message, place = CASES[case]
    job = make()
    rehearsal = rehearse(job, shard if "rt_train_model" not in str(job.files) else None)
    found = failed(rehearsal)
    assert (found[0], found[1][: len(message)], found[2]) == (step, message, place), rehearsal.failure
    assert step not in [done.name for done in rehearsal.steps] and not rehearsal.ok
    assert "rehearsal/" not in rehearsal.failure.traceback and "site-1" not in found[1]  # type: ignore[union-attr]


def test_a_checkpoint_of_another_model_is_told(tmp_path: Path, shard: Path) -> None:
    torch.save({"other": torch.ones(1)}, tmp_path / "start.pt")
    step, message, _ = failed(rehearse(own_job(ADD_ONE, checkpoint=tmp_path / "start.pt"), shard))
    assert step == "load weights"
    assert "checkpoint start.pt does not fit the model: missing ['weight'], unexpected ['other']" in message


def test_a_constructor_that_never_returns_is_a_failure(shard: Path) -> None:
    source = NET.replace("super().__init__()", "super().__init__()\n        while True: pass")
    assert failed(rehearse(image_job(source), limit=1.0))[:2] == ("construct", "it was not done after 1 s")


def test_a_damaged_shard_is_the_shards_fault(tmp_path: Path) -> None:
    from reson_jupyter.errors import ShardError

    data = bytearray(write_shard(tmp_path / "shard.zip", {"rows.txt": "some text " * 50}).read_bytes())
    data[60] ^= 0xFF
    (tmp_path / "shard.zip").write_bytes(data)
    with pytest.raises(ShardError, match=r"shard.zip cannot be unpacked"):
        rehearse(own_job(ADD_ONE), tmp_path / "shard.zip")


def test_a_failure_in_a_module_of_the_users_own_is_told_by_its_file(shard: Path) -> None:
    parts: dict[str, Any] = {"train_fn": "fl_train", "local_modules": {"mine/steps.py": "def step():\n    return 1 / 0\n"}}
    source = LINE + "def fl_train(model, env, out_dir, logger=None):\n    from mine.steps import step\n    step()\n"
    rehearsal = rehearse(build_job(JobParts("job", "model_def.Net", source, **parts)), shard)
    assert failed(rehearsal) == ("train", "ZeroDivisionError: division by zero", "mine/steps.py, line 2")
    assert rehearsal.sentence == (
        "rehearsal failed at 'train': mine/steps.py, line 2: ZeroDivisionError: division by zero (in step)"
    )


def test_a_crash_is_told_at_once_even_if_a_process_of_the_users_holds_the_pipes(shard: Path) -> None:
    train = (
        "    import multiprocessing as mp\n    mp.get_context('fork').Process(target=time.sleep, args=(500,)).start()\n"
        "    os._exit(3)\n"
    )
    rehearsal = rehearse(own_job(train), shard, limit=30)
    assert rehearsal.failure and rehearsal.failure.step == "train" and "exit code 3" in rehearsal.failure.message
    assert rehearsal.seconds < 25


@pytest.mark.parametrize(
    "train",
    [
        ADD_ONE.replace("'loss'", "'over'"),
        "    for pipe in range(3, 20):\n        try: os.write(pipe, b'hello\\n[1]\\n')\n        except OSError: pass\n" + ADD_ONE,
    ],
)
def test_what_user_code_says_is_never_taken_for_the_rehearsals_own_words(shard: Path, train: str) -> None:
    assert rehearse(own_job(train), shard).ok
