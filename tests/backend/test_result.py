"""The model of a run, final or of a round, built by the code that was shipped."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter.backend.run.evaluate import evaluate
from reson_jupyter.backend.run.result import load_model
from reson_jupyter.backend.store import Store
from reson_jupyter.errors import RunError

from .finished_runs import THREE, ByColour, coloured, stored


def test_the_model_of_a_round_is_the_one_that_counts(store: Store) -> None:
    run = stored(store, ByColour(), training=THREE, rounds=3)
    assert [float(load_model(store, run, None, round=number).scale.detach()) for number in (0, 1, 2)] == [1, 2, 3]
    sure = [evaluate(store, run, [coloured(0)], round=number).predictions[0].probability for number in (0, 1, 2)]
    assert sure == sorted(sure) and sure[0] < sure[2]


def test_a_round_that_is_not_kept_is_refused_with_those_that_are(store: Store) -> None:
    run = stored(store, ByColour(), training=THREE, rounds=6)
    for number in (0, 3):
        store.delete(f"{run}/files_out/rounds/round_{number:05d}.pt")
    with pytest.raises(
        RunError, match=r"the model of round=3 is not in the store\n  Kept are 1 to 2, 4 to 5; rounds count from 0"
    ):
        load_model(store, run, None, round=3)
    with pytest.raises(RunError, match="round=-1 is not in the store"):
        evaluate(store, run, [coloured(0)], round=-1)
    with pytest.raises(RunError, match="A round's model is kept once the round is over"):
        load_model(store, stored(store, ByColour(), training=THREE), None, round=0)


def test_the_users_own_modules_are_those_that_were_shipped(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "__init__.py").write_text("")
    (tmp_path / "parts" / "sizes.py").write_text("from . import more\nWIDTH = more.WIDTH\n")
    (tmp_path / "parts" / "more.py").write_text("WIDTH = 2\n")
    (tmp_path / "nets.py").write_text(
        "from torch import nn\nfrom parts.sizes import WIDTH\nclass Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(3, WIDTH)\n"
        "    def forward(self, x):\n        return self.fc(x.mean((2, 3)))\n"
    )
    try:
        nets = __import__("nets")
        run = stored(store, nets.Net(), training=THREE.replace(num_classes=0))
        for name in ("nets", "parts", "parts.sizes", "parts.more"):
            del sys.modules[name]
        (tmp_path / "parts" / "more.py").write_text("WIDTH = 99\n")
        sizes = __import__("parts.sizes").sizes
        path = list(sys.path)
        assert len(evaluate(store, run, [coloured(0)]).predictions[0].probabilities) == 2
        assert sys.modules["parts.sizes"] is sizes and sizes.WIDTH == 99 and sys.path == path
        assert type(load_model(store, run, None)) is type(load_model(store, run, None))
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] in ("nets", "parts")]:
            del sys.modules[name]


def test_code_that_needs_what_is_not_installed_here_says_so(store: Store) -> None:
    run = stored(store, ByColour(), training=THREE)
    store.put(f"{run}/scripts/model_def.py", b"import nowhere_at_all\n")
    for _ in range(2):
        with pytest.raises(RunError, match="the run's code cannot be used here: No module named 'nowhere_at_all'"):
            evaluate(store, run, [coloured(0)])


@pytest.mark.parametrize("number", [1.0, "0", True])
def test_a_round_is_a_whole_number(store: Store, number: Any) -> None:
    with pytest.raises(RunError, match=f"round is {number!r}, not a whole number"):
        load_model(store, stored(store, ByColour(), training=THREE), None, round=number)
