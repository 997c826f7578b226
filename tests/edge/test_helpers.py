"""Helpers: files of parameters, and arithmetic on them."""

from __future__ import annotations

import io
import json
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from reson_jupyter.edge.travel.helper_base import HelperBase
from reson_jupyter.edge.travel.helpers import get_helper

NUMPY = get_helper("numpyhelper")
BINARY = get_helper("binaryhelper")
TORCH = get_helper("torchhelper")

DTYPES = st.sampled_from(["float16", "float32", "float64", "int8", "int64", "uint8", "bool", "complex64"])
SHAPES = arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
ARRAYS = st.lists(DTYPES.flatmap(lambda dtype: arrays_of.arrays(dtype, SHAPES)), max_size=12)


def _same(one: list[Any], other: list[Any]) -> None:
    assert [array.dtype for array in one] == [array.dtype for array in other]
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, theirs, strict=True)


def _state(*values: Any) -> OrderedDict[str, torch.Tensor]:
    return OrderedDict((f"layer.{index}", torch.as_tensor(value)) for index, value in enumerate(values))


def test_a_helper_says_its_name() -> None:
    assert (NUMPY.name, BINARY.name, TORCH.name) == ("numpyhelper", "binaryhelper", "torchhelper")


def test_every_call_gives_a_new_helper() -> None:
    assert get_helper("numpyhelper") is not get_helper("numpyhelper")


@pytest.mark.parametrize("name", ["kerashelper", "", "NumpyHelper", "androidhelper"])
def test_an_unknown_helper_is_refused_with_the_names_that_there_are(name: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=f"no helper '{name}' here; use one of numpyhelper, binaryhelper, torchhelper"):
        get_helper(name)


def test_the_numpy_helper_does_not_import_torch(scaleout: Any, tmp_path: Path) -> None:
    """The environment of Scaleout's packages has numpy and no torch."""
    script = "import sys; sys.path.insert(0, sys.argv[1]); from travel.helpers import get_helper; get_helper('numpyhelper')"
    (tmp_path / "travel").mkdir()
    (tmp_path / "travel/__init__.py").touch()
    for name in ("helpers", "helper_base", "numpy_helper", "npz"):
        source = Path(sys.modules["reson_jupyter.edge.travel.helpers"].__file__ or "").parent / f"{name}.py"
        (tmp_path / f"travel/{name}.py").write_bytes(source.read_bytes())
    assert scaleout("1.0", script, tmp_path) == ""


def test_the_files_keys_are_numbers_from_zero(tmp_path: Path) -> None:
    NUMPY.save([np.ones(3, np.float32), np.zeros((2, 2))], tmp_path / "seed.npz")
    with np.load(tmp_path / "seed.npz") as archive:
        assert archive.files == ["0", "1"]
        assert archive["0"].dtype == np.float32


@given(ARRAYS)
def test_what_the_numpy_helper_saves_it_loads(weights: list[Any]) -> None:
    file = io.BytesIO()
    NUMPY.save(weights, file)
    file.seek(0)
    _same(NUMPY.load(file), weights)


def test_more_than_ten_arrays_keep_their_order(tmp_path: Path) -> None:
    NUMPY.save([np.array(index) for index in range(12)], tmp_path / "many.npz")
    assert [int(array) for array in NUMPY.load(tmp_path / "many.npz")] == list(range(12))


@pytest.mark.parametrize("helper", [NUMPY, BINARY], ids=lambda helper: helper.name)
def test_without_a_path_a_temporary_file_is_made(helper: Any) -> None:
    path = Path(helper.save([np.arange(4.0)]))
    try:
        _same(helper.load(str(path)), [np.arange(4.0)])
    finally:
        path.unlink()


def test_a_temporary_path_has_the_helpers_ending() -> None:
    paths = [Path(helper.get_tmp_path()) for helper in (NUMPY, TORCH)] + [Path(NUMPY.get_tmp_path(suffix=""))]
    assert [path.suffix for path in paths] == [".npz", ".pt", ""]
    for path in paths:
        path.unlink()


def test_a_bare_array_is_saved_as_its_rows() -> None:
    file = io.BytesIO()
    NUMPY.save(np.arange(6.0).reshape(2, 3), file)
    file.seek(0)
    _same(NUMPY.load(file), [np.arange(3.0), np.arange(3.0, 6.0)])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"0": np.ones(2)}, "a list of arrays, and this is a mapping of names"),
        (torch.nn.Linear(1, 1).state_dict(), "a list of arrays, and this is a mapping of names"),
        (3.0, "a list of arrays, and this is a float"),
        (torch.nn.Linear(1, 1), "a list of arrays, and this is a Linear"),
        (list(torch.nn.Linear(1, 1).parameters()), "array 0 is a Parameter that numpy cannot read: .* requires grad"),
        ([np.ones(2), "text"], "array 1 holds <U4, no numbers"),
        ([None], "array 0 holds object, no numbers"),
        ([[1.0], [[1.0], [2.0, 3.0]]], "array 1 is a list that numpy cannot read"),
    ],
)
def test_what_is_no_list_of_arrays_is_refused_and_leaves_no_file(weights: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=message):
        NUMPY.save(weights, tmp_path / "seed.npz")
    assert list(tmp_path.iterdir()) == []


def _npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.ones(3))
    return file.getvalue()


def _npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is no npz, an archive of arrays"),
        (b"hello", "numpyhelper can read"),
        (_npy(), "it is no npz, an archive of arrays"),
        (_npz(weights=np.ones(2)), "its arrays are called 'weights'; helper.save"),
        (_npz(**{"0": np.ones(2), "2": np.ones(2)}), "its arrays are called '0', '2'"),
        (_npz(**{"0": np.array([{}])}), "Object arrays cannot be loaded"),
        (_npz(**{"0": np.ones(2)})[:-30], "numpyhelper can read"),
    ],
)
def test_what_is_no_file_of_the_numpy_helper_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NUMPY.load(io.BytesIO(data))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"seed\.npz"):
        NUMPY.load(str(tmp_path / "seed.npz"))


def test_bare_numbers_are_float64_one_after_the_other() -> None:
    file = io.BytesIO()
    BINARY.save([np.array([[1, 2]], np.float32), np.array([3])], file)
    assert file.getvalue() == np.array([1.0, 2.0, 3.0]).tobytes()
    file.seek(0)
    _same(BINARY.load(file), [np.array([1.0, 2.0, 3.0])])


def test_bare_numbers_that_were_cut_are_refused() -> None:
    with pytest.raises(ValueError, match="9 bytes are no whole number of float64"):
        BINARY.load(io.BytesIO(b"123456789"))


def test_another_file_type_is_refused() -> None:
    assert NUMPY.check_supported_file_type("raw_binary") is True
    with pytest.raises(ValueError, match="no file type 'h5'; use one of npz, raw_binary"):
        NUMPY.save([np.ones(1)], io.BytesIO(), file_type="h5")


def test_the_mean_of_two_sites_is_weighted_by_their_examples() -> None:
    mean = NUMPY.increment_average([np.array([1.0, 1.0])], [np.array([5.0, 9.0])], 3, 4)
    _same(mean, [np.array([4.0, 7.0])])


@pytest.mark.parametrize("operation", ["add", "subtract", "multiply", "divide"])
def test_models_of_different_lengths_are_not_cut_to_the_shorter(operation: str) -> None:
    with pytest.raises(ValueError, match="the models have 2 and 1 arrays"):
        getattr(NUMPY, operation)([np.ones(1), np.ones(1)], [np.ones(1)])


OPERATIONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "increment_average": lambda helper, one, other: helper.increment_average(one, other, 3, 7),
    "add": lambda helper, one, other: helper.add(one, other, 0.5, 2.0),
    "subtract": lambda helper, one, other: helper.subtract(one, other, 2.0, 0.5),
    "multiply": lambda helper, one, other: helper.multiply(one, other),
    "divide": lambda helper, one, other: helper.divide(one, other),
    "power": lambda helper, one, _: helper.power(one, 3),
    "sqrt": lambda helper, one, _: helper.sqrt(one),
    "sign": lambda helper, _, other: helper.sign(other),
    "ones": lambda helper, one, _: helper.ones(one, 2.5),
}

_SCRIPT = """
import json, sys
import numpy as np
from scaleoututil.helpers.helpers import get_helper
helper = get_helper("numpyhelper")
one, other = helper.load(sys.argv[1]), helper.load(sys.argv[2])
made = {
    "increment_average": helper.increment_average(one, other, 3, 7), "add": helper.add(one, other, 0.5, 2.0),
    "subtract": helper.subtract(one, other, 2.0, 0.5), "multiply": helper.multiply(one, other),
    "divide": helper.divide(one, other), "power": helper.power(one, 3), "sqrt": helper.sqrt(one), "sign": helper.sign(other),
    "ones": helper.ones(one, 2.5),
}
for name, arrays in made.items():
    helper.save(arrays, f"{sys.argv[3]}/{name}.npz")
helper.save(one, f"{sys.argv[3]}/saved.npz")
helper.save(one, f"{sys.argv[3]}/saved.bin", file_type="raw_binary")
print(json.dumps(helper.norm(other)))
"""


@pytest.mark.parametrize("release", ["1.0", "1.1"])
def test_numbers_and_files_are_scaleouts_own(release: str, scaleout: Any, tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    one = [generator.random(5), generator.random(4)]
    other = [generator.standard_normal(5), generator.standard_normal(4)]
    NUMPY.save(one, tmp_path / "one.npz")
    NUMPY.save(other, str(tmp_path / "other.npz"))
    norm = json.loads(scaleout(release, _SCRIPT, tmp_path / "one.npz", tmp_path / "other.npz", tmp_path))
    for name, operation in OPERATIONS.items():
        _same(operation(NUMPY, one, other), NUMPY.load(tmp_path / f"{name}.npz"))
    assert NUMPY.norm(other) == norm
    _same(NUMPY.load(tmp_path / "saved.npz"), one)
    _same(BINARY.load(tmp_path / "saved.bin"), [np.concatenate(one)])


@pytest.mark.parametrize("release", ["1.0", "1.1"])
def test_every_kind_of_array_passes_through_scaleouts_helper_unchanged(release: str, scaleout: Any, tmp_path: Path) -> None:
    weights: list[Any] = [np.ones((2, 0, 3), dtype) for dtype in ("float16", "int64", "bool")]
    weights += [np.array(2.5, np.float32), np.arange(24, dtype=np.uint8).reshape(2, 3, 4), np.array([1j, np.nan])]
    NUMPY.save(weights, tmp_path / "ours.npz")
    script = (
        "import sys; from scaleoututil.helpers.helpers import get_helper; h = get_helper('numpyhelper');"
        "h.save(h.load(sys.argv[1]), sys.argv[2])"
    )
    scaleout(release, script, tmp_path / "ours.npz", tmp_path / "theirs.npz")
    _same(NUMPY.load(tmp_path / "theirs.npz"), weights)


def test_a_state_dict_comes_back_with_its_names_shapes_and_dtypes(tmp_path: Path) -> None:
    state = torch.nn.BatchNorm1d(3).state_dict()
    TORCH.save(state, tmp_path / "seed.pt")
    found = TORCH.load(tmp_path / "seed.pt")
    assert list(found) == list(state)
    for name, value in state.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)


def test_a_state_dict_file_needs_no_unpickling_of_objects() -> None:
    file = io.BytesIO()
    TORCH.save(OrderedDict(w=torch.ones(2, requires_grad=True)), file)
    file.seek(0)
    assert not torch.load(file, weights_only=True)["w"].requires_grad


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (torch.nn.Linear(1, 1), r"pass module\.state_dict\(\)"),
        ([torch.ones(1)], "tensors by name, and this is not one, but a list"),
        ({"w": np.ones(1)}, "'w' is a ndarray"),
        ({0: torch.ones(1)}, "0 is a Tensor"),
    ],
)
def test_what_is_no_state_dict_is_refused_and_leaves_no_file(model: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=message):
        TORCH.save(model, tmp_path / "seed.pt")
    assert list(tmp_path.iterdir()) == []


class _Opens:
    def __reduce__(self) -> Any:
        return open, ("/dev/null",)


def _torch_file(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no file that torchhelper can read"),
        (b"hello", "no file that torchhelper can read"),
        (_npz(**{"0": np.ones(2)}), "no file that torchhelper can read"),
        (_torch_file([torch.ones(1)]), "holds no state_dict, tensors by name, but a list"),
        (_torch_file({"epoch": 3}), "'epoch' is a int"),
        (_torch_file(_Opens()), "no file that torchhelper can read"),
    ],
)
def test_what_is_no_file_of_a_state_dict_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TORCH.load(io.BytesIO(data))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_torch_calculates_what_numpy_does(operation: str) -> None:
    one, other = np.array([0.5, 2.0]), np.array([-1.5, 4.0])
    made = OPERATIONS[operation](TORCH, _state(one), _state(other))
    _same([made["layer.0"].numpy()], OPERATIONS[operation](NUMPY, [one], [other]))


def test_the_norm_of_a_state_dict_is_numpys() -> None:
    values = [np.array([-1.0, 2.0]), np.array([[1.0, -5.0], [3.0, 1.0]])]
    assert TORCH.norm(_state(*values)) == NUMPY.norm(values) == 9.0


def test_the_mean_of_state_dicts_keeps_whole_numbers_whole() -> None:
    one = _state(torch.tensor(10), torch.tensor([1.0], dtype=torch.float16), torch.tensor([True, False]))
    other = _state(torch.tensor(21), torch.tensor([2.0], dtype=torch.float16), torch.tensor([True, True]))
    mean = TORCH.increment_average(one, other, 1, 2)
    assert [value.dtype for value in mean.values()] == [torch.int64, torch.float16, torch.bool]
    assert [value.tolist() for value in mean.values()] == [16, [1.5], [True, False]]


def test_state_dicts_of_different_models_are_refused() -> None:
    with pytest.raises(ValueError, match=r"layer\.1 are in one of them only"):
        TORCH.increment_average(_state(1.0), _state(1.0, 2.0), 1, 2)


def test_a_users_own_helper_may_stand_on_the_base() -> None:
    class Own(HelperBase):
        def increment_average(self, m1: Any, m2: Any, n: float, N: float) -> Any:
            return m1

        def save(self, model: Any, path: Any = None) -> Any:
            return path

        def load(self, path: Any) -> Any:
            return []

    assert Own().name == "Own"
