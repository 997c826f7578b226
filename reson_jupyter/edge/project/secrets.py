"""Secrets in what a project ships, wherever they stand: in texts of any encoding, in binary files, and in names."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping

from ...capture.secrets.formats import tokens
from ...capture.secrets.leaks import find_leaks

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Texts in the midst of other bytes, of one byte or two for a letter; what is shorter is no credential of a known form.
_TEXTS = re.compile(rb"[\x20-\x7e]{16,}|(?:[\x20-\x7e]\0){16,}")


def find_secrets(files: Mapping[str, bytes], paths: Iterable[str]) -> tuple[str, ...]:
    """Returns sentences about the secrets that were found, by their places and never by their values.

    Args:
        files: The contents to look at, by path.
        paths: The paths to look at.
    """
    texts = {path: _as_utf_8(data) for path, data in files.items()}
    in_binaries = (sentence for path, data in texts.items() if b"\0" in data for sentence in _in_binary(path, data))
    return tuple(dict.fromkeys((*find_leaks(texts, {}).secrets, *in_binaries, *_in_names(paths))))


def _as_utf_8(data: bytes) -> bytes:
    """A text that says of itself that it is UTF-16, as editors on Windows write it, in UTF-8; any other bytes as they are."""
    return data.decode("utf-16", errors="replace").encode() if data.startswith(_UTF_16) else data


def _in_binary(path: str, data: bytes) -> Iterator[str]:
    text = b"\n".join(found.replace(b"\0", b"") for found in _TEXTS.findall(data)).decode("ascii")
    for _, kind, _ in tokens(text):
        yield f"{path}: {kind}"


def _in_names(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        for _, kind, value in tokens(path):
            yield f"{path.replace(value, '(...)')}: {kind} in its name"
