"""Running a cell from inside a magic as the shell would run it by itself."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell


def run_as_cell(shell: InteractiveShell, text: str, number: int) -> None:
    """Runs a cell's text: same namespace, last expression displayed, top-level await, the cell's own number in tracebacks.

    `shell.run_cell` would fire every hook a second time, take the number of the next cell, and leave the outer cell marked as
    successful after an error.

    Args:
        shell: The kernel's shell.
        text: The cell, with as many lines above the code as the user sees, so that line numbers are those of the cell.
        number: The cell's number.

    Raises:
        BaseException: what the cell raised. It has been shown; the shell will not show it again.
    """
    info = ExecutionInfo(text, False, False, True, None)
    result = ExecutionResult(info)
    with shell.builtin_trap, shell.display_trap:
        try:
            transformed = shell.transform_cell(text)
            file_name = shell.compile.cache(transformed, number, raw_code=text)
            tree = shell.transform_ast(shell.compile.ast_parse(transformed, filename=file_name))
        except Exception as error:
            shell.showtraceback()
            _hide_next(shell, error)
            raise
        quiet = DisplayHook.semicolon_at_end_of_expression(transformed)
        interactivity = "none" if quiet else shell.ast_node_interactivity
        coroutine = shell.run_ast_nodes(tree.body, file_name, interactivity, shell.compile, result)
        _complete(shell, coroutine, shell.should_run_async(text, transformed_cell=transformed))
    if result.error_in_exec is not None:
        _hide_next(shell, result.error_in_exec)
        raise result.error_in_exec


def _complete(shell: InteractiveShell, coroutine: Coroutine[Any, Any, object], awaits: bool) -> None:
    if not awaits:
        with suppress(StopIteration):
            coroutine.send(None)
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        shell.loop_runner(coroutine)
        return
    # A kernel's loop is busy with this very magic, so the cell gets a loop of its own, on a thread of its own.
    context = contextvars.copy_context()
    with ThreadPoolExecutor(max_workers=1) as executor:
        executor.submit(context.run, asyncio.run, coroutine).result()


def _hide_next(shell: InteractiveShell, error: BaseException) -> None:
    """Keeps the shell from showing `error` once more when it leaves the magic."""
    show = shell.showtraceback

    def once(exc_tuple: Any = None, *args: Any, **kwargs: Any) -> None:
        shell.showtraceback = show  # type: ignore[method-assign]
        value = exc_tuple[1] if exc_tuple else sys.exc_info()[1]
        if value is not error:
            show(exc_tuple, *args, **kwargs)

    shell.showtraceback = once  # type: ignore[method-assign]
