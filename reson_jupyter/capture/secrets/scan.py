"""Refuses to ship credentials: tokens of known forms anywhere, and literals under names such as `password`.

Python is parsed: "AKIA" + "..." is one text, and a docstring about passwords is none. In its comments and strings only values
that look generated count, and assignments that are commented out. Placeholders do not count: "changeme", "<token>", and the keys
of AWS's documentation, which contain EXAMPLE and open nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..text.names import parsed
from .credential_names import CREDENTIAL, credential_kind, is_generated
from .formats import personal, tokens
from .literals import given_literals

# Literals side by side, or escapes in them: the source may not show in one piece what Python reads.
_JOINED = re.compile(
    r"""["'](?=[\s+()\\\#])[\s+()\\]{0,200}(?:\#[^\n]*\n[\s+()\\]{0,200}){0,3}[A-Za-z]{0,2}["']
    | [^\s"'(,=]["']["'][^"'\s] | \\[xuUN0-7\n]""",
    re.VERBOSE,
)
_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
_MOST_PARSED = 1_000_000  # characters; longer texts are data, which Python would take long to parse
_COMMENTED = re.compile(r"\s*(?:#\s*)+")
_LONGEST_INDENT = 1_000
# A name with its value, in quotes or up to the end of the line: of Python's comments, JSON, .env, YAML, %env.
_GIVEN = re.compile(
    r"""([\w.-]{1,120}+)(?:
        \\?["']?\]?\s{0,5}(?::\s?\w{1,20}\s?(?==))?[:=](?!=)\s{0,5}[rbuf]?(\\?["'])(?P<quoted>[^"'\n\\]{1,500})\2
        | [ \t]{0,5}[:=](?!=)[ \t]{0,5}(?P<bare>[^\s"'(){}\[\],;\#]{4,500})[ \t]*(?:\#.*)?$)""",
    re.VERBOSE | re.MULTILINE,
)


@dataclass(frozen=True)
class Finding:
    """A place that should not be shipped; what stands there is not kept.

    Attributes:
        line: The line of the text (1-based).
        kind: What stands there, such as "an AWS access key".
        blocks: Whether it must not ship; otherwise (a path in a home folder, an e-mail address) people are only told.
    """

    line: int
    kind: str
    blocks: bool


def scan(text: str) -> tuple[Finding, ...]:
    """Returns the credentials in a text, and what of it names a person, ordered by line; it never fails."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    found = {Finding(_line(text, at), kind, True) for at, kind, _ in tokens(text)}
    found.update(Finding(_line(text, at), kind, False) for at, kind in personal(text))
    named = bool(CREDENTIAL.search(text))
    is_python = False
    if len(text) < _MOST_PARSED and (named or _JOINED.search(text)):
        try:
            found.update(Finding(line, kind, True) for line, kind in given_literals(parsed(text), text))
            is_python = True
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass  # not Python, or deeper than Python can parse: read as plain text
    if named:
        found.update(Finding(line, kind, True) for line, kind in _in_plain_text(text, is_python))
    return tuple(sorted(found, key=lambda one: (one.line, not one.blocks, one.kind)))


def scan_files(files: Mapping[str, bytes]) -> Iterator[tuple[str, Finding]]:
    """Yields what `scan` finds in files, with the file's name; a file with a zero byte is no text and is left out."""
    for name, data in files.items():
        if b"\0" not in data:
            yield from ((name, finding) for finding in scan(data.decode("utf-8-sig", errors="replace")))


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _in_plain_text(text: str, is_python: bool) -> Iterator[tuple[int, str]]:
    """Names with a value after them; the code of Python has been seen already, the rest of it is comments and prose."""
    for word in CREDENTIAL.finditer(text):
        before = text[max(0, word.start() - 40) : word.start()]
        match = _GIVEN.match(text, word.start() - len(before) + len(before.rstrip(_NAME)))
        if match is None:
            continue
        value = match["quoted"] or match["bare"]
        if is_generated(value) or _is_meant(text, match, is_python):
            kind = credential_kind(match[1], value)
            if kind and not any(tokens(value)):
                yield _line(text, match.start("quoted" if match["quoted"] else "bare")), kind


def _is_meant(text: str, match: re.Match[str], is_python: bool) -> bool:
    """Whether a value that a person may have chosen is given to a name, rather than spoken of."""
    if is_python:  # an assignment that is commented out
        # A look back over all of a line that has thousands of names would take quadratic time.
        start = text.rfind("\n", max(0, match.start() - _LONGEST_INDENT), match.start()) + 1
        return bool(match["quoted"] and _COMMENTED.fullmatch(text, start, match.start()))
    # In text that is nearly Python, `password = args.password` gives no literal.
    return bool(match["quoted"] or not re.fullmatch(r"\D*|[A-Za-z_]\w*(?:\.\w+)+", match["bare"]))
