"""Weights on their way between Scaleout's files, NVFlare's {key: array}, and the parameters of a helper."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as some

from reson_jupyter.edge.travel.helpers import get_helper
from reson_jupyter.edge.travel.weights import SeedModel, from_params, read_seed, spec_of, to_params
from reson_jupyter.worker.persistor import fitted, read_checkpoint

from .conftest import RELEASES, Scaleout

LAYERS = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1)).state_dict()
# The dtypes of numpy that torch can average.
DTYPES = st.sampled_from(["float16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool", "complex64"])


def same(one: Any, other: Any) -> bool:
    return bool(one.dtype == other.dtype and one.shape == other.shape and (np.asarray(one) == np.asarray(other)).all())


@given(st.lists(some.arrays(DTYPES, some.array_shapes(min_dims=0, min_side=0, max_dims=3), elements={"allow_nan": False})))
def test_a_list_of_arrays_is_the_same_after_the_way_to_a_site_and_back(params: list[Any]) -> None:
    wire = from_params(params, "numpyhelper")
    assert list(wire) == [str(number) for number in range(len(params))]
    model = SeedModel("numpyhelper", spec_of(wire))
    model.load_state_dict({key: torch.from_numpy(value) for key, value in wire.items()}, strict=True)
    back = to_params({key: value.numpy() for key, value in model.state_dict().items()}, "numpyhelper")
    assert len(back) == len(params) and all(same(one, other) for one, other in zip(back, params, strict=True))


def test_a_list_of_more_than_ten_arrays_keeps_its_order() -> None:
    params = [np.full(1, number) for number in range(12)]
    wire = from_params(params, "numpyhelper")
    shuffled = {key: wire[key] for key in sorted(wire)}  # "10" before "2"
    assert [int(value[0]) for value in to_params(shuffled, "numpyhelper")] == list(range(12))


def test_the_seed_model_has_exactly_the_keys_of_a_state_dict_in_their_order() -> None:
    model = SeedModel("torchhelper", spec_of(LAYERS))
    found = model.state_dict()
    assert list(found) == list(LAYERS)
    assert {key: (value.shape, value.dtype) for key, value in found.items()} == {
        key: (value.shape, value.dtype) for key, value in LAYERS.items()
    }
    model.load_state_dict(LAYERS, strict=True)
    assert all(torch.equal(model.state_dict()[key], value) for key, value in LAYERS.items())
    assert "1.num_batches_tracked" in dict(model.named_buffers())
    assert "0.weight" in dict(model.named_parameters())


@pytest.mark.parametrize("key", ["forward", "training", "state_dict", "helper.weight", "", "a..b", ".a", "_parameters", "x/y"])
def test_no_key_is_too_odd_for_the_seed_model(key: str) -> None:
    weights = {key: torch.ones(2), "other.weight": torch.zeros(1)}
    model = SeedModel("torchhelper", spec_of(weights))
    model.load_state_dict(weights, strict=True)
    assert {name: value.tolist() for name, value in model.state_dict().items()} == {key: [1, 1], "other.weight": [0]}


def test_a_key_may_be_the_beginning_of_another() -> None:
    weights = {"a": torch.ones(1), "a.b": torch.full((1,), 2.0)}
    model = SeedModel("torchhelper", spec_of(weights))
    model.load_state_dict(weights, strict=True)
    assert {name: value.item() for name, value in model.state_dict().items()} == {"a": 1, "a.b": 2}


def test_weights_of_sixteen_bits_travel_as_more_and_come_back() -> None:
    weights = OrderedDict(w=torch.tensor([1.5, 2.0], dtype=torch.bfloat16))
    wire = from_params(weights, "torchhelper")
    assert wire["w"].dtype == np.float32
    assert spec_of(weights) == {"w": {"shape": [2], "dtype": "bfloat16"}}
    assert fitted(wire, OrderedDict(SeedModel("torchhelper", spec_of(weights)).state_dict()), "")["w"].dtype == torch.bfloat16


def test_what_a_user_gets_shares_no_memory_with_what_travels() -> None:
    wire: dict[str, Any] = {"0": np.zeros(3)}
    wire["0"].flags.writeable = False  # as NVFlare gives it
    (array,) = to_params(wire, "numpyhelper")
    array += 1
    tensor = torch.zeros(3)
    from_params({"w": tensor}, "torchhelper")["w"] += 1
    to_params({"w": tensor}, "torchhelper")["w"] += 1
    assert wire["0"].sum() == 0 and tensor.sum() == 0


@pytest.mark.parametrize(
    ("helper", "params", "message"),
    [
        ("numpyhelper", {"0": np.zeros(1)}, "takes a list of arrays, not a dict"),
        ("numpyhelper", "weights", "takes a list of arrays, not a str"),
        ("numpyhelper", [np.zeros(1), ["a"]], "1 holds <U1, which no average can be made of"),
        ("numpyhelper", [np.array([object()])], "0 holds object"),
        ("torchhelper", [np.zeros(1)], "takes a state_dict, not a list"),
    ],
)
def test_what_no_helper_can_send_is_refused_by_its_place(helper: str, params: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        from_params(params, helper)


def test_a_helper_whose_models_cannot_be_averaged_is_refused() -> None:
    with pytest.raises(ValueError, match="'binaryhelper' cannot be averaged; use 'numpyhelper' or 'torchhelper'"):
        SeedModel("binaryhelper", {})


def test_a_dtype_that_torch_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="0 has the dtype 'Tensor', which torch does not know"):
        SeedModel("numpyhelper", {"0": {"shape": [1], "dtype": "Tensor"}})


# Files


def test_a_seed_of_the_numpy_helper_is_read_by_us_and_by_the_server(tmp_path: Path) -> None:
    params = [np.arange(3, dtype=np.float32), np.float64(2.5), *[np.zeros(1)] * 10]
    path = tmp_path / "whatever.pt"  # what it is called says nothing
    with path.open("wb") as file:
        get_helper("numpyhelper").save(params, file)
    helper, weights = read_seed(path)
    assert helper == "numpyhelper" and list(weights) == [str(number) for number in range(12)]
    assert spec_of(weights)["0"] == {"shape": [3], "dtype": "float32"}
    assert spec_of(weights)["1"] == {"shape": [], "dtype": "float64"}
    template = OrderedDict(SeedModel(helper, spec_of(weights)).state_dict())
    served = fitted(read_checkpoint(str(path)), template, "the seed")
    assert all(torch.equal(served[key], value) for key, value in weights.items())


@pytest.mark.parametrize("release", RELEASES)
def test_a_seed_that_scaleout_wrote_is_read(release: str, scaleout: Scaleout, tmp_path: Path) -> None:
    script = (
        "import sys, numpy as np; from scaleoututil.helpers.helpers import get_helper; "
        "get_helper('numpyhelper').save([np.arange(4, dtype=np.float32), np.eye(2)], sys.argv[1])"
    )
    scaleout(release, script, tmp_path / "seed.npz")
    helper, weights = read_seed(tmp_path / "seed.npz")
    assert helper == "numpyhelper"
    assert [value.tolist() for value in weights.values()] == [[0, 1, 2, 3], [[1, 0], [0, 1]]]


@pytest.mark.parametrize("wrap", [dict, lambda state: {"model": state}, lambda state: {"state_dict": state, "epoch": 3}])
def test_a_state_dict_is_read_however_it_is_wrapped(wrap: Any, tmp_path: Path) -> None:
    torch.save(wrap(LAYERS), tmp_path / "seed.npz")
    helper, weights = read_seed(tmp_path / "seed.npz")
    assert helper == "torchhelper" and list(weights) == list(LAYERS)
    assert list(read_checkpoint(str(tmp_path / "seed.npz"))) == list(LAYERS)


class Boom:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("ran"),))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(b""), "it is neither an npz nor what torch.save"),
        (lambda path: path.write_bytes(pickle.dumps({"w": 1})), "it is neither an npz nor what torch.save"),
        (lambda path: path.write_bytes(pickle.dumps(Boom())), "it is neither an npz nor what torch.save"),
        (lambda path: torch.save(torch.nn.Linear(1, 1), path), "it is neither an npz nor what torch.save"),
        (lambda path: torch.save({}, path), "it holds no state_dict but an empty one"),
        (lambda path: torch.save([1], path), "it holds no state_dict but a list"),
        (lambda path: torch.save({"w": torch.ones(1), "epoch": 3}, path), "it holds 'epoch', which is no tensor"),
        (lambda path: np.savez(path.open("wb"), w=np.ones(1)), "its arrays are called 'w'; helper.save"),
        (lambda path: np.savez(path.open("wb"), **{"0": np.ones(1), "2": np.ones(1)}), "its arrays are called '0', '2'"),
        (lambda path: np.savez(path.open("wb"), **{"0": np.array([None])}), "Object arrays cannot be loaded"),
        (lambda path: np.savez(path.open("wb"), **{"0": np.array(["a"])}), "0 holds <U1, which no average can be made of"),
        (lambda path: np.savez(path.open("wb")), "it has no arrays"),
        (lambda path: path.write_bytes(b"PK\x03\x04 and then nothing"), "it is neither an npz nor"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_is_no_seed_is_refused_with_the_reason_and_nothing_in_it_runs(
    write: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "seed.npz"
    write(path)
    with pytest.raises(ValueError, match=r"^seed\.npz is no model of Scaleout's numpy or torch helper: ") as refused:
        read_seed(path)
    assert message in str(refused.value) and "\n" not in str(refused.value)
    assert not (tmp_path / "ran").exists()


def test_a_damaged_npz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "seed.npz"
    np.savez(path, **{"0": np.arange(1000)})
    data = bytearray(path.read_bytes())
    data[200:300] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="it is damaged"):
        read_seed(path)


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_seed(tmp_path / "seed.npz")


def test_the_seed_model_is_nothing_to_call() -> None:
    with pytest.raises(TypeError, match="only the callbacks of its startup use them"):
        SeedModel("numpyhelper", {})(torch.zeros(1))
