"""Scaleout Edge projects on a real federation: one that travels, and one that every site has itself."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import reson_jupyter as reson
from reson_jupyter import edge
from reson_jupyter.backend.federation import Federation
from reson_jupyter.session import Session
from tests.edge import legacy, torch_project
from tests.patience import wait_for
from tests.runs.conftest import rounds

pytestmark = [pytest.mark.nvflare, pytest.mark.federation]

SITES = ["site-1", "site-2", "site-3"]
TRAINING = reson.TrainingConfig(learning_rate=0.5, local_epochs=20)


@pytest.fixture(autouse=True)
def kernel(federation: Federation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that has captured nothing; everything is submitted to the federation."""
    monkeypatch.setenv("RESON_STARTUP_KIT", str(federation.startup_kit))
    monkeypatch.setenv("RESON_TARGET", "flare")
    monkeypatch.delenv("RESON_PROJECT", raising=False)
    monkeypatch.setattr(sys.modules["reson_jupyter.session"], "_current", Session())


@pytest.fixture
def set_project(federation: Federation) -> Iterator[Callable[[str, Path], None]]:
    """Says where a site has the project, as its administrator would; the test's end takes it back."""
    places = [federation.folder / site / "local" / "reson.json" for site in SITES]
    before = {path: path.read_bytes() for path in places if path.exists()}

    def set_it(site: str, folder: Path) -> None:
        (federation.folder / site / "local" / "reson.json").write_text(json.dumps({"project": str(folder)}))

    yield set_it
    for path in places:
        path.unlink(missing_ok=True)
        if path in before:
            path.write_bytes(before[path])


def test_a_project_travels_to_the_sites_trains_and_answers(tmp_path: Path) -> None:
    edge.load_project(torch_project.write_project(tmp_path / "client"))
    run = reson.submit(name="points", training=TRAINING.replace(held=True), federation=rounds(2), check=False)
    wait_for(lambda: run.state.done or [site.phase for site in run.progress.sites.values()] == ["training"] * 3)
    assert not run.state.done, run.reason
    answers = run.command("where", {"x": 7})
    assert {site: answer.value["asked"] for site, answer in answers.items()} == {site: {"x": 7} for site in SITES}
    assert len({answer.value["folder"] for answer in answers.values()}) == 3, "each site has its own copy"
    run.command("go_on")
    run.wait(120)
    assert run.state == reson.RunState.FINISHED and run.errors() == [], run.reason
    accuracy = [m["value"] for m in run.metrics if (m["name"], m["site"], m["round"]) == ("accuracy", None, 2)]
    assert accuracy and accuracy[0] > 0.9
    assert run.model().get_model_params(edge.get_helper("torchhelper"))["layers.2.bias"].shape == (2,)  # type: ignore[union-attr]


def test_a_legacy_project_trains_by_its_commands_on_every_site(tmp_path: Path) -> None:
    edge.load_project(legacy.write_project(tmp_path / "client"))
    run = reson.submit(name="legacy", training=TRAINING, federation=rounds(1)).wait(120)
    assert run.state == reson.RunState.FINISHED, run.reason
    # site-1 adds 1 with 10 examples, the others 4 with 30 each.
    mean = [m["value"] for m in run.metrics if (m["name"], m["site"], m["round"]) == ("mean", None, 1)]
    assert mean == [pytest.approx((10 + 120 + 120) / 70, rel=1e-6)]


def test_a_project_that_the_sites_have_is_run_only_where_it_is_the_same(
    tmp_path: Path, set_project: Callable[[str, Path], None]
) -> None:
    approved = torch_project.write_project(tmp_path / "client")
    edge.load_project(approved, local_package=True)
    copies = {site: tmp_path / site / "client" for site in SITES}
    for site, folder in copies.items():
        shutil.copytree(approved, folder)
        if site != "site-2":
            set_project(site, folder)
    (copies["site-3"] / "net.py").write_text("# an older one\n")
    failed = reson.submit(name="approved", training=TRAINING, federation=rounds(1))
    with pytest.raises(reson.RunFailed):
        failed.wait(120)
    said = "\n".join(failure.message for failure in failed.progress.failures)
    assert "site-3 cannot train: " in said and "net.py differs; bring the folder up to date" in said
    assert "site-2 cannot train: " in said and 'write {"project": "/path/to/client"} to local/reson.json' in said
    assert failed.progress.rounds == {}, "nobody trained"

    set_project("site-2", copies["site-2"])
    shutil.copy(approved / "net.py", copies["site-3"])
    run = failed.rerun()
    run.wait(120)
    assert run.state == reson.RunState.FINISHED, run.reason
