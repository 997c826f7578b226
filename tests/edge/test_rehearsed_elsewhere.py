"""What a rehearsal says of callbacks whose data is elsewhere, and of those that give back what they got."""

from __future__ import annotations

from pathlib import Path

import pytest

from reson_jupyter.backend.rehearsal import Rehearsal, rehearse
from reson_jupyter.cautions import Caution
from tests.capture.conftest import notebook as notebook
from tests.capture.conftest import session as session
from tests.capture.conftest import shell as shell
from tests.previews import kernel as kernel

from .prepared_jobs import loaded, prepared
from .project_folders import STARTUP

pytestmark = pytest.mark.usefixtures("kernel")


def rehearsed(folder: Path, last: str = "", *, here: bool = False, **files: str) -> Rehearsal:
    """A rehearsal of the project, whose startup ends with these lines."""
    loaded(folder, **{"startup.py": STARTUP + last, **files})
    return rehearse(prepared(sites=0 if here else 2).job, without_shard=here)


def cautions(rehearsal: Rehearsal) -> list[str]:
    return [note for note in rehearsal.said if isinstance(note, Caution)]


def test_the_callbacks_of_sites_elsewhere_are_registered_though_none_is_tried(tmp_path: Path) -> None:
    result = rehearsed(tmp_path)
    assert [step.name for step in result.steps] == ["import", "construct", "load weights", "startup"]
    assert result.ok and cautions(result) == []


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ("    client.set_validate_callback(validat)\n", "NameError: name 'validat' is not defined"),
        ("    client.set_train_callbak(train)\n", "AttributeError: "),
        ("    import nothing_of_that_name\n", "ModuleNotFoundError: "),
        ("    import broken\n", "SyntaxError: "),
    ],
)
def test_what_no_data_could_mend_is_refused_before_it_is_sent(tmp_path: Path, last: str, said: str) -> None:
    result = rehearsed(tmp_path, last, **{"broken.py": "def one_step(:\n"})
    assert result.failure is not None
    assert (result.failure.step, said in result.failure.message) == ("startup", True)


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ("    open('nothing.csv')\n", "startup.py, line 13: FileNotFoundError: "),
        ("    raise SystemExit('no data')\n", "SystemExit: no data"),
    ],
)
def test_what_only_the_sites_data_may_lack_is_no_more_than_a_caution(tmp_path: Path, last: str, said: str) -> None:
    result = rehearsed(tmp_path, last)
    assert result.ok
    (caution,) = cautions(result)
    assert caution.startswith("rehearsal: startup() was tried with an empty data folder, ") and said in caution


def test_where_the_data_is_here_the_same_is_an_error(tmp_path: Path) -> None:
    result = rehearsed(tmp_path, "    open('nothing.csv')\n", here=True)
    assert result.failure is not None and result.failure.step == "startup"


def test_a_model_that_comes_back_as_it_went_deserves_attention(tmp_path: Path) -> None:
    result = rehearsed(tmp_path, here=True, **{"steps.py": "def one_step(params):\n    return params\n"})
    assert result.ok
    (caution,) = cautions(result)
    assert caution.startswith("rehearsal: the train callback returned the model as it came; ")
    assert not cautions(rehearsed(tmp_path / "other", here=True))
