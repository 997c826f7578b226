"""Nothing ships that holds a secret: the cell's error, or the job's, names the place and the kind, never the value."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from reson_jupyter import TrainingConfig, build
from reson_jupyter.errors import CaptureError, JobError
from reson_jupyter.session import Session

from .shipping import ship

TOKEN = "hf_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3f"
NET = "import torch.nn as nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    fresh = Session()
    monkeypatch.setattr(import_module("reson_jupyter.session"), "_current", fresh)
    return fresh


def test_a_secret_in_what_ships_is_refused_when_the_cell_runs() -> None:
    with pytest.raises(CaptureError) as caught:
        ship(NET + f"        self.token = {TOKEN!r}\n")
    assert "In[1], line 5: a Hugging Face" in str(caught.value) and TOKEN not in str(caught.value)


def test_a_secret_that_stays_behind_is_nobodys_business() -> None:
    assert TOKEN not in ship(f"login = {TOKEN!r}\n" + NET).source


@pytest.mark.parametrize("given", [{"requirements": [f"git+https://{TOKEN}@github.com/a/b"]}, {"training": {"hub_token": TOKEN}}])
def test_a_secret_in_a_config_or_a_requirement_stops_the_job(session: Session, given: dict[str, Any]) -> None:
    session.set_capture(ship(NET))
    if "training" in given:
        given = {"training": TrainingConfig(**given["training"])}
    with pytest.raises(JobError) as caught:
        build(**given)
    assert "this must not ship" in str(caught.value) and TOKEN not in str(caught.value)


def test_a_path_in_a_home_folder_is_a_warning() -> None:
    capture = ship(NET + "        self.path = '/home/ada/weights.pt'\n")
    assert [text for text in capture.warnings if "In[1], line 5" in text and "home" in text]
