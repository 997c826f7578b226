"""What is done with a job of Scaleout callbacks: saved, previewed, rehearsed, rerun, compared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import reson_jupyter as reson
from reson_jupyter.backend.federated import federated, plain
from reson_jupyter.backend.history.origin import read_origin
from reson_jupyter.backend.store import open_store
from reson_jupyter.errors import RehearsalFailed, RunError
from tests.capture.conftest import notebook as notebook
from tests.capture.conftest import session as session
from tests.capture.conftest import shell as shell
from tests.patience import wait_for
from tests.previews import kernel as kernel
from tests.previews import submitted

from .prepared_jobs import BINARY, FOLDER, loaded, prepared

pytestmark = pytest.mark.usefixtures("kernel")


def test_a_job_for_a_federation_is_the_same_when_that_is_taken_out_again(tmp_path: Path) -> None:
    loaded(tmp_path)
    job = prepared().job
    assert plain(federated(job)).files == job.files


def test_a_saved_job_has_the_project_and_the_seed_beside_the_scripts(tmp_path: Path) -> None:
    loaded(tmp_path)
    place = prepared().job.save(tmp_path / "job") / "app" / "custom"
    assert (place / "project" / "data" / "table.bin").read_bytes() == BINARY
    assert (place / "seed.npz").is_file() and (place / "reson_edge" / "weights.py").is_file()


def test_a_preview_shows_the_sites_and_every_file(tmp_path: Path) -> None:
    loaded(tmp_path)
    preview = reson.preview(name="importer")
    assert preview.obstacles == ()
    assert [shard.site for shard in preview.shards] == ["site-1", "site-2"]
    texts = {file.path: file.text for file in preview.files}
    assert texts["model/seed.npz"] is None and texts["scripts/project/data/table.bin"] is None
    assert texts["scripts/project/run.sh"] == "echo hello\n"
    shown = repr(preview)
    assert "reson_edge/ (" in shown and "startup.py" in shown and "numpy_helper.py" not in shown
    assert "no text, which is not shown" in preview._repr_html_()


def test_a_preview_tells_what_of_a_project_has_changed_since_the_last_submit(tmp_path: Path) -> None:
    session = loaded(tmp_path)
    submitted(model=None, name="importer")
    assert reson.preview(name="importer").since.changes is not None and not reson.preview(name="importer").since.changes
    for name, content in {"data/table.bin": BINARY[::-1], "run.sh": b"echo bye\n", "new.txt": b"new\n"}.items():
        assert session.project is not None
        (session.project.folder / name).write_bytes(content)
    changes = reson.preview(name="importer").since.changes
    assert changes is not None
    assert {change.path: change.kind for change in changes.files} == {
        "scripts/project/data/table.bin": "changed",
        "scripts/project/run.sh": "changed",
        "scripts/project/new.txt": "added",
    }


def test_what_a_run_shipped_can_be_read_again_and_shows_the_users_own_files(tmp_path: Path) -> None:
    loaded(tmp_path)
    run = submitted(model=None, name="importer")
    origin = run.origin
    assert set(origin.sources) == {f"project/{path}" for path in FOLDER if path != "data/table.bin"}
    assert origin.job.files == prepared(**{}).job.files | {"configs/meta.json": origin.job.files["configs/meta.json"]}
    assert json.loads(origin.job.files["configs/meta.json"])["name"] == "importer"
    assert origin.config.model.model_class == "reson_edge.weights.SeedModel"
    assert read_origin(open_store(run._record.store), run.id).job.files == origin.job.files


def test_a_rerun_ships_all_of_the_project_and_its_seed(tmp_path: Path) -> None:
    loaded(tmp_path)
    run = submitted(model=None, name="importer")
    again = run.rerun(learning_rate=0.5)
    wait_for(lambda: again.state.done, 20)
    store = open_store(run._record.store)
    assert store.get(f"{again._record.prefix}/scripts/project/data/table.bin") == BINARY
    assert store.stat(f"{again._record.prefix}/model/seed.npz") is not None
    assert again.config.training.learning_rate == 0.5


def test_the_same_project_twice_is_compared_without_the_shapes_of_its_seed(tmp_path: Path) -> None:
    loaded(tmp_path)
    one = submitted(model=None, name="one", training=reson.TrainingConfig(learning_rate=0.1))
    np.savez(tmp_path / "b.npz", **{"0": np.ones(2), "1": np.ones(2)})
    other = submitted(model=None, name="other", checkpoint=tmp_path / "b.npz")
    made = [run.made["model_args"] for run in reson.compare(one, other).runs]
    assert made == ["numpyhelper: 1 array", "numpyhelper: 2 arrays"]


def test_a_run_of_callbacks_cannot_be_evaluated_here_and_says_what_can(tmp_path: Path) -> None:
    loaded(tmp_path)
    run = submitted(model=None, name="importer")
    with pytest.raises(RunError, match="what a run of Scaleout callbacks trains has no code here to be tried with") as refused:
        run.evaluate(tmp_path)
    assert refused.value.hint and "get_model_params(helper)" in refused.value.hint


# Its rehearsal

_STARTUP = "def startup(client):\n"


def steps(rehearsal: reson.Rehearsal) -> list[str]:
    return [step.name for step in rehearsal.steps]


def test_a_rehearsal_registers_the_callbacks_and_tries_them(tmp_path: Path) -> None:
    loaded(tmp_path)
    rehearsal = reson.check()
    assert steps(rehearsal) == [
        "import", "construct", "load weights", "startup", "train", "return value", "aggregate", "save", "reload",
    ]  # fmt: skip
    assert (rehearsal.facts.parameters, rehearsal.facts.samples, rehearsal.facts.bytes_up) == (10, 1, 40)


def test_where_the_data_is_elsewhere_callbacks_are_registered_and_none_is_tried(tmp_path: Path) -> None:
    session = loaded(tmp_path)
    session.configure(target="flare")
    rehearsal = reson.check()
    assert steps(rehearsal) == ["import", "construct", "load weights", "startup"]
    assert "training was not rehearsed: no shard was named" in rehearsal.notes


@pytest.mark.parametrize(
    ("startup", "sentence"),
    [
        (f"import nosuchmodule\n{_STARTUP}    pass\n", r"client/startup\.py, line 1: ModuleNotFoundError: No module named"),
        (f"{_STARTUP}    1 / 0\n", r"'startup': client/startup\.py, line 2: ZeroDivisionError"),
        (f"{_STARTUP}    client.set_train_callback(lambda m, s: (m, {{}}))\n", r"'return value': .* returned num_examples=None"),
        (f"{_STARTUP}    client.set_train_callback(lambda m, s: 1 / 0)\n", r"'train': client/startup\.py, line 2: ZeroDivision"),
        (f"{_STARTUP}    pass\n", r"'train': NotOnNVFlare: the train callback is missing"),
    ],
)
def test_a_rehearsal_that_fails_tells_the_step_and_the_users_line(startup: str, sentence: str, tmp_path: Path) -> None:
    loaded(tmp_path, **{"startup.py": startup})
    with pytest.raises(RehearsalFailed, match=sentence):
        reson.check()
