"""Model files that are damaged, hostile, or hold what no average can be made of."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reson_jupyter.edge.seed import Seed
from reson_jupyter.edge.travel import npz
from reson_jupyter.edge.travel.helpers import get_helper
from reson_jupyter.edge.travel.model import ScaleoutModel
from reson_jupyter.edge.travel.weights import read_seed
from reson_jupyter.errors import JobError
from reson_jupyter.worker.persistor import read_checkpoint

NUMPY = get_helper("numpyhelper")
TORCH = get_helper("torchhelper")
MAGIC = b"\x93NUMPY\x01\x00"


def npz_of(*arrays: Any) -> bytes:
    file = io.BytesIO()
    NUMPY.save(list(arrays), file)
    return file.getvalue()


def torch_of(**tensors: torch.Tensor) -> bytes:
    file = io.BytesIO()
    torch.save(tensors, file)
    return file.getvalue()


def container_of(parameters: bytes) -> bytes:
    """As a model's file of Scaleout 1.1."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("training_model.bin", parameters)
        archive.writestr("metadata.json", json.dumps({}))
    return file.getvalue()


def with_header(header: str, content: bytes = b"") -> bytes:
    """An npz whose one array has this header."""
    text = header.encode() + b"\n"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("0.npy", MAGIC + len(text).to_bytes(2, "little") + text + content)
    return file.getvalue()


def shaped(shape: str) -> bytes:
    return with_header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}", bytes(16))


def with_entry(offset: int, value: int) -> bytes:
    """An npz in which two bytes of its entry are others, in both places where a zip keeps them."""
    data = bytearray(npz_of(np.arange(50.0)))
    central = data.index(b"PK\x01\x02")
    data[offset : offset + 2] = data[central + offset + 2 : central + offset + 4] = value.to_bytes(2, "little")
    return bytes(data)


def corrupt_deflate() -> bytes:
    data = bytearray(npz_of(np.arange(1000.0)))
    data[100:160] = b"\xff" * 60
    return bytes(data)


DAMAGED: dict[str, Callable[[], bytes]] = {
    "corrupt deflate": corrupt_deflate,
    "a compression nobody knows": lambda: with_entry(8, 99),
    "encrypted": lambda: with_entry(6, 1),
    "a header of 10**12 numbers": lambda: shaped("(1000000000000,)"),
    "a header of more numbers than 64 bits count": lambda: shaped("(4611686018427387904, 8)"),
    "a negative shape": lambda: shaped("(-1,)"),
    "no shape": lambda: shaped("'x'"),
    "a header that is no Python": lambda: with_header("{'descr': ((((((("),
    "a header with an indent": lambda: with_header("  {\n   1"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_npz_is_refused_by_all_that_read_it(what: str, tmp_path: Path) -> None:
    data, path = DAMAGED[what](), tmp_path / "seed.npz"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="no file that numpyhelper can read") as refused:
        NUMPY.load(io.BytesIO(data))
    assert type(refused.value) is ValueError
    with pytest.raises(JobError, match=r"seed\.npz cannot be the seed: seed\.npz is no model of Scaleout's") as said:
        Seed.read(path)
    assert "\n" not in said.value.message
    with pytest.raises(ValueError, match="no file that numpyhelper can read"):
        ScaleoutModel.from_stream(io.BytesIO(container_of(data))).get_model_params(NUMPY)


def test_an_archive_that_unpacks_to_more_than_the_memory_is_refused_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "seed.npz").write_bytes(npz_of(np.zeros(100_000)))
    monkeypatch.setattr(npz, "memory", lambda: 500_000)
    with pytest.raises(ValueError, match=r"its arrays have 800,128 bytes, more than the memory of this machine"):
        read_seed(tmp_path / "seed.npz")


FILES = {
    "npz": (npz_of(np.arange(20.0), np.ones((2, 3), "f4")), NUMPY),
    "torch": (torch_of(w=torch.arange(20.0), b=torch.ones(2, 3)), TORCH),
    "container of npz": (container_of(npz_of(np.arange(20.0))), NUMPY),
    "container of torch": (container_of(torch_of(w=torch.arange(20.0))), TORCH),
}


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_bytes_change_a_model_is_read_or_refused(kind: str, data: st.DataObject) -> None:
    content, helper = FILES[kind]
    damaged = bytearray(content)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=6)):
        damaged[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([None, -1, -22, len(content) // 2]))
    model = ScaleoutModel.from_stream(io.BytesIO(bytes(damaged[:cut])))
    try:
        model.get_model_params(helper)
    except ValueError as error:
        assert type(error) is ValueError


@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda data: npz_of(np.ones(3))[: 100 + len(data)] + data))
def test_bytes_of_any_kind_are_read_or_refused(data: bytes) -> None:
    try:
        found = NUMPY.load(io.BytesIO(data))
    except ValueError:
        return
    assert all(isinstance(array, np.ndarray) for array in found)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.eye(3).to_sparse(), r"w is sparse or quantized, .* save w\.to_dense\(\)"),
        (torch.ones(2).to(torch.float8_e4m3fn), r"w holds float8_e4m3fn, which no average can be made of; save w\.float\(\)"),
        (torch.ones(2, device="meta"), "w is on the device 'meta', where a tensor has no numbers"),
        (torch.ones(1).expand(10**10), r"w is a view that repeats its numbers; save w\.clone\(\)"),
        (torch.tensor([1.0, float("nan")]), "w holds values that are NaN or infinite"),
    ],
)
def test_a_tensor_that_sites_could_not_send_is_refused_as_a_seed(tensor: torch.Tensor, message: str, tmp_path: Path) -> None:
    (tmp_path / "seed.pt").write_bytes(torch_of(w=tensor))
    with pytest.raises(JobError, match=rf"seed\.pt cannot be the seed: .*{message}"):
        Seed.read(tmp_path / "seed.pt")


def test_arrays_of_the_other_byte_order_are_a_seed_for_us_and_for_the_server(tmp_path: Path) -> None:
    path = tmp_path / "seed.npz"
    path.write_bytes(npz_of(np.array([1.5, -2.0], ">f4"), np.array([3], ">i8")))
    assert Seed.read(path).parameters == {"0": {"shape": [2], "dtype": "float32"}, "1": {"shape": [1], "dtype": "int64"}}
    _, weights = read_seed(path)
    assert [value.tolist() for value in weights.values()] == [[1.5, -2.0], [3]]
    assert [torch.as_tensor(value).tolist() for value in read_checkpoint(str(path)).values()] == [[1.5, -2.0], [3]]
