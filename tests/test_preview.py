"""A preview shows what a submit then sends, to the byte, and sends nothing."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest
import torch
from torch import nn

import reson_jupyter as reson
from reson_jupyter.backend.store import Store, open_store
from reson_jupyter.errors import CaptureError, ConfigError, StoreError, TargetError
from reson_jupyter.preview import Preview, making
from tests.previews import kernel, previewed, shards, submitted
from tests.runs.conftest import write_image_shard
from tests.runs.models import Line, fl_train

__all__ = ["kernel", "shards"]

SECRET = "canary-7d2f90"


class OtherNet(nn.Module):
    """Another model of the same use."""

    def __init__(self, num_classes: int):
        super().__init__()
        self.last = nn.Linear(3, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Tells the classes by the colours."""
        result: torch.Tensor = self.last(images.mean((2, 3)))
        return result


def planned(preview: Preview, run_id: str) -> dict[str, tuple[int, str]]:
    """What a preview says of each object of the store, weights included."""
    files = {file.key.replace("<run id>", run_id): (file.bytes, file.sha256) for file in preview.files}
    data = {key: (shard.bytes, shard.sha256) for shard in preview.shards for key in shard.keys}
    return {key.replace("<run id>", run_id): value for key, value in {**files, **data}.items()}


def stored(store: Store, run: reson.Run) -> dict[str, tuple[int, str]]:
    """What is in the store of a run, but for its log and the marks of the shards."""
    keys = [info.key for info in store.list("") if not info.key.startswith((f"jobs/{run.id}/files_out/", "shards/used/"))]
    return {key: (len(data), hashlib.sha256(data).hexdigest()) for key in keys for data in [store.get(key)]}


def test_it_shows_every_object_that_a_submit_then_stores_and_no_other(kernel: Path, shards: Path, tmp_path: Path) -> None:
    torch.save({"x": torch.zeros(2)}, tmp_path / "start.pt")
    given = {"shards_dir": shards, "checkpoint": tmp_path / "start.pt", "training": reson.TrainingConfig(batch_size=4)}
    preview = previewed(**given)
    run = submitted(**given)
    assert planned(preview, run.id) == stored(open_store((kernel / "store").as_uri()), run)
    assert {file.path: file.text for file in preview.files}["model/start.pt"] is None
    assert preview.bytes == sum(size for size, _ in planned(preview, run.id).values())


def test_it_leaves_nothing_behind_and_rehearses_nothing(kernel: Path, shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reson_jupyter.backend.observers.rehearse", lambda *_, **__: pytest.fail("it was rehearsed"))
    reson.preview(Line, train=fl_train, name="digits", shards_dir=shards)
    assert [path for name in ("store", "runs") for path in (kernel / name).rglob("*") if path.is_file()] == []
    assert reson.runs() == []


def test_what_cannot_make_a_job_is_refused_as_by_a_submit(kernel: Path, shards: Path) -> None:
    with pytest.raises(CaptureError, match="there is no model"):
        reson.preview(name="digits", shards_dir=shards)
    with pytest.raises(ConfigError, match="num_classes is 2"):
        previewed(shards_dir=shards, training=reson.TrainingConfig(num_classes=2))
    with pytest.raises(TargetError, match="no target 'moon'"):
        previewed(shards_dir=shards, target="moon")
    with pytest.raises(StoreError, match="of no kind"):
        previewed(shards_dir=shards, store="ftp://x")


def test_what_only_a_submit_would_refuse_is_said_and_the_job_shown(kernel: Path) -> None:
    preview = reson.preview(Line, train=fl_train)
    assert preview.obstacles == (
        "the run has no name: --name NAME, name=..., or %reson config name=NAME",
        "no shards were named, and here every site's data is its shard",
    )
    assert len(preview.files) == 7 and preview.shards == ()
    assert "a submit would be refused: the run has no name" in repr(preview)


def test_the_store_says_which_shards_it_has(kernel: Path, shards: Path) -> None:
    preview = previewed(shards_dir=shards)
    assert [(shard.site, shard.name, shard.stored) for shard in preview.shards] == [
        ("site-1", "a.zip", False),
        ("site-2", "b.zip", False),
    ]
    assert preview.bytes_to_send == preview.bytes
    submitted(shards_dir=shards)
    write_image_shard(shards / "b.zip", [0, 1, 2, 2], seed=3)
    preview = previewed(shards_dir=shards)
    assert [shard.stored for shard in preview.shards] == [True, False]
    assert preview.bytes_to_send == preview.bytes - preview.shards[0].bytes
    assert "in the store already" in repr(preview) and "to be sent" in repr(preview)


def test_without_a_submit_there_is_nothing_to_compare_with(kernel: Path, shards: Path) -> None:
    since = previewed(shards_dir=shards).since
    assert since.run is None and since.changes is None
    assert since.sentence.startswith("Nothing to compare with: this machine knows no run called 'digits'")


def test_after_a_submit_nothing_has_changed(kernel: Path, shards: Path) -> None:
    run = submitted(shards_dir=shards)
    preview = previewed(shards_dir=shards)
    assert preview.since.run is not None and preview.since.run.id == run.id
    assert preview.since.changes is not None and not preview.since.changes
    assert f"of 'digits' ({run.id}, " in repr(preview) and "nothing has changed." in repr(preview)
    assert preview.diff == ""


def test_what_changed_since_is_told_in_words_and_lines(kernel: Path, shards: Path, tmp_path: Path) -> None:
    submitted(shards_dir=shards, requirements=["torch"])
    write_image_shard(shards / "b.zip", [0, 1, 2, 2], seed=3)
    write_image_shard(shards / "c.zip", [0, 1, 2], seed=4)
    torch.save({}, tmp_path / "start.pt")
    preview = previewed(
        model=OtherNet,
        shards_dir=shards,
        requirements=["torch", "numpy"],
        checkpoint=tmp_path / "start.pt",
        training=reson.TrainingConfig(batch_size=64, dropout=0.1),
        federation=reson.FederationConfig(num_rounds=9, site_timeout=40),
    )
    changes = preview.since.changes
    assert changes is not None
    assert set(changes.values) == {
        "batch_size 32 -> 64",
        "dropout none -> 0.1",
        "num_rounds 5 -> 9",
        "min_clients 2 -> 3",
        "site_timeout 12 -> 40",
        "model_class SmallNet -> OtherNet",
    }
    size = (tmp_path / "start.pt").stat().st_size
    before, now = ({shard.name: shard.sha256[:12] for shard in made.shards} for made in (previewed(shards_dir=shards), preview))
    assert before == now
    assert changes.data[0] == f"weights to start from: none -> start.pt ({size / 1000:.1f} kB)"
    assert changes.data[1].startswith("site-2: b.zip (") and changes.data[1].endswith(f" -> b.zip ({now['b.zip']})")
    assert changes.data[2] == f"site-3 is new, with c.zip ({now['c.zip']})"
    by_path = {change.path: change for change in changes.files}
    assert by_path["requirements/requirements.txt"].diff == (
        "--- requirements/requirements.txt", "+++ requirements/requirements.txt", "@@ -1,2 +1,3 @@", " torch", "+numpy", " ",
    )  # fmt: skip
    assert "+class OtherNet(nn.Module):" in preview.diff.split("\n")
    assert "~ requirements/requirements.txt  +1 -0" in repr(preview)


def test_another_name_is_compared_with_the_last_submit_of_this_kernel(
    kernel: Path, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(shards_dir=shards)
    last = submitted(shards_dir=shards, name="letters")
    preview = previewed(shards_dir=shards, name="numbers")
    assert preview.since.sentence.startswith(f"Since the last submit of this kernel, 'letters' ({last.id}")
    assert preview.since.changes is not None and preview.since.changes.values == ("name letters -> numbers",)
    monkeypatch.setattr("reson_jupyter.backend.submission._submitted", [])
    assert previewed(shards_dir=shards, name="numbers").since.run is None, "what other kernels did is no business of this one"
    assert previewed(shards_dir=shards, name="digits").since.run is not None, "but for a run of the same name"


def test_a_store_that_does_not_answer_keeps_nothing_from_being_shown(
    kernel: Path, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = submitted(shards_dir=shards)
    answers = threading.Event()
    monkeypatch.setattr(making, "_STORE_PATIENCE", 0.05)
    monkeypatch.setattr("reson_jupyter.backend.store.directory.DirectoryStore.stat", lambda *_: answers.wait(60))
    monkeypatch.setattr("reson_jupyter.backend.store.directory.DirectoryStore.get", lambda *_: answers.wait(60))
    try:
        preview = previewed(shards_dir=shards)
    finally:
        answers.set()
    assert preview.unseen == ("the store could not be asked which shards it has: there was no answer for some seconds",)
    assert [shard.stored for shard in preview.shards] == [None, None] and len(preview.files) == 7
    assert preview.since.run is not None and preview.since.run.id == run.id and preview.since.changes is None
    assert preview.since.sentence.endswith(": it cannot be compared with, there was no answer for some seconds.")
    assert "unknown whether the store has it" in repr(preview)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda job: (job / "scripts" / "model_def.py").unlink(), "are not all in its store"),
        (
            lambda job: next((job / "files_out" / "events").glob("00000000*")).write_bytes(b"nonsense\n"),
            "does not begin as a run's log does",
        ),
        (lambda job: (job / "configs" / "config_fed_server.json").write_bytes(b"[1]"), "it is damaged, or of another version"),
        (lambda job: (job / "configs" / "meta.json").write_bytes(b"\xff"), None),
    ],
)
def test_a_damaged_run_keeps_nothing_from_being_shown(kernel: Path, shards: Path, damage: object, told: str | None) -> None:
    run = submitted(shards_dir=shards)
    assert callable(damage)
    damage(kernel / "store" / "jobs" / run.id)
    preview = previewed(shards_dir=shards)
    assert len(preview.files) == 7
    if told:
        assert told in preview.since.sentence
    else:
        assert preview.since.changes is not None
        assert "the configs of then are in a form that this version does not read" in preview.since.changes.values
    assert repr(preview) and preview._repr_html_()


def test_a_target_that_cannot_be_reached_leaves_the_job_to_be_seen(kernel: Path, shards: Path, tmp_path: Path) -> None:
    reson.session().configure(startup_kit=str(tmp_path / "no kit"))
    preview = previewed(shards_dir=shards, target="flare")
    assert preview.unseen[0].startswith("the target flare could not be looked at: ")
    assert [shard.site for shard in preview.shards] == ["", ""] and len(preview.files) == 7
    assert preview.store == (kernel / "store").as_uri()


def test_no_secret_of_the_environment_is_in_it(kernel: Path, shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESON_API_KEY", f"rsk_live_{SECRET}")
    monkeypatch.setenv("RESON_PASSWORD", SECRET)
    monkeypatch.setenv("MY_TOKEN", SECRET)
    submitted(shards_dir=shards)
    preview = previewed(shards_dir=shards, training=reson.TrainingConfig(batch_size=3))
    assert SECRET not in f"{preview!r}{preview._repr_html_()}{preview.diff}{preview.files}{preview.notes}"
