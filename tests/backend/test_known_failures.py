"""What is known of failures is asked with the messages that torch and Python really give, where a CPU can raise them."""

from __future__ import annotations

import traceback

import pytest

from reson_jupyter.backend.failure.explain import Explained, explain
from reson_jupyter.backend.failure.known import KNOWN, Code
from tests.backend.test_failure import SOURCES, define

# The body of a train function that fails, and a word of the cause or fix that it must be told.
RAISED = {
    "nn.Linear(256, 10)(torch.zeros(8, 512))": "256 inputs and got 512",
    "nn.Conv2d(3, 8, 3)(torch.zeros(2, 1, 28, 28))": "3 channels and got 1",
    "nn.Conv2d(3, 8, 5)(torch.zeros(2, 3, 4, 4))": "too small",
    "nn.MaxPool2d(4)(torch.zeros(2, 3, 3, 3))": "too small",
    "nn.Linear(4, 3).load_state_dict(nn.Linear(4, 10).state_dict())": "weights weight are of another size",
    "nn.Linear(4, 3).load_state_dict({'module.weight': torch.zeros(3, 4)})": "module.",
    "F.cross_entropy(torch.zeros(4, 3), torch.zeros(2).long())": "4 rows for 2 labels",
    "torch.utils.data.default_collate([torch.zeros(3, 4, 4), torch.zeros(3, 5, 4)])": "differ in size",
    "nn.BatchNorm1d(4)(torch.zeros(1, 4))": "drop_last=True",
    "F.cross_entropy(torch.zeros(2, 3), torch.tensor([1, 5]))": "label 5",
    "F.nll_loss(torch.zeros(4, 3), torch.zeros(4, 1).long())": "(batch,)",
    "F.nll_loss(torch.zeros(2, 3), torch.zeros(2))": "int64",
    "F.linear(torch.zeros(2, 3).double(), torch.zeros(3, 3))": "float64",
    "F.conv2d(torch.zeros(1, 3, 8, 8).double(), torch.zeros(4, 3, 3, 3), torch.zeros(4))": "float64",
    "nn.Linear(2, 2)(torch.zeros(1, 2)).detach().sum().backward()": "does not depend on any weight",
    "loss = nn.Linear(2, 2)(torch.zeros(1, 2)).pow(2).sum(); loss.backward(); loss.backward()": "once per loss",
    "x = nn.Linear(2, 2)(torch.zeros(1, 2)).exp(); x += 1; x.sum().backward()": "x = x + y",
    "nn.Linear(2, 2).weight.numpy()": ".detach()",
    "torch.zeros(2).bfloat16().numpy()": ".float()",
    "torch.load(written(object()))": "state_dict",
    "import a_package_that_nobody_has": "a_package_that_nobody_has is not installed",
    "from torch import a_name_of_the_future": "without a_name_of_the_future",
    "import scaleout.utils": "scaleout.utils is not carried over",
    "import scaleout; scaleout.Server": "Server of scaleout is not carried over",
    "get_ipython().run_line_magic('time', '')": "no IPython",
    "HELPER(1)": "HELPER",
    "env = {}; env['NUM_ROUND']": "env has no NUM_ROUND",
    "payload = {}; payload['weights']": "initial_weights",
    "fl_train(1, 2, 3, 4, 5, log=None)": "fl_train(model, env, out_dir, logger)",
    "Net(width=3)": "does not take width",
    "Sized()": "without 'size'",
    "open('/home/ann/data.csv')": "on the notebook's machine",
    "open('data.csv')": "DATA_ROOT",
    "open('/nowhere/manifest.ndjson')": "Zip the files themselves",
    "raise FileNotFoundError('there is no manifest.ndjson at the root of the shard (/app/payload)')": "Zip the files themselves",
    "torch.utils.data.RandomSampler([])": "no samples",
    "sum([]) / len([])": "max(1, count)",
    "import io; from PIL import Image; Image.open(io.BytesIO(b'no image'))": "no image",
    "import pickle; pickle.dumps(lambda x: x)": "num_workers=0",
    "import pickle, threading; pickle.dumps(threading.Lock())": "num_workers=0",
    "fl_train()": "calls itself",
    "raise SystemExit(1)": "sys.exit()",
    "raise MemoryError": "memory was used up",
    "torch.zeros(1, device='cuda')": 'env["DEVICE"]',
    "raise EOFError('EOF when reading a line')": "input()",
    "import types; types.ModuleType('model_def').Net": "has no Net",
}

# What no CPU, or no run as root, gives: the messages as their projects write them.
TOLD = {
    "torch.OutOfMemoryError: CUDA OOM": "batch_size",
    "its process was killed by the system, because the memory was full": "memory is short",
    "the disk of the work folder /tmp is full: 0.1 of 16 MB are free; TMPDIR names another place": "out_dir",
    "hangs: its process is stopped": "paused",
    "hangs: no sign of life and no computing for 12 s while it starts": "site_timeout=60",
    "the server hangs: no sign of life and no computing for 12 s": "waits",
    "has not finished its part of round 2 within 60 s": "round_timeout=0",
    "Failed to import 'model_def': name 'nn' is not defined": "import nn in the cell",
    "Can't load class model_def.Net: No module named 'torchvision'": "torchvision is not installed",
    "AttributeError: model_def.py does not define the function fl_train()": "has no fl_train",
    "User module 'model_def' does not define class 'Net'": "has no Net",
    "Class model_def.Net has parameters error: Net.__init__() missing 1 required positional argument: 'width'": "'width'",
    "Failed to instantiate Net({'width': 1}): Net.__init__() got an unexpected keyword argument 'width'": "not take width",
    "ValueError: site-1, round 1: fl_train() returned no weights; return {'weights': model.state_dict()}": "state_dict",
    "TypeError: site-1, round 1: fl_train() returned a NoneType; it must return a dict": "state_dict",
    "TypeError: site-1, round 1: fl_validate() returned a float; it must return a dict": "metrics",
    "ValueError: site-1, round 1: fl_train() returned samples=0; it must be the number of training samples": "len(dataset)",
    "Loaded global weights with strict=False (key mismatch)": "module.",
    "super().save_model failed: None of the 4 incoming model parameter(s) matched": "module.",
    "FileNotFoundError: manifest.ndjson": "Zip the files themselves",
    "ValueError: /app/payload/manifest.ndjson has no samples": "some samples",
    "ValueError: the model returns 10 logits, but num_classes is 3": "10 outputs for 3",
    "ERROR: No matching distribution found for torch==99.1": "no torch==99.1",
    "pip: ResolutionImpossible: for help visit https://pip.pypa.io": "contradict",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a capacity of 7.79 GiB": "batch_size",
    "RuntimeError: [enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: 9 bytes": "used up",
    "RuntimeError: DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's workers are out of "
    "shared memory.": "/dev/shm",
    "RuntimeError: DataLoader worker (pid(s) 12, 13) exited unexpectedly": "num_workers=0",
    "its process ended without a word: killed, out of memory, or ended by the code itself": "memory is short",
    "OSError: [Errno 28] No space left on device": "disk",
    "ValueError: site-1, round 1: the global model: fc.weight has the shape [3, 4], the model's has [10, 4]": "fc.weight",
    "ValueError: site-1, round 1: fl_train(): the returned weights: keys do not fit the model: missing ['a']": "names",
    "RuntimeError: CUDA error: device-side assert triggered": "label",
    "RuntimeError: Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!": "DEVICE",
    "RuntimeError: Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor) should be the same": "DEVICE",
    "TypeError: can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu()": ".cpu()",
    "ValueError: site-1, round 1: fl_train(): the weights of w are not finite (NaN or infinite); the training diverged": "clip",
    "URLError: <urlopen error [Errno -3] Temporary failure in name resolution>": "cannot reach the internet",
    "PermissionError: [Errno 13] Permission denied: 'best.pt'": "out_dir",
    "OSError: [Errno 30] Read-only file system: '/app/best.pt'": "out_dir",
    "torch.distributed.DistBackendError: NCCL communicator was aborted: Watchdog caught collective operation timeout": "again",
    "AssertionError: daemonic processes are not allowed to have children": "num_workers=0",
}

SCRIPT = """
import io
import torch
import torch.nn.functional as F
from torch import nn

class Net(nn.Module):
    def __init__(self): super().__init__()

class Sized(nn.Module):
    def __init__(self, size): super().__init__()

def written(value):
    torch.save(value, file := io.BytesIO())
    file.seek(0)
    return file

def fl_train(): {body}
"""


def failed(body: str) -> Explained:
    site = define(SCRIPT.format(body=body))
    try:
        site["fl_train"]()
    except (Exception, SystemExit) as error:
        return explain(f"{type(error).__name__}: {error}".splitlines()[0], traceback.format_exc(), SOURCES)
    raise AssertionError("it raised nothing")


@pytest.mark.parametrize("body", RAISED)
def test_what_really_fails_is_explained_and_has_a_place(body: str) -> None:
    failure = failed(body)
    assert RAISED[body] in failure.advice, f"{failure.message}: {failure.advice}"
    assert failure.cause and failure.fix and failure.where


@pytest.mark.parametrize("message", TOLD)
def test_what_only_other_machines_say_is_explained(message: str) -> None:
    assert TOLD[message] in explain(message, "", {}).advice


@pytest.mark.parametrize(
    "message",
    [
        "ValueError: bad luck",
        "KeyError: 'width'",
        "RuntimeError: information is contained in the infinite set",
        "AttributeError: 'Net' object has no attribute 'fc'",
        "TypeError: unsupported operand type(s) for +: 'int' and 'str'",
        "AssertionError",
        "",
    ],
)
def test_of_an_ordinary_error_nothing_is_made_up(message: str) -> None:
    assert explain(message, "", {}).advice == ""


def test_every_entry_is_asked_for_here() -> None:
    failures = [*map(failed, RAISED), *(explain(message, "", {}) for message in TOLD)]
    asked = [(failure.message, failure.where.text if failure.where else "", (failure.cause, failure.fix)) for failure in failures]
    others = [
        entry.message
        for entry in KNOWN
        if not entry.only and not any(entry.told(said, line, Code.MODEL) == answer for said, line, answer in asked)
    ]
    assert others == []
