"""`%reson check`, the rehearsal before a submit, and what a notebook shows of both."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import reson_jupyter as reson
from reson_jupyter.backend.job import JobParts, build_job
from reson_jupyter.backend.rehearsal import Facts, Step, StepFailure
from reson_jupyter.notebook.rehearsal_card import RehearsalCard
from reson_jupyter.session import Session
from reson_jupyter.source_map import SourceMap
from tests.runs.conftest import write_image_shard

SOURCE = "from torch import nn\n\n\nclass Net(nn.Linear):\n    def forward(self, x):\n        return x @ self.weigth\n"
FACTS = Facts(1_234_567, 4_938_268, 4_938_268, 7.0, {"train_loss": 0.12345678, "val_loss": None})


def rehearsal(**given: Any) -> reson.Rehearsal:
    job = build_job(JobParts("job", "model_def.Net", SOURCE, SourceMap.of(("In[4]", line) for line in (2, 0, 0, 4, 5, 6))))
    fields: dict[str, Any] = {"failure": None, "unfinished": "", "notes": (), "facts": FACTS, "output": "", "seconds": 0.84}
    return reson.Rehearsal(job, (Step("import", 0.02), Step("return value", 0.01, "7 samples")), **(fields | given))


FAILURE = StepFailure(
    "train",
    "AttributeError: 'Net' object has no attribute 'weigth'",
    'Traceback (most recent call last):\n  File "/tmp/x/job/app/custom/model_def.py", line 6, in forward\n'
    "    return x @ self.weigth\nAttributeError: 'Net' object has no attribute 'weigth'\n",
)


def test_the_card_tells_steps_size_metrics_and_notes() -> None:
    assert repr(RehearsalCard(rehearsal(notes=("a <b>note</b>",)))) == (
        "Reson: rehearsal passed in 0.8 s, nothing was sent\n"
        "  ✓ import        0.02 s\n"
        "  ✓ return value  0.01 s  7 samples\n"
        "    model         1.2 M parameters, 4.9 MB down + 4.9 MB up per round and site\n"
        "    metrics       train_loss 0.1235, val_loss not finite\n"
        "    requires      nothing\n"
        "    note          a <b>note</b>"
    )
    html = RehearsalCard(rehearsal(notes=("a <b>note</b>",), output="<script>1</script>"))._repr_html_()
    assert "a &lt;b&gt;note" in html and "<script>" not in html and "1.2 M parameters" in html


def test_a_failure_comes_first_with_the_line_of_the_cell_marked() -> None:
    text = repr(RehearsalCard(rehearsal(failure=FAILURE)))
    assert text.index("> 6 |         return x @ self.weigth") < text.index("rehearsal failed at 'train'") < text.index("✗ train")
    assert "  5 |     def forward(self, x):" in text and "In[4], line 6" in text.splitlines()[0]


def test_what_was_not_finished_is_no_failure() -> None:
    unfinished = rehearsal(unfinished="train")
    assert unfinished.ok and "… train" in repr(RehearsalCard(unfinished))


@pytest.mark.parametrize(
    ("number", "shown"), [(267, "267 parameters"), (999_600, "1.0 M parameters"), (25_600_000, "25.6 M parameters")]
)
def test_sizes_are_told_in_the_unit_that_fits(number: int, shown: str) -> None:
    assert shown in repr(RehearsalCard(rehearsal(facts=Facts(number))))


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A shell with the extension loaded, a session of its own, and a folder of shards."""
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules["reson_jupyter.session"], "_current", Session())
    (tmp_path / "shards").mkdir()
    write_image_shard(tmp_path / "shards" / "a.zip", [0, 1, 2] * 5, seed=1)
    instance = InteractiveShell.instance()
    instance.run_line_magic("load_ext", "reson_jupyter")
    instance.run_line_magic("reson", "config img_size=12")
    yield instance
    instance.reset()


CELL = """%%reson_model
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes: int):
        super().__init__()
        self.flat = nn.Flatten()
        self.head = nn.Linear(WIDTH, num_classes)

    def forward(self, images):
        return self.head(self.flat(images))
"""


def run(shell: InteractiveShell, source: str) -> tuple[Any, str, list[str]]:
    with capture_output() as captured:
        result = shell.run_cell(source, store_history=True)
    return result, captured.stdout + captured.stderr, [output.data["text/plain"] for output in captured.outputs]


@pytest.mark.nvflare
def test_check_rehearses_what_was_captured_and_shows_the_card(shell: InteractiveShell) -> None:
    run(shell, CELL.replace("WIDTH", "3 * 12 * 12"))
    result, text, shown = run(shell, "%reson check --shards shards")
    assert isinstance(result.result, reson.Rehearsal) and result.result.ok
    assert "\rrehearsing: train ..." in text
    assert shell.display_formatter is not None and shown == []
    drawn, _ = shell.display_formatter.format(result.result)
    assert drawn["text/plain"].startswith("Reson: rehearsal passed in ") and "✓ reload" in drawn["text/plain"]
    assert ">reload</td>" in drawn["text/html"]


@pytest.mark.nvflare
@pytest.mark.parametrize("line", ["%reson check", "%reson submit --name x --shards shards"])
def test_a_failing_rehearsal_names_the_cells_line_and_nothing_is_sent(shell: InteractiveShell, tmp_path: Path, line: str) -> None:
    run(shell, "%reson config num_classes=3")
    number = shell.execution_count
    run(shell, CELL.replace("WIDTH", "432").replace("self.flat(images)", "images.tolist()"))
    result, text, shown = run(shell, line)
    error = result.error_in_exec
    assert isinstance(error, reson.RehearsalFailed)
    assert error.message.startswith(f"rehearsal failed at 'validate': In[{number}], line 11: TypeError: ")
    assert error.message.endswith("(in forward)")
    assert ">" in shown[0] and "return self.head(images.tolist())" in shown[0], "the card of the failure"
    assert "Traceback" not in text
    kept = {path.name for path in tmp_path.glob("home/**/*") if path.is_file()}
    assert kept <= {"digests.sqlite"}, "nothing was stored"


@pytest.mark.nvflare
def test_a_submit_goes_on_after_a_rehearsal_that_was_not_finished_and_says_so(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    monkeypatch.setattr("reson_jupyter.api.Submission.start", lambda self, notes, *_, **__: started.append(notes))
    monkeypatch.setattr(
        "reson_jupyter.backend.observers.rehearse", lambda *_, **__: rehearsal(unfinished="train", notes=("train: it took long",))
    )
    run(shell, CELL.replace("WIDTH", "3 * 12 * 12"))
    run(shell, "%reson submit --name x --shards shards")
    assert "rehearsal: train: it took long" in started[0]


def test_no_check_leaves_the_rehearsal_out(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr("reson_jupyter.api.Submission.start", lambda self, notes, *_, **__: started.append(notes))
    monkeypatch.setattr("reson_jupyter.backend.observers.rehearse", lambda *_, **__: pytest.fail("it was rehearsed"))
    run(shell, CELL.replace("WIDTH", "432"))
    run(shell, "%reson submit --name x --shards shards --no-check")
    assert len(started) == 1
