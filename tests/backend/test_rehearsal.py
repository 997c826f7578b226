"""Rehearsals that pass: what is done with a job before it is sent, in a real process."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import torch

from reson_jupyter.backend.job import JobParts, build_job
from reson_jupyter.backend.rehearsal import Rehearsal, rehearse, warm
from reson_jupyter.backend.rehearsal.helper import spare
from tests.patience import wait_for
from tests.runs.conftest import write_image_shard

from .rehearsal_jobs import ADD_ONE, LINE, NET, image_job, module, own_job, processes, table_shard, write_shard

pytestmark = pytest.mark.nvflare

STEPS = ["import", "construct", "load weights", "validate", "train", "return value", "aggregate", "save", "reload"]
WITHOUT_VALIDATION = [name for name in STEPS if name != "validate"]


def names(rehearsal: Rehearsal) -> list[str]:
    assert rehearsal.ok, f"{rehearsal.sentence}\n{rehearsal.failure}"
    return [step.name for step in rehearsal.steps]


def test_a_model_alone_is_trained_on_the_first_samples_of_a_shard_and_measured(tmp_path: Path) -> None:
    write_image_shard(tmp_path / "shard.zip", [0, 1, 2] * 20, seed=1)
    told: list[str] = []
    rehearsal = rehearse(image_job(), tmp_path / "shard.zip", on_step=told.append)
    assert names(rehearsal) == told == STEPS
    assert rehearsal.facts.parameters == 3 * 4 * 9 + 4 + 4 + 4 + 4 * 3 + 3
    statistics = 2 * 4 * 4 + 8  # BatchNorm's two of float32, and a count of int64
    assert rehearsal.facts.bytes_down == rehearsal.facts.bytes_up == 4 * rehearsal.facts.parameters + statistics
    assert rehearsal.facts.samples == 7, "eight samples, of which one validates"
    assert set(rehearsal.facts.metrics) == {"train_loss", "train_accuracy", "val_loss", "val_accuracy"}
    assert rehearsal.notes == () and rehearsal.unfinished == ""


@pytest.mark.parametrize("multi_label", [False, True])
def test_without_a_shard_a_model_alone_is_trained_on_made_up_images(multi_label: bool) -> None:
    training = {"multi_label": True} if multi_label else {}
    assert names(rehearse(image_job(training=training))) == STEPS


def test_own_training_gets_the_first_samples_one_epoch_and_what_is_no_sample(tmp_path: Path) -> None:
    train = """\
    root = env["DATA_ROOT"]
    rows = len(os.listdir(os.path.join(root, "rows")))
    lines = len(open(os.path.join(root, "manifest.ndjson")).readlines())
    words = len(open(os.path.join(root, "vocabulary.txt")).read().split())
    facts = {"rows": rows, "lines": lines, "words": words, "epochs": env["EPOCHS"], "own": env["local_epochs"]}
    return {"weights": {"weight": model.weight.detach() + 1}, "samples": rows, **facts}
"""
    rehearsal = rehearse(own_job(train), table_shard(tmp_path / "shard.zip", 50))
    assert names(rehearsal) == WITHOUT_VALIDATION
    assert rehearsal.facts.metrics == {"rows": 8, "lines": 8, "words": 3, "epochs": 1, "own": 1}, "two batches of four"


@pytest.mark.parametrize(("rows", "said"), [(1, "1 sample"), (2, "2 samples"), (0.5, "0.5 samples")])
def test_how_many_samples_came_back_is_told_with_the_step(tmp_path: Path, rows: float, said: str) -> None:
    train = f"    return {{'weights': {{'weight': model.weight.detach() + 1}}, 'samples': {rows}}}\n"
    steps = rehearse(own_job(train), table_shard(tmp_path / "shard.zip", 4)).steps
    assert [step.detail for step in steps if step.name == "return value"] == [said]


def test_a_shard_of_the_users_own_form_is_there_as_a_whole(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "shard.zip", {"manifest.ndjson": "no json\n", "data/table.csv": "1,2\n"})
    train = "    assert open(env['DATA_ROOT'] + '/data/table.csv').read() == '1,2\\n'\n" + ADD_ONE
    assert names(rehearse(own_job(train), shard)) == WITHOUT_VALIDATION


def test_own_training_without_a_shard_is_left_out_and_that_is_said() -> None:
    rehearsal = rehearse(own_job("    raise ValueError\n"))
    assert names(rehearsal) == STEPS[:3]
    assert rehearsal.notes == ("training was not rehearsed: no shard was named",)
    assert rehearsal.facts.parameters == 2 and rehearsal.facts.bytes_down == 8


def test_own_validation_comes_before_training_and_is_a_step_of_its_own(tmp_path: Path) -> None:
    validate = "\ndef fl_validate(model, env, out_dir, logger=None):\n    return {'first': model.weight[0].item()}\n"
    rehearsal = rehearse(own_job(ADD_ONE, validate), table_shard(tmp_path / "shard.zip", 4))
    assert names(rehearsal) == STEPS
    assert rehearsal.facts.metrics == {"first": 1.0, "loss": 0.25} and rehearsal.facts.samples == 5


def test_the_payload_contract_is_rehearsed(tmp_path: Path) -> None:
    source = LINE + (
        "def fl_train_model(payload, logger):\n"
        "    logger('hello')\n"
        "    return {'state_dict': {'weight': payload['initial_weights']['weight'] + 1}, 'num_samples': 3}\n"
    )
    job = build_job(JobParts("job", "model_def.Net", source, train_fn="fl_train_model"))
    rehearsal = rehearse(job, table_shard(tmp_path / "shard.zip", 4))
    assert names(rehearsal) == WITHOUT_VALIDATION and rehearsal.facts.samples == 3


EXECUTOR = """\
from nvflare.apis.dxo import DXO, DataKind, MetaKey, from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.executor import Executor

class Mine(Executor):
    def __init__(self, **kwargs):
        super().__init__()
        self.started = False

    def handle_event(self, event_type, fl_ctx):
        if event_type == EventType.START_RUN:
            self.started = True

    def execute(self, task_name, shareable, fl_ctx, abort_signal):
        assert self.started and task_name == "train"
        assert fl_ctx.get_peer_context().get_identity_name() == "server"
        self.log_error(fl_ctx, "odd, but no failure")
        weights = {key: value + 1 for key, value in from_shareable(shareable).data.items()}
        return DXO(DataKind.WEIGHTS, weights, {MetaKey.NUM_STEPS_CURRENT_ROUND: 9}).to_shareable()
"""


def test_an_executor_of_the_users_own_is_started_and_asked_to_train(tmp_path: Path) -> None:
    job = own_job(ADD_ONE, executor=module(EXECUTOR, "Mine", "In[5]"), train_fn="")
    rehearsal = rehearse(job, table_shard(tmp_path / "shard.zip", 4))
    assert names(rehearsal) == WITHOUT_VALIDATION and rehearsal.facts.samples == 9


PERSISTOR = """\
import os
import torch
from nvflare.app_common.abstract.model import make_model_learnable
from nvflare.app_common.abstract.model_persistor import ModelPersistor

class Keep(ModelPersistor):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def load_model(self, fl_ctx):
        return make_model_learnable({key: value.numpy() for key, value in self.model.state_dict().items()}, {})

    def save_model(self, ml, fl_ctx):
        weights = {key: torch.as_tensor(value) for key, value in ml["weights"].items()}
        torch.save({"model": weights}, os.path.join(os.environ["RESONTECH_OUT_DIR"], "mine.pt"))
"""


def test_a_persistor_of_the_users_own_saves_what_can_be_reloaded(tmp_path: Path) -> None:
    rehearsal = rehearse(own_job(ADD_ONE, persistor=module(PERSISTOR, "Keep", "In[6]")), table_shard(tmp_path / "s.zip", 4))
    assert names(rehearsal) == WITHOUT_VALIDATION
    assert rehearsal.steps[-2].detail.startswith("mine.pt")


def test_a_file_that_only_its_author_can_read_is_noted(tmp_path: Path) -> None:
    source = PERSISTOR.replace("torch.save({", "print({").replace(
        ', os.path.join(os.environ["RESONTECH_OUT_DIR"], "mine.pt")', ""
    )
    source += '        open(os.path.join(os.environ["RESONTECH_OUT_DIR"], "weights.bin"), "wb").write(b"1")\n'
    rehearsal = rehearse(own_job(ADD_ONE, persistor=module(source, "Keep", "In[6]")), table_shard(tmp_path / "s.zip", 4))
    assert names(rehearsal)[-1] == "reload" and "run.model() will not read" in rehearsal.notes[0]


def test_a_checkpoint_is_where_the_training_starts(tmp_path: Path) -> None:
    torch.save({"weight": torch.tensor([40.0, 41.0])}, tmp_path / "start.pt")
    validate = "\ndef fl_validate(model, env, out_dir, logger=None):\n    return {'first': model.weight[0].item()}\n"
    rehearsal = rehearse(own_job(ADD_ONE, validate, checkpoint=tmp_path / "start.pt"), table_shard(tmp_path / "s.zip", 4))
    assert names(rehearsal) == STEPS
    assert rehearsal.facts.metrics["first"] == 40.0 and rehearsal.steps[2].detail == "from start.pt"


def test_modules_of_the_users_own_are_found_beside_the_scripts_and_nothing_else_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stray_module.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    local = {"mine/__init__.py": "", "mine/blocks.py": "from torch import nn\nHead = nn.Linear\n"}
    source = NET.replace("import torch\n", "import torch\nfrom mine.blocks import Head\n").replace("nn.Linear", "Head")
    assert names(rehearse(image_job(source, local_modules=local))) == STEPS
    failed = rehearse(image_job("import stray_module\n" + NET))
    assert failed.failure is not None and failed.failure.message == "ModuleNotFoundError: No module named 'stray_module'"


def test_the_process_has_the_kernels_environment_of_now_without_the_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warm()
    monkeypatch.setenv("MY_SETTING", "7")
    monkeypatch.setenv("RESON_S3_SECRET", "canary")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    train = "    assert 'canary' not in str(dict(os.environ)) and os.environ['MY_SETTING'] == '7'\n" + ADD_ONE
    assert names(rehearse(own_job(train), table_shard(tmp_path / "shard.zip", 4))) == WITHOUT_VALIDATION


def test_the_code_may_write_where_it_is_print_megabytes_and_its_last_words_are_kept(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train = """\
    assert os.listdir() == [] and sys.stdin.read() == ""
    open("notes.txt", "w").write("x")
    for number in range(100_000):
        print("a line of some length, to fill whatever holds it", number)
    os.system("echo spoken by a child")
    print("last words", file=sys.stderr)
"""
    rehearsal = rehearse(own_job(train + ADD_ONE), table_shard(tmp_path / "shard.zip", 4))
    assert names(rehearsal) == WITHOUT_VALIDATION
    assert "last words" in rehearsal.output and "spoken by a child" in rehearsal.output and len(rehearsal.output) <= 20_000
    assert capfd.readouterr() == ("", "")


def test_weights_that_training_leaves_as_they_were_are_noted(tmp_path: Path) -> None:
    train = ADD_ONE.replace("+ 1", "+ 0")
    rehearsal = rehearse(own_job(train), table_shard(tmp_path / "shard.zip", 4))
    assert names(rehearsal) == WITHOUT_VALIDATION and "left the weights unchanged" in rehearsal.notes[0]


def test_training_that_outlasts_the_limit_is_no_failure(tmp_path: Path) -> None:
    began = time.monotonic()
    rehearsal = rehearse(own_job("    while True: pass\n"), table_shard(tmp_path / "shard.zip", 4), limit=1.0)
    assert names(rehearsal) == STEPS[:3] and rehearsal.unfinished == "train"
    assert "train: it was not done after 1 s" in rehearsal.notes[0] and time.monotonic() - began < 30


def test_a_process_that_has_imported_everything_stands_ready_and_takes_the_next_rehearsal() -> None:
    spare.drop()
    warm()
    helper = spare._helper
    assert helper is not None
    assert select.select([helper._process.stdout], [], [], 120)[0], "it never said that it is ready"
    rehearsal = rehearse(image_job(f"{NET}\nimport os\nprint('this is', os.getpid())\n"))
    assert names(rehearsal) == STEPS
    assert f"this is {helper._process.pid}" in rehearsal.output
    assert spare._helper is not helper, "each process meets one user's code only"


def test_a_spare_that_died_is_replaced() -> None:
    warm()
    assert spare._helper is not None
    os.kill(spare._helper._process.pid, signal.SIGKILL)
    assert names(rehearse(image_job())) == STEPS


def test_an_interrupt_ends_the_process_and_everything_it_started(tmp_path: Path) -> None:
    spare.drop()
    shard = table_shard(tmp_path / "shard.zip", 4)
    timers: list[threading.Timer] = []

    def interrupt_soon(step: str) -> None:
        if step == "train":
            timers.append(threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)))
            timers[0].start()

    with pytest.raises(KeyboardInterrupt):
        rehearse(own_job("    os.system('sleep 1000')\n"), shard, on_step=interrupt_soon)
    assert spare._helper is not None
    assert [process.pid for process in processes()] == [spare._helper._process.pid]
    assert not [process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"] == ["sleep", "1000"]]


def test_what_the_code_starts_and_leaves_behind_is_ended(tmp_path: Path) -> None:
    train = "    import subprocess\n    subprocess.Popen(['sleep', '1001'], start_new_session=True)\n" + ADD_ONE
    assert names(rehearse(own_job(train), table_shard(tmp_path / "shard.zip", 4))) == WITHOUT_VALIDATION
    commands = [process.info["cmdline"] for process in psutil.process_iter(["cmdline", "status"]) if process.is_running()]
    assert ["sleep", "1001"] not in commands


def test_rehearsals_on_two_threads_do_not_meet(tmp_path: Path) -> None:
    shard = table_shard(tmp_path / "shard.zip", 4)
    done: dict[int, Rehearsal] = {}

    def go(number: int) -> None:
        done[number] = rehearse(own_job(ADD_ONE.replace("0.25", str(number))), shard)

    threads = [threading.Thread(target=go, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: names(rehearsal) and rehearsal.facts.metrics["loss"] for number, rehearsal in done.items()} == {1: 1, 2: 2}


def test_the_spare_ends_with_the_kernel_however_that_ends(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom reson_jupyter.backend.rehearsal import warm\n"
        "from reson_jupyter.backend.rehearsal.helper import spare\n"
        "warm(); print(spare._helper._process.pid, flush=True)\nsys.argv[1] == 'kill' and os.kill(os.getpid(), 9)\n"
    )
    for how in ("kill", "end"):
        output = psutil.Popen([sys.executable, "-c", code, how], stdout=-1, stderr=-1)
        said, errors = output.communicate(timeout=60)
        pid = int(said)
        wait_for(lambda pid=pid: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", 30)  # type: ignore[misc]
        assert errors == b""


def test_nothing_is_left_of_a_rehearsal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert names(rehearse(image_job())) == STEPS
    spare.drop()
    assert list(tmp_path.iterdir()) == [] and processes() == []
