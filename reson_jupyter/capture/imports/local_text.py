"""The text of a user's Python file, if it is one that can ship."""

from __future__ import annotations

import tokenize
from importlib.util import decode_source
from io import BytesIO
from pathlib import Path

from ...errors import CaptureError
from ..text.names import parsed


def read_text(file: Path, path: str, where: str) -> str:
    r"""Reads a module's file, its line ends as "\n".

    Args:
        file: The file.
        path: What people call it, such as "mymodels/blocks.py".
        where: What imports it, such as "In[4], line 3".

    Raises:
        CaptureError: it is no Python source in UTF-8.
    """
    if any(parent.is_file() for parent in file.parents):
        archive = next(parent for parent in file.parents if parent.is_file())
        raise CaptureError(f"{where}: {path} lies in {archive.name}, and only plain files ship", f"Unpack {archive.name}.")
    if file.suffix != ".py":
        raise CaptureError(
            f"{where}: {file.name} is no Python source, and only that ships",
            "Install it on every site, or import something else.",
        )
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CaptureError(f"{where}: {path} cannot be read: {error.strerror}", "Put the file back, or import less.") from None
    try:
        encoding, _ = tokenize.detect_encoding(BytesIO(data).readline)
        if not data.isascii() and encoding not in ("utf-8", "utf-8-sig"):
            raise CaptureError(f"{path} is written in {encoding}, and what ships is UTF-8", "Save it as UTF-8.")
        text = decode_source(data)
        parsed(text)
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else "it is no text in UTF-8"
        raise CaptureError(
            f"{path}{line}: {reason}", "Correct the file; it must be plain Python, without IPython's own syntax."
        ) from None
    return text
