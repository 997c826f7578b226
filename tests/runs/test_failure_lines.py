"""A failed run names the cell and the line, in whichever notebook it is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

import reson_jupyter as reson
from reson_jupyter.backend.job import JobParts, UserModule
from reson_jupyter.backend.run.live import LiveFeed
from reson_jupyter.notebook.live.failure_card import FailureCard
from reson_jupyter.notebook.live.run_report import report_html, report_text
from reson_jupyter.source_map import SourceMap
from tests.runs.conftest import submit_parts

pytestmark = pytest.mark.nvflare

MODEL = """%%reson_model
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(256, 10)

    def forward(self, x):
        return self.fc(x)  # line 11
"""
TRAIN = """%%reson_train
import torch

print("this line does not ship")

def one_batch(model):
    return model(torch.zeros(8, 512))  # line 7

def fl_train(model, env, out_dir, logger=None):
    one_batch(model)  # line 10
    return {"weights": model.state_dict(), "samples": 1}
"""
NET = """from torch import nn

class Net(nn.Linear):
    def __init__(self):
        super().__init__(1, 1)
"""
PERSISTOR = """from nvflare.app_common.abstract.model_persistor import ModelPersistor

class Mine(ModelPersistor):
    def __init__(self, model):
        super().__init__()

    def load_model(self, fl_ctx):
        return open_folder()

    def save_model(self, model, fl_ctx):
        pass

def open_folder():
    raise PermissionError(13, "Permission denied", "/models")
"""


def test_a_cells_function_that_raises_on_a_site_is_found_by_cell_and_line(home: Path, plain_shards: Path) -> None:
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        submit = f"run = %reson submit --name lines --shards {plain_shards} --no-check"
        carried = "import time\nwhile run.progress.started is None: time.sleep(0.1)"
        for cell in ("%load_ext reson_jupyter", MODEL, TRAIN, submit, carried):
            reply = client.execute_interactive(cell, timeout=60, output_hook=lambda _: None)["content"]
            assert reply["status"] == "ok", reply
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    (record,) = (home / "runs").iterdir()
    run = reson.attach(record.name)
    with pytest.raises(reson.RunFailed, match=r"site-\d in round 1: In\[2\], line 11: RuntimeError: mat1 and mat2") as caught:
        run.wait(120)
    assert "256 inputs and got 512" in (caught.value.hint or "") and run.id in (caught.value.hint or "")

    failure = run.errors()[0]
    assert failure.where == "In[2], line 11"
    assert [frame.where for frame in failure.explained.frames] == ["In[3], line 10", "In[3], line 7", "In[2], line 11"]
    assert 'File "In[3]", line 7, in one_batch\n    return model(torch.zeros(8, 512))  # line 7' in failure.traceback
    assert "/custom/model_def.py" not in failure.traceback
    raw = next(event.data["traceback"] for event in run.events() if event.type == "error")
    assert "/custom/model_def.py" in raw, "the events keep what the site reported"

    snapshot = LiveFeed(run).snapshot()
    for shown in (report_text(snapshot), report_html(snapshot), str(snapshot["sites"])):
        assert "RuntimeError at In[2], line 11" in shown
    cells = {"In[2]": MODEL, "In[3]": TRAIN}
    assert "> 11 |         return self.fc(x)  # line 11" in repr(FailureCard(failure.explained, cells.get))


@pytest.mark.usefixtures("home")
def test_a_persistor_of_the_users_that_raises_on_the_server_is_found_too(plain_shards: Path) -> None:
    lines = SourceMap.of(("In[9]", number + 1) for number in range(1, PERSISTOR.count("\n") + 1))
    run = submit_parts(JobParts("server", "model_def.Net", NET, persistor=UserModule(PERSISTOR, "Mine", lines)), plain_shards)
    with pytest.raises(reson.RunFailed, match=r"the server: In\[9\], line 15: PermissionError") as caught:
        run.wait(120)
    assert "out_dir" in (caught.value.hint or "")
