"""Ordinary notebook situations in a real kernel; what ships is then imported in a clean process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from .conftest import Notebook  # noqa: F401  (the fixtures of this folder stand there)

MODEL = (
    "import torch\nimport torch.nn as nn\nclass Net(nn.Module):\n    def __init__(self, num_classes=2):\n"
    "        super().__init__()\n        self.fc = nn.Linear(4, num_classes)\n"
    "    def forward(self, x):\n        return self.fc(x)\n"
)
TRAIN = "def fl_train_model(payload, out_dir=None, logger=None):\n    return {'weights': Net().state_dict(), 'samples': 4}\n"


@dataclass
class Reply:
    """What a front end gets for one cell."""

    status: str
    text: str = ""
    value: Any = None
    errors: list[dict[str, Any]] = field(default_factory=list)
    cards: list[str] = field(default_factory=list)


class Kernel:
    """A running kernel, spoken to as a front end does."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client

    def run(self, cell: str, **expressions: str) -> Reply:
        reply = Reply("")

        def output(message: dict[str, Any]) -> None:
            content = message["content"]
            match message["msg_type"]:
                case "stream":
                    reply.text += content["text"]
                case "error":
                    reply.errors.append(content)
                case "display_data" | "execute_result":
                    reply.cards.append(content["data"]["text/plain"])

        answer = self._client.execute_interactive(cell, user_expressions=expressions, output_hook=output, timeout=60)["content"]
        reply.status = answer["status"]
        for name in expressions if reply.status == "ok" else ():
            reply.value = eval(answer["user_expressions"][name]["data"]["text/plain"])
        return reply

    def shipped(self) -> str:
        """The module that would travel as model_def.py."""
        text = self.run(
            "import reson_jupyter as _reson\nfrom reson_jupyter.capture.text.module import combine as _combine",
            source="_combine([c for r, c in sorted(_reson.session().captures.items()) if r in ('model', 'train')]).source",
        ).value
        assert isinstance(text, str)
        return text


@pytest.fixture(scope="module")
def started() -> Iterator[BlockingKernelClient]:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(extra_arguments=["--HistoryManager.hist_file=:memory:"])
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.context.destroy()


@pytest.fixture
def kernel(started: BlockingKernelClient) -> Kernel:
    """A kernel with an empty namespace, In[1] next, and nothing captured: as good as new and much faster."""
    kernel = Kernel(started)
    reset = (
        "%reset -f\nimport sys\nfrom reson_jupyter.session import Session\n"
        "sys.modules[Session.__module__]._current = Session()\ndel sys, Session\n"
        "get_ipython().history_manager.reset()\nget_ipython().execution_count = 1\n"
        "import reson_jupyter\nreson_jupyter.load_ipython_extension(get_ipython())\ndel reson_jupyter\n"
    )
    # Silently, as a cell that counts would count on, some versions of IPython before it runs and some after.
    assert started.execute_interactive(reset, silent=True, timeout=60)["content"]["status"] == "ok"
    return kernel


def at_a_site(tmp_path: Path, source: str, expression: str) -> Any:
    """The value of an expression over the module, as JSON, in a clean process."""
    (tmp_path / "model_def.py").write_text(source)
    code = f"import sys, json; sys.path.insert(0, sys.argv[1]); import torch, model_def as m; print(json.dumps({expression}))"
    done = subprocess.run([sys.executable, "-I", "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_model_and_train_function_in_one_cell(kernel: Kernel, tmp_path: Path) -> None:
    assert kernel.run("%%reson_model\n" + MODEL + TRAIN).status == "ok"
    assert at_a_site(tmp_path, kernel.shipped(), "m.fl_train_model({})['samples']") == 4


def test_model_and_train_function_in_two_cells(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run("%%reson_model\n" + MODEL)
    assert kernel.run("%%reson_train\nimport math\n" + TRAIN.replace("4}", "math.isqrt(16)}")).status == "ok"
    assert at_a_site(tmp_path, kernel.shipped(), "m.fl_train_model({})['samples']") == 4


def test_imports_of_another_cell_ship(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run("import torch\nimport torch.nn as nn")
    reply = kernel.run("%%reson_model\n" + MODEL.replace("import torch\nimport torch.nn as nn\n", ""))
    assert reply.status == "ok" and "import torch.nn as nn (In[1])" in reply.cards[0]
    assert at_a_site(tmp_path, kernel.shipped(), "list(m.Net(3)(torch.rand(1, 4)).shape)") == [1, 3]


def test_an_import_that_no_cell_has_is_refused_with_the_line_to_add(kernel: Kernel) -> None:
    kernel.run("exec('import torch.nn as nn')")
    reply = kernel.run("%%reson_model\nclass Net(nn.Module): ...\n")
    assert reply.status == "error" and len(reply.errors) == 1
    assert reply.errors[0]["ename"] == "CaptureError"
    assert reply.errors[0]["traceback"] == [
        "CaptureError: In[2], line 2, column 11: Net needs 'nn', which no cell imports\n  "
        "add: import torch.nn as nn, or put --fix behind the magic to have it added"
    ]
    assert "import torch.nn as nn (added)" in kernel.run("%%reson_model --fix\nclass Net(nn.Module): ...\n").cards[0]


def test_environment_and_shell_lines_stay(kernel: Kernel, tmp_path: Path) -> None:
    cell = "%%reson_model\n%env SOME_SETTING=1\n!echo from the shell\n%matplotlib inline\n" + MODEL + "%time Net()\n"
    reply = kernel.run(cell)
    assert reply.status == "ok" and "from the shell" in reply.text
    assert at_a_site(tmp_path, kernel.shipped(), "list(m.Net(3)(torch.rand(1, 4)).shape)") == [1, 3]


def test_a_later_cell_with_a_subclass_changes_nothing(kernel: Kernel) -> None:
    kernel.run("%%reson_model\n" + MODEL)
    kernel.run("class NetV2(Net):\n    pass\n")
    assert "class Net(nn.Module)" in kernel.shipped() and "NetV2" not in kernel.shipped()


def test_a_subclass_takes_the_class_of_another_cell_along(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run("%%reson_model\n" + MODEL)
    reply = kernel.run("%%reson_model\nclass NetV2(Net):\n    pass\n")
    assert "class Net (In[1]), class NetV2" in reply.cards[0]
    assert at_a_site(tmp_path, kernel.shipped(), "list(m.NetV2(3)(torch.rand(1, 4)).shape)") == [1, 3]


def test_a_later_comment_or_string_that_mentions_the_class_changes_nothing(kernel: Kernel) -> None:
    kernel.run("%%reson_model\n" + MODEL)
    before = kernel.shipped()
    kernel.run("# class Net was better once\ntext = 'class Net: broken('")
    assert kernel.shipped() == before


def test_a_later_redefinition_that_raises_is_not_captured(kernel: Kernel) -> None:
    kernel.run("%%reson_model\n" + MODEL)
    before = kernel.shipped()
    reply = kernel.run("%%reson_model\n" + MODEL.replace("Linear(4", "Linear(5") + "raise RuntimeError('half way')\n")
    assert reply.status == "error"
    assert [error["ename"] for error in reply.errors] == ["RuntimeError"]
    assert "Cell In[3]" not in str(reply.errors) and "run_cell_magic" not in str(reply.errors)
    assert kernel.shipped() == before


def test_a_later_redefinition_with_a_syntax_error_is_not_captured(kernel: Kernel) -> None:
    kernel.run("%%reson_model\n" + MODEL)
    before = kernel.shipped()
    reply = kernel.run("%%reson_model\n" + MODEL + "    def broken(self:\n")
    assert [error["ename"] for error in reply.errors] == ["SyntaxError"]
    assert kernel.shipped() == before


def test_a_quick_start_in_one_cell_ships_neither_key_nor_submit(kernel: Kernel, tmp_path: Path) -> None:
    cell = (
        "%%reson_model\nimport os\nAPI_KEY = 'rsk_live_secret'\nos.environ['KEY'] = API_KEY\n"
        "class SDK:\n    def __init__(self, **keys): self.keys = keys\n    def rt_submit(self, model): print('submitted')\n"
        "sdk = SDK(platform_api_key=API_KEY, s3_secret='hunter2')\n" + MODEL + TRAIN + "sdk.rt_submit(model=Net)\n"
    )
    assert "submitted" in kernel.run(cell).text
    source = kernel.shipped()
    assert not any(text in source for text in ("rsk_live", "hunter2", "submit", "SDK", "environ"))
    assert at_a_site(tmp_path, source, "m.fl_train_model({})['samples']") == 4


def test_errors_reach_the_front_end_once_and_name_the_visible_line(kernel: Kernel) -> None:
    kernel.run("1")
    reply = kernel.run("%%reson_model\n" + MODEL + "\n1 / 0\n")
    assert reply.status == "error" and len(reply.errors) == 1
    assert reply.errors[0]["ename"] == "ZeroDivisionError"
    assert "line 11" in "".join(reply.errors[0]["traceback"]) and "In[2]" in "".join(reply.errors[0]["traceback"])


def test_top_level_await_works_although_the_kernel_is_busy(kernel: Kernel) -> None:
    reply = kernel.run(
        "%%reson_model\nimport asyncio\nawait asyncio.sleep(0.01)\nprint('waited')\n" + MODEL + "await asyncio.sleep(0, 7)\n"
    )
    assert reply.status == "ok", reply.errors
    assert "waited" in reply.text and reply.cards[0] == "7"
    assert "asyncio" not in kernel.shipped()


def test_the_card_appears_under_the_cell(kernel: Kernel) -> None:
    reply = kernel.run("%%reson_model\n" + MODEL)
    assert [card.splitlines()[0] for card in reply.cards] == ["Reson: captured the model Net from In[1], 7 lines ship"]


BLANK = ["", "\n", "\n\n", "\n   \n", "\n\t\n\n"]


@pytest.mark.parametrize("end", BLANK)
@pytest.mark.parametrize("start", ["", "\n \n"])
def test_blank_lines_around_a_cell_change_neither_its_number_nor_its_lines(kernel: Kernel, start: str, end: str) -> None:
    kernel.run("1 + 1")
    reply = kernel.run(start + "%%reson_startup\n\ndef startup(client):\n    client.set_train_callback(print)" + end)
    assert "captured the startup from In[2], " in reply.cards[0]
    lines = kernel.run("import reson_jupyter as reson", lines="reson.session().captures['startup'].module.lines").value
    assert [place for place in lines if place[1]] == [("In[2]", start.count("\n") + line) for line in (3, 4)]
    reply = kernel.run("%%reson_model\nimport nowhere_to_be_found" + end)
    assert reply.errors[0]["ename"] == "ModuleNotFoundError"
    reply = kernel.run(start + "%%reson_model\nclass Net:\n    pass" + end)
    assert "In[5] defines no subclass" in "".join(reply.errors[0]["traceback"])
