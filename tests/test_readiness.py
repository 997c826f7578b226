"""What stands in the way of a check, a preview, a submit, in sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from reson_jupyter.readiness import Named, obstacles
from reson_jupyter.session import Session
from tests.notebook.sidebar.test_parts import MODEL, captured


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    for name in (
        "STORE",
        "TARGET",
        "API_KEY",
        "S3_KEY",
        "S3_SECRET",
        "S3_BUCKET",
        "BASE_URL",
        "PASSWORD",
        "EMAIL",
        "STARTUP_KIT",
    ):
        monkeypatch.delenv(f"RESON_{name}", raising=False)
    return Session()


def ready(session: Session, tmp_path: Path) -> Session:
    session.set_capture(captured(MODEL))
    session.configure(name="digits", shards_dir=str(tmp_path))
    return session


def test_nothing_stands_in_the_way_where_all_is_there(session: Session, tmp_path: Path) -> None:
    assert obstacles(ready(session, tmp_path)) == {"check": [], "preview": [], "submit": []}


def test_an_empty_session_is_told_what_it_needs(session: Session) -> None:
    found = obstacles(session)
    assert (
        found["check"]
        == found["preview"]
        == ["There is no model: put %%reson_model on the first line of the cell that defines it, and run that cell."]
    )
    assert found["submit"] == [
        *found["check"],
        "The run has no name.",
        "No shards are named: set shards_dir to the folder with one zip for each site.",
    ]


def test_a_model_that_is_named_by_its_path_needs_no_capture(session: Session) -> None:
    session.configure(model_class="torchvision.models.resnet18")
    assert obstacles(session)["check"] == []
    session.configure(model_class="Other")
    session.set_capture(captured(MODEL))
    assert obstacles(session)["check"] == ["model_class is 'Other', but the model is Net: leave model_class empty."]


def test_an_argument_that_the_model_does_not_take_stands_in_the_way(session: Session, tmp_path: Path) -> None:
    ready(session, tmp_path).configure(model_args={"num_clases": 64})
    (found,) = obstacles(session)["check"]
    assert "does not fit" in found and "Remove 'num_clases' from model_args, or did you mean 'num_classes'?" in found
    session.configure(model_args={"num_classes": 4})
    assert obstacles(session)["check"] == []


def test_a_model_that_needs_the_number_of_classes_waits_for_the_shards(session: Session, tmp_path: Path) -> None:
    ready(session, tmp_path).configure(shards_dir=None)
    (found,) = obstacles(session)["check"]
    assert "missing a required argument: 'num_classes'. Name the shards, whose labels give num_classes" in found
    assert obstacles(session, Named(shards_dir=str(tmp_path)))["check"] == []
    session.configure(num_classes=3)
    assert obstacles(session)["check"] == []


def test_what_a_call_names_takes_the_place_of_what_the_session_has(session: Session, tmp_path: Path) -> None:
    session.set_capture(captured(MODEL))
    assert obstacles(session, Named("digits", str(tmp_path)))["submit"] == []
    (found,) = obstacles(session, Named("digits", "nowhere"))["submit"]
    assert found == "There is no folder 'nowhere', which shards_dir names."


@pytest.mark.parametrize("folder", ["no-such-folder", "~no-such-user/shards", "zero\0byte"])
def test_a_folder_that_is_not_there_stands_in_the_way_of_everything(session: Session, tmp_path: Path, folder: str) -> None:
    ready(session, tmp_path).configure(shards_dir=folder)
    assert obstacles(session)["check"] == [f"There is no folder {folder!r}, which shards_dir names."]


def test_an_environment_that_cannot_be_used_stands_in_the_way(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(session, tmp_path)
    monkeypatch.setenv("RESON_S3_KEY", "half-of-a-pair")
    found = obstacles(session)
    assert found["check"] == [] and len(found["submit"]) == 1 and "RESON_S3_SECRET" in found["submit"][0]
    monkeypatch.setenv("RESON_TARGET", "moon")
    found = obstacles(session)
    assert "target" in found["check"][0] and found["submit"] == found["check"]


def test_a_federation_needs_a_startup_kit_and_no_shards(session: Session, tmp_path: Path) -> None:
    ready(session, tmp_path).configure(target="flare", shards_dir=None, num_classes=2)
    assert obstacles(session)["submit"] == ["The target flare needs the startup kit of a user of the federation."]
    session.configure(startup_kit=str(tmp_path / "nowhere"))
    (sentence,) = obstacles(session)["submit"]
    assert "nowhere" in sentence


def test_the_platform_needs_its_address_a_key_a_bucket_and_workers(session: Session, tmp_path: Path) -> None:
    ready(session, tmp_path).configure(target="reson")
    (sentence,) = obstacles(session)["submit"]
    assert all(word in sentence for word in ("RESON_BASE_URL", "RESON_API_KEY", "RESON_S3_KEY", "gpu_models"))
