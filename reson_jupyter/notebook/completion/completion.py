"""Tab in a `%reson` line, and after the cell magics: verbs, flags, fields, their values, runs. Paths are left to IPython."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.interactiveshell import InteractiveShell

from ...capture.roles.contract import ROLES
from ..capturing.cell_parser import cell_parser
from ..commands.reson import reson_parser
from .line_place import NOTHING, Offer, offer

# `run = %reson ...` is a form of IPython's own, and a magic may stand in a block.
_LINE = re.compile(r"\s*(?:[^%=!?'\"#]+=\s*)?%reson\s+(.*)")
_CELL = re.compile(r"%%reson_(\w+)\s+(.*)")
_NAME = "reson_jupyter"
_FIRST = 100  # before IPython's own matchers

_Files = Callable[[CompletionContext], SimpleMatcherResult]
_log = logging.getLogger(__name__)


def complete_lines(shell: InteractiveShell) -> None:
    """Has a shell complete `%reson` lines and the flags of the cell magics."""
    completer = shell.Completer
    if completer is None or any(getattr(known, "matcher_identifier", "") == _NAME for known in completer.custom_matchers):
        return

    def match(context: CompletionContext) -> SimpleMatcherResult:
        try:
            return _matched(context, completer.file_matcher)
        except Exception:  # nothing may be in the way of writing a line
            _log.debug("a line could not be completed", exc_info=True)
            return {"completions": []}

    completer.custom_matchers.append(context_matcher(priority=_FIRST, identifier=_NAME)(match))


def _matched(context: CompletionContext, files: _Files) -> SimpleMatcherResult:
    offered = _offer(_whole_line(context))
    completions = [SimpleCompletion(text, type="param") for text in offered.texts]
    begun = offered.begun
    if offered.paths:
        # Of a word that is quoted, or begins with its flag, only IPython knows where the path begins.
        begun = context.token
        paths = sorted(files(context)["completions"], key=lambda path: not os.path.isdir(os.path.expanduser(path.text)))
        completions = [*paths, *(completions if begun == offered.begun else [])]
    # Python's names, which IPython would add, mean nothing in such a line.
    return {"completions": completions, "matched_fragment": begun, "suppress": True, "ordered": True}


def _offer(line: str) -> Offer:
    if found := _LINE.fullmatch(line):
        return offer(reson_parser(), found[1])
    if (found := _CELL.fullmatch(line)) and found[1] in ROLES:
        return offer(cell_parser(found[1]), found[2])
    return NOTHING


def _whole_line(context: CompletionContext) -> str:
    """The line until the cursor, with those above that a backslash joins to it."""
    above = context.full_text.split("\n")[: context.cursor_line]
    line = context.text_until_cursor
    while above and above[-1].endswith("\\"):
        line = f"{above.pop()[:-1]} {line}"
    return line
