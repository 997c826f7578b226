"""Where the global model comes from and where it goes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nvflare.apis.event_type import EventType
from nvflare.app_common.abstract.model import ModelLearnable, ModelLearnableKey, make_model_learnable
from nvflare.app_common.app_constant import AppConstants

from reson_jupyter.worker import persistor as persistor_module
from reson_jupyter.worker.persistor import CustomPersistor

from .loopback import Server


class Net(torch.nn.Module):
    """A weight, a bfloat16 weight and an integer buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        self.low = torch.nn.Parameter(torch.tensor([0.5, 1.5], dtype=torch.bfloat16))
        self.register_buffer("count", torch.tensor(3))


AVERAGED = {"weight": np.array([3.0, 4.0], "float32"), "low": np.array([2.5, 3.5], "float32"), "count": np.float64(6.7)}


@pytest.fixture(autouse=True)
def _folders(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESONTECH_OUT_DIR", str(server.run_dir / "out"))
    monkeypatch.delenv("RESONTECH_OUT_FILENAME", raising=False)
    (server.run_dir / "app" / "custom").mkdir()


def load(server: Server, checkpoint: str | None = None) -> tuple[CustomPersistor, ModelLearnable | None]:
    persistor = CustomPersistor(Net(), checkpoint)
    with server.new_context() as fl_ctx:
        persistor.handle_event(EventType.START_RUN, fl_ctx)
        return persistor, persistor.load_model(fl_ctx)


def save(server: Server, persistor: CustomPersistor, weights: dict[str, Any], round_: int = 0) -> None:
    with server.new_context() as fl_ctx:
        fl_ctx.set_prop(AppConstants.CURRENT_ROUND, round_)
        fl_ctx.set_prop(AppConstants.START_ROUND, 0)
        fl_ctx.set_prop(AppConstants.NUM_ROUNDS, 2)
        persistor.save_model(make_model_learnable(weights, {}), fl_ctx)


def test_it_starts_from_the_models_constructor(server: Server) -> None:
    _, learnable = load(server)
    assert learnable is not None
    weights = learnable["weights"]
    assert weights["weight"].tolist() == [1.0, 2.0]
    assert (weights["low"].dtype, weights["low"].tolist()) == (np.float32, [0.5, 1.5])
    assert weights["count"] == 3


@pytest.mark.parametrize("wrap", [lambda w: w, lambda w: {"model": w, "train_conf": {}}, lambda w: {"state_dict": w, "epoch": 3}])
def test_it_starts_from_a_checkpoint_beside_the_scripts(server: Server, wrap: Any) -> None:
    warm = {key: value + 1 for key, value in Net().state_dict().items()}
    torch.save(wrap(warm), server.run_dir / "app" / "custom" / "warm.pt")
    _, learnable = load(server, "warm.pt")
    assert learnable is not None
    assert learnable["weights"]["weight"].tolist() == [2.0, 3.0]
    assert learnable["weights"]["count"] == 4


def test_it_starts_from_a_checkpoint_at_an_absolute_path(server: Server, tmp_path: Path) -> None:
    torch.save({key: value + 1 for key, value in Net().state_dict().items()}, tmp_path / "elsewhere.pt")
    _, learnable = load(server, str(tmp_path / "elsewhere.pt"))
    assert learnable is not None
    assert learnable["weights"]["weight"].tolist() == [2.0, 3.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"weight": torch.ones(2)}, "checkpoint warm.pt does not fit the model: missing ['count', 'low']"),
        ({**Net().state_dict(), "more": torch.ones(1)}, "unexpected ['more']"),
        ({**Net().state_dict(), "weight": torch.ones(3)}, "weight has the shape [3]"),
        ([1, 2], "warm.pt has no state_dict but a list"),
        (Net(), "Weights only load failed"),  # a pickle that would run code is refused
        (None, "FileNotFoundError"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_ends_the_run_with_the_reason(server: Server, content: Any, message: str) -> None:
    if content is not None:
        torch.save(content, server.run_dir / "app" / "custom" / "warm.pt")
    _, learnable = load(server, "warm.pt")
    assert learnable is None
    (error,) = server.of("error")
    assert error["data"]["message"].startswith("the initial model cannot be made: ")
    assert message in error["data"]["message"]
    assert "Traceback" in error["data"]["traceback"]
    assert server.reasons == [error["data"]["message"]]


def test_it_saves_each_round_in_the_models_own_dtypes(server: Server) -> None:
    persistor, _ = load(server)
    save(server, persistor, AVERAGED, round_=0)
    save(server, persistor, AVERAGED | {"count": np.float64(8.4)}, round_=1)
    path = server.run_dir / "out" / "GLOBAL_MODEL.pt"
    content = torch.load(path, weights_only=True)
    assert content["train_conf"] == {"train": {"model": "Net"}}
    Net().load_state_dict(content["model"])
    assert {key: value.dtype for key, value in content["model"].items()} == {
        "weight": torch.float32,
        "low": torch.bfloat16,
        "count": torch.int64,
    }
    assert content["model"]["low"].tolist() == [2.5, 3.5]
    assert content["model"]["count"].item() == 8
    size = path.stat().st_size
    assert [(item["round"], item["data"]) for item in server.of("saved")] == [
        (0, {"file": "GLOBAL_MODEL.pt", "bytes": size, "final": False}),
        (1, {"file": "GLOBAL_MODEL.pt", "bytes": size, "final": True}),
    ]


def test_a_reader_of_the_old_file_is_not_disturbed_by_a_new_one(server: Server) -> None:
    persistor, _ = load(server)
    save(server, persistor, AVERAGED)
    with (server.run_dir / "out" / "GLOBAL_MODEL.pt").open("rb") as reader:
        save(server, persistor, AVERAGED | {"weight": np.zeros(2, "float32")}, round_=1)
        assert torch.load(reader, weights_only=True)["model"]["weight"].tolist() == [3.0, 4.0]


def test_the_files_name_can_be_chosen(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESONTECH_OUT_FILENAME", "mine.pt")
    persistor, _ = load(server)
    save(server, persistor, AVERAGED)
    assert os.listdir(server.run_dir / "out") == ["mine.pt"]


def test_a_save_that_breaks_off_leaves_the_old_file_and_ends_the_run(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    persistor, _ = load(server)
    save(server, persistor, AVERAGED)
    before = (server.run_dir / "out" / "GLOBAL_MODEL.pt").read_bytes()

    def full(content: Any, file: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    save(server, persistor, AVERAGED | {"weight": np.zeros(2, "float32")}, round_=1)
    assert (server.run_dir / "out" / "GLOBAL_MODEL.pt").read_bytes() == before
    assert os.listdir(server.run_dir / "out") == ["GLOBAL_MODEL.pt"]
    assert "the global model cannot be saved: OSError: [Errno 28] No space left" in server.of("error")[0]["data"]["message"]
    assert len(server.of("saved")) == 1


def test_a_final_file_that_does_not_read_back_ends_the_run(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    persistor, _ = load(server)
    genuine = torch.save

    def lossy(content: Any, file: Any) -> None:
        genuine({"model": {**content["model"], "weight": torch.zeros(2)}}, file)

    monkeypatch.setattr(torch, "save", lossy)
    save(server, persistor, AVERAGED, round_=1)
    assert "does not read back as it was written: weight differs" in server.of("error")[0]["data"]["message"]


def test_a_model_that_is_not_finite_still_reads_back(server: Server) -> None:
    persistor, _ = load(server)
    save(server, persistor, AVERAGED | {"weight": np.array([np.nan, 1.0], "float32")}, round_=1)
    assert [item["data"]["final"] for item in server.of("saved")] == [True]


def test_an_average_that_does_not_fit_the_model_ends_the_run(server: Server) -> None:
    persistor, _ = load(server)
    save(server, persistor, {"unheard_of": np.zeros(1)})
    assert (
        "the global model does not fit the model: missing [], unexpected ['unheard_of']"
        in server.of("error")[0]["data"]["message"]
    )


def test_an_average_of_some_weights_leaves_the_others_as_they_were(server: Server) -> None:
    persistor, _ = load(server)
    save(server, persistor, {"weight": np.array([9.0, 9.0], "float32")})
    weights = torch.load(server.run_dir / "out" / "GLOBAL_MODEL.pt", weights_only=True)["model"]
    assert (weights["weight"].tolist(), weights["low"].tolist()) == ([9.0, 9.0], [0.5, 1.5])


def test_without_a_chosen_folder_and_the_platforms_it_saves_in_the_run_folder(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocker = server.run_dir / "file"
    blocker.write_text("")
    monkeypatch.setattr(persistor_module, "DEFAULT_OUT_DIR", str(blocker / "out"))
    monkeypatch.delenv("RESONTECH_OUT_DIR")
    persistor, _ = load(server)
    save(server, persistor, AVERAGED)
    assert os.listdir(server.run_dir / "model_out") == ["GLOBAL_MODEL.pt"]


def test_a_chosen_folder_that_cannot_be_made_ends_the_run(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    blocker = server.run_dir / "file"
    blocker.write_text("")
    monkeypatch.setenv("RESONTECH_OUT_DIR", str(blocker / "out"))
    persistor, _ = load(server)
    save(server, persistor, AVERAGED)
    assert "the global model cannot be saved" in server.of("error")[0]["data"]["message"]
    assert server.of("saved") == []


@pytest.mark.parametrize("links", [True, False])
def test_every_rounds_model_stays_where_it_was_asked_for(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Also where the file system has no links; and before anybody is told that the model is saved."""
    monkeypatch.setenv("RESON_ROUNDS_DIR", str(tmp_path / "rounds"))
    if not links:

        def link(source: str, target: str) -> None:
            raise OSError("no links here")

        monkeypatch.setattr(os, "link", link)
    persistor, learnable = load(server)
    assert learnable is not None
    for number in range(2):
        weights = {key: np.asarray(value) + number + 1 for key, value in learnable[ModelLearnableKey.WEIGHTS].items()}
        save(server, persistor, weights, number)
    kept = sorted((tmp_path / "rounds").iterdir())
    assert [path.name for path in kept] == ["round_00000.pt", "round_00001.pt"]
    first, second = (torch.load(path, weights_only=True)["model"] for path in kept)
    assert all(torch.equal(second[key].double() - first[key].double(), torch.ones_like(first[key]).double()) for key in first)
