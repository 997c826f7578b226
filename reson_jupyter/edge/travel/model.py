"""A model as Scaleout's code knows it: the bytes of its file, which a helper turns into parameters."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
import weakref
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from .helpers import get_helper
from .messages import FileChunk as FileChunk
from .npz import names_in_zip

CHUNK_SIZE = 1024 * 1024  # bytes
_MOST_IN_MEMORY = 10 * 1024 * 1024  # bytes; more is kept in a temporary file on the disk
# Scaleout 1.1 keeps a model's parameters in a zip of several files, with these names.
_PARAMETERS, _METADATA = "training_model.bin", "metadata.json"


class ScaleoutModel:
    """The bytes of a model's file, in memory or, if there are many, in a temporary file.

    Attributes:
        model_id: What it is called, where something has given it a name.
        helper: What reads its parameters, unless `get_model_params` is told otherwise.
    """

    def __init__(self) -> None:
        self._data = _new_file()
        self._lock = threading.RLock()
        weakref.finalize(self, self._data.close)
        self._checksum: str | None = None
        self.model_id: str | None = None
        self.helper: Any = None

    def __repr__(self) -> str:
        with self._lock:
            return f"<ScaleoutModel: {self._data.seek(0, os.SEEK_END):,} bytes>"

    @staticmethod
    def from_model_params(model_params: Any, helper: Any = None) -> ScaleoutModel:
        """Makes a model of parameters.

        Args:
            model_params: What the helper saves: a list of arrays, or a state_dict.
            helper: From `get_helper`; None: the numpy helper.

        Raises:
            TypeError: the helper cannot save these, or is none.
        """
        model = ScaleoutModel()
        model.helper = _required(helper or get_helper("numpyhelper"))
        model.helper.save(model_params, model._data)
        return model

    @staticmethod
    def from_training_model(model_params: Any, helper: Any = None, metadata: Any = None) -> ScaleoutModel:
        """As `from_model_params`, by the name that Scaleout 1.1 gave it.

        Raises:
            ValueError: there is metadata, which does not travel with a model here.
        """
        if metadata:
            raise ValueError(
                'the metadata of a model does not travel here; return it from the train callback, beside "num_examples" in '
                '"training_metadata"'
            )
        return ScaleoutModel.from_model_params(model_params, helper)

    @staticmethod
    def from_file(file_path: str | Path) -> ScaleoutModel:
        """Reads a model from a file."""
        with open(file_path, "rb") as file:
            return ScaleoutModel.from_stream(file)

    @staticmethod
    def from_stream(stream: IO[bytes]) -> ScaleoutModel:
        """Reads a model from a binary file that is open, from where that stands to its end.

        Raises:
            TypeError: it is no open file.
        """
        if not hasattr(stream, "read"):
            raise TypeError(f"from_stream reads an open file, not a {type(stream).__name__}; from_file takes a path")
        model = ScaleoutModel()
        shutil.copyfileobj(stream, model._data, CHUNK_SIZE)
        return model

    @staticmethod
    def from_filechunk_stream(filechunk_stream: Iterable[FileChunk]) -> ScaleoutModel:
        """Puts a model together from the pieces of its file."""
        model = ScaleoutModel()
        for chunk in filechunk_stream:
            model._data.write(chunk.data)
        return model

    def get_stream(self) -> IO[bytes]:
        """Returns the model's file, open at its start: a new copy each time, so that threads do not disturb each other."""
        copy = _new_file()
        with self._lock:
            self._data.seek(0)
            shutil.copyfileobj(self._data, copy, CHUNK_SIZE)
        copy.seek(0)
        return copy

    def get_file_stream(self) -> IO[bytes]:
        """As `get_stream`, by the name that Scaleout 1.1 gave it."""
        return self.get_stream()

    @contextmanager
    def get_training_model_stream(self) -> Iterator[IO[bytes]]:
        """Opens what a helper reads, for a `with` statement: the model's file, or the parameters in a file of Scaleout 1.1.

        Raises:
            ValueError: the file is a damaged one of Scaleout 1.1.
        """
        with self.get_stream() as stream:
            parameters = _parameters(stream)
            if parameters is None:
                stream.seek(0)
                yield stream
                return
            with parameters:
                yield parameters

    def get_filechunk_stream(self, chunk_size: int = CHUNK_SIZE) -> Iterator[FileChunk]:
        """Yields the model's file in pieces.

        Args:
            chunk_size: The bytes of a piece; the last may have fewer.

        Raises:
            ValueError: pieces of that size lead nowhere.
        """
        if chunk_size < 1:
            raise ValueError(f"chunk_size is {chunk_size}; a piece has at least one byte")
        return self._chunks(chunk_size)

    def _chunks(self, size: int) -> Iterator[FileChunk]:
        with self.get_stream() as stream:
            while data := stream.read(size):
                yield FileChunk(data=data)

    def get_model_params(self, helper: Any = None) -> Any:
        """Returns the parameters.

        Args:
            helper: From `get_helper`; None: the one that the model has since it was made or last read.

        Raises:
            ValueError: there is no helper, or the model's file is none of its files.
        """
        self.helper = _required(helper or self.helper)
        with self.get_training_model_stream() as stream:
            return self.helper.load(stream)

    def get_training_model(self, helper: Any = None) -> Any:
        """As `get_model_params`, by the name that Scaleout 1.1 gave it."""
        return self.get_model_params(helper)

    def save_to_file(self, file_path: str | Path) -> None:
        """Writes the model's file."""
        with self.get_stream() as stream, open(file_path, "wb") as file:
            shutil.copyfileobj(stream, file, CHUNK_SIZE)

    @property
    def checksum(self) -> str:
        """The sha256 of the model's file, in hexadecimal."""
        if self._checksum is None:
            digest = hashlib.sha256()
            for chunk in self.get_filechunk_stream():
                digest.update(chunk.data)
            self._checksum = digest.hexdigest()
        return self._checksum

    def verify_checksum(self, checksum: str | None) -> bool:
        """Returns whether a checksum is that of the model's file; None is no checksum, and nothing speaks against it."""
        return checksum is None or self.checksum == checksum


def _new_file() -> tempfile.SpooledTemporaryFile[bytes]:
    return tempfile.SpooledTemporaryFile(max_size=_MOST_IN_MEMORY)


def _required(helper: Any) -> Any:
    if helper is None:
        raise ValueError('no helper is given to read the parameters with; pass one: get_helper("numpyhelper")')
    if not (hasattr(helper, "save") and hasattr(helper, "load")):
        raise TypeError(f'{helper!r} is no helper; pass what get_helper("numpyhelper") returns')
    return helper


def _parameters(stream: IO[bytes]) -> IO[bytes] | None:
    """The parameters in a file of Scaleout 1.1, opened; None if it is another file."""
    if not {_PARAMETERS, _METADATA} <= set(names_in_zip(stream) or ()):
        return None
    try:
        return zipfile.ZipFile(stream).open(_PARAMETERS)
    except Exception as error:  # a damaged archive has many errors
        raise ValueError(f"the model's file is damaged: its {_PARAMETERS} cannot be read ({error})") from error
