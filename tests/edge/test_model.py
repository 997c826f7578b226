"""`ScaleoutModel`: the bytes of a model's file, and the parameters in them."""

from __future__ import annotations

import gc
import hashlib
import io
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reson_jupyter.edge.travel.helpers import get_helper
from reson_jupyter.edge.travel.model import CHUNK_SIZE, FileChunk, ScaleoutModel

HELPER = get_helper("numpyhelper")
PARAMS = [np.arange(10, dtype=np.float32), np.array([[1.5, -2.0]])]
BIG = bytes(range(256)) * (11 * 4096)  # 11 MB: more than is kept in memory


def _same(one: list[Any], other: list[Any]) -> None:
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, theirs, strict=True)


def _bytes(model: ScaleoutModel) -> bytes:
    with model.get_stream() as stream:
        return stream.read()


def test_parameters_go_into_a_model_and_out_again() -> None:
    model = ScaleoutModel.from_model_params(PARAMS, helper=HELPER)
    assert model.helper is HELPER
    _same(model.get_model_params(HELPER), PARAMS)


def test_without_a_helper_parameters_are_numpys() -> None:
    _same(ScaleoutModel.from_model_params(PARAMS).get_model_params(), PARAMS)


def test_a_state_dict_goes_through_the_torch_helper() -> None:
    state = torch.nn.Linear(2, 3).state_dict()
    found = ScaleoutModel.from_model_params(state, get_helper("torchhelper")).get_model_params()
    assert isinstance(found, OrderedDict)
    assert all(torch.equal(found[name], value) for name, value in state.items())


def test_a_model_remembers_the_helper_that_read_it() -> None:
    model = ScaleoutModel.from_stream(io.BytesIO(_bytes(ScaleoutModel.from_model_params(PARAMS))))
    assert model.helper is None
    model.get_model_params(HELPER)
    _same(model.get_model_params(), PARAMS)


def test_reading_without_any_helper_says_how_to_get_one() -> None:
    with pytest.raises(ValueError, match=r'no helper is given .*; pass one: get_helper\("numpyhelper"\)'):
        ScaleoutModel.from_stream(io.BytesIO(b"")).get_model_params()


@pytest.mark.parametrize("helper", ["numpyhelper", np.ndarray])
def test_what_is_no_helper_is_refused(helper: Any) -> None:
    with pytest.raises(TypeError, match=r"is no helper; pass what get_helper"):
        ScaleoutModel.from_model_params(PARAMS, helper=helper)


def test_a_file_that_is_no_model_is_refused_when_its_parameters_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "seed.npz").write_text("hello")
    model = ScaleoutModel.from_file(tmp_path / "seed.npz")
    with pytest.raises(ValueError, match="this is no file that numpyhelper can read"):
        model.get_model_params(HELPER)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"seed\.npz"):
        ScaleoutModel.from_file(str(tmp_path / "seed.npz"))


def test_a_model_of_a_file_has_the_files_bytes_and_is_independent_of_it(tmp_path: Path) -> None:
    file = tmp_path / "seed.npz"
    HELPER.save(PARAMS, file)
    model, data = ScaleoutModel.from_file(str(file)), file.read_bytes()
    file.unlink()
    assert _bytes(model) == data


def test_a_stream_is_read_from_where_it_stands() -> None:
    stream = io.BytesIO(b"head-tail")
    stream.seek(5)
    assert _bytes(ScaleoutModel.from_stream(stream)) == b"tail"


@pytest.mark.parametrize("stream", ["seed.npz", Path("seed.npz"), b"weights"])
def test_a_stream_that_is_no_open_file_is_refused(stream: Any) -> None:
    with pytest.raises(TypeError, match=r"from_stream reads an open file, not a .*; from_file takes a path"):
        ScaleoutModel.from_stream(stream)


def test_a_printed_model_says_its_size() -> None:
    model = ScaleoutModel.from_stream(io.BytesIO(b"w" * 1234))
    assert (f"{model}", len(_bytes(model))) == ("<ScaleoutModel: 1,234 bytes>", 1234)


def test_every_stream_is_new_and_stands_at_its_start() -> None:
    model = ScaleoutModel.from_stream(io.BytesIO(b"weights"))
    with model.get_stream() as one, model.get_stream() as other:
        assert one is not other
        assert one.read(3) == b"wei"
        assert other.read() == b"weights"
        assert one.read() == b"ghts"


def test_writing_to_a_stream_does_not_change_the_model() -> None:
    model = ScaleoutModel.from_stream(io.BytesIO(b"weights"))
    with model.get_stream() as stream:
        stream.write(b"XXXXXXX")
    assert _bytes(model) == b"weights"


@given(st.binary(max_size=300), st.integers(1, 400))
def test_pieces_of_any_size_make_the_same_model(data: bytes, size: int) -> None:
    model = ScaleoutModel.from_stream(io.BytesIO(data))
    chunks = list(model.get_filechunk_stream(chunk_size=size))
    assert [len(chunk.data) for chunk in chunks] == [min(size, len(data) - start) for start in range(0, len(data), size)]
    assert _bytes(ScaleoutModel.from_filechunk_stream(iter(chunks))) == data


def test_pieces_have_a_mebibyte_unless_told_otherwise() -> None:
    sizes = [len(chunk.data) for chunk in ScaleoutModel.from_stream(io.BytesIO(BIG)).get_filechunk_stream()]
    assert sizes == [1048576] * 11
    assert CHUNK_SIZE == 1048576


def test_empty_pieces_add_nothing() -> None:
    assert _bytes(ScaleoutModel.from_filechunk_stream([FileChunk(), FileChunk(b"ab"), FileChunk(b""), FileChunk(b"c")])) == b"abc"


@pytest.mark.parametrize("size", [0, -1])
def test_pieces_without_bytes_are_refused_at_once(size: int) -> None:
    with pytest.raises(ValueError, match=f"chunk_size is {size}; a piece has at least one byte"):
        ScaleoutModel.from_stream(io.BytesIO(b"a")).get_filechunk_stream(size)


def test_a_model_too_big_for_memory_is_kept_in_a_temporary_file() -> None:
    small, big = (ScaleoutModel.from_stream(io.BytesIO(data)) for data in (BIG[: 10 * 1024 * 1024], BIG))
    assert [model._data._rolled for model in (small, big)] == [False, True]  # type: ignore[attr-defined]
    assert _bytes(big) == BIG


@pytest.mark.filterwarnings("error")
def test_the_temporary_file_is_closed_with_its_model() -> None:
    model = ScaleoutModel.from_stream(io.BytesIO(BIG))
    data = model._data
    del model
    gc.collect()
    assert data.closed


def test_threads_that_read_one_model_do_not_disturb_each_other() -> None:
    model = ScaleoutModel.from_stream(io.BytesIO(BIG))
    wanted, found = hashlib.sha256(BIG).hexdigest(), []
    start = threading.Barrier(4)

    def read() -> None:
        start.wait()
        with model.get_stream() as stream:
            found.append(hashlib.sha256(stream.read()).hexdigest())

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * 4


def test_a_model_is_saved_as_its_bytes(tmp_path: Path) -> None:
    ScaleoutModel.from_model_params(PARAMS).save_to_file(tmp_path / "model.npz")
    _same(HELPER.load(tmp_path / "model.npz"), PARAMS)


def test_the_checksum_is_the_sha256_of_the_file() -> None:
    model = ScaleoutModel.from_stream(io.BytesIO(b"weights"))
    assert model.checksum == hashlib.sha256(b"weights").hexdigest()
    assert model.verify_checksum(model.checksum)
    assert model.verify_checksum(None)
    assert not model.verify_checksum("0" * 64)


def test_a_new_model_is_empty_and_nameless() -> None:
    model = ScaleoutModel()
    assert (model.model_id, model.helper, _bytes(model)) == (None, None, b"")


def test_the_names_of_1_1_do_the_same() -> None:
    model = ScaleoutModel.from_training_model(PARAMS, HELPER)
    _same(model.get_training_model(), PARAMS)
    with model.get_file_stream() as file, model.get_training_model_stream() as parameters:
        assert file.read() == parameters.read() == _bytes(model)


def test_metadata_of_1_1_is_refused_instead_of_lost() -> None:
    with pytest.raises(ValueError, match=r'metadata of a model does not travel here; .*"training_metadata"'):
        ScaleoutModel.from_training_model(PARAMS, HELPER, metadata={"tag": "v2"})


@pytest.fixture(params=["1.0", "1.1"])
def release(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


_READ = """
import sys, warnings
from scaleoututil.helpers.helpers import get_helper
from scaleoututil.utils.model import ScaleoutModel
helper = get_helper("numpyhelper")
model = ScaleoutModel.from_file(sys.argv[1])
again = ScaleoutModel.from_filechunk_stream(model.get_filechunk_stream(chunk_size=100))
params = again.get_model_params(helper)
make = getattr(ScaleoutModel, "from_model_params", None) or ScaleoutModel.from_training_model
make([2 * array for array in params], helper=helper).save_to_file(sys.argv[2])
print(again.checksum)
"""


def test_scaleout_reads_our_model_and_we_read_its(release: str, scaleout: Any, tmp_path: Path) -> None:
    model = ScaleoutModel.from_model_params(PARAMS, helper=HELPER)
    model.save_to_file(tmp_path / "ours.npz")
    checksum = scaleout(release, _READ, tmp_path / "ours.npz", tmp_path / "theirs.npz").strip()
    if release == "1.0":  # 1.1 puts the file into one of its own
        assert checksum == model.checksum
    _same(ScaleoutModel.from_file(tmp_path / "theirs.npz").get_model_params(HELPER), [2 * array for array in PARAMS])


def test_the_file_of_1_1_with_several_files_stays_whole(scaleout: Any, tmp_path: Path) -> None:
    ScaleoutModel.from_model_params(PARAMS).save_to_file(tmp_path / "ours.npz")
    scaleout("1.1", _READ, tmp_path / "ours.npz", tmp_path / "theirs.zip")
    model = ScaleoutModel.from_file(tmp_path / "theirs.zip")
    assert _bytes(model) == (tmp_path / "theirs.zip").read_bytes()
    with model.get_stream() as file, zipfile.ZipFile(file) as container, model.get_training_model_stream() as parameters:
        assert sorted(container.namelist()) == ["metadata.json", "training_model.bin"]
        assert parameters.read() == container.read("training_model.bin")


_PIECES = """
import sys
import scaleoututil.grpc.scaleout_pb2 as messages
data = open(sys.argv[1], "rb").read()
for start in range(0, len(data), 64):
    print(messages.FileChunk(data=data[start:start + 64]).data.hex())
"""


def test_the_pieces_are_those_that_scaleout_makes(scaleout: Any, tmp_path: Path) -> None:
    model = ScaleoutModel.from_model_params(PARAMS)
    model.save_to_file(tmp_path / "ours.npz")
    theirs = [bytes.fromhex(line) for line in scaleout("1.0", _PIECES, tmp_path / "ours.npz").split()]
    assert [chunk.data for chunk in model.get_filechunk_stream(64)] == theirs
