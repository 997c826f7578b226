"""Names that nobody vouches for, as people may see them."""

from __future__ import annotations


def printable_lines(text: str) -> str:
    """Returns a text of several lines with what else is not printable escaped."""
    return "\n".join(map(printable, text.split("\n")))


def printable(text: str) -> str:
    """Returns a text in which what is not printable is escaped as Python does it, so that a line break is a backslash and an n.

    Such marks in a file's name would colour a terminal, turn a line around or make one up; half a character cannot even
    be written.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
