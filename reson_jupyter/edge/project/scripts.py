"""The scripts that scaleout.yaml names: whether they ship, and define what is called in them."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping
from pathlib import Path

from ...capture.text.names import bound_in, parsed
from ...errors import ProjectError
from ...names import printable
from .module_names import is_taken
from .problems import Problems
from .yaml_file import PROJECT_FILE

_SIGNATURES = {"startup": "startup(client)", "build": "build()"}
# With how many arguments each is called.
_GIVEN = {"startup": 1, "build": 0}


def check_scripts(scripts: Mapping[str, str], files: Mapping[str, bytes], folder: Path, problems: Problems) -> None:
    """Makes sure that scripts ship and define what is called in them.

    Args:
        scripts: The scripts' paths, by the function that is called in each: "startup" or "build".
        files: What ships, by path.
        folder: The project's folder.
        problems: Takes note of one that does not, or that defines what cannot be called as it will be.
    """
    for name, script in scripts.items():
        with problems.noted():
            _check_file(name, script, files, folder)
            _check_script(_tree(files[script], folder / script), name, folder / script)


def _check_file(name: str, script: str, files: Mapping[str, bytes], folder: Path) -> None:
    if script not in files:
        # Unlike Path.is_file, it is False also for what no file can be called.
        there = os.path.isfile(folder / script)
        problem = "is left out by .scaleoutignore" if there else "is not there"
        raise ProjectError(
            f"{folder / PROJECT_FILE} has {name}: {printable(script):.200}, which {problem}", f"Put it beside {PROJECT_FILE}."
        )
    if is_taken(script):
        stem = script.removesuffix(".py")
        hint = f"Rename it, for example {name}_{stem}.py, also in {PROJECT_FILE}."
        raise ProjectError(f"{folder / script}: the sites have another module {stem}, which this would displace", hint)


def _tree(data: bytes, file: Path) -> ast.Module:
    """A script, parsed as Python itself would read it: with its mark of byte order, or its line about the coding."""
    try:
        return parsed(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else error
        hint = "Correct the file and try again; it is read anew each time."
        raise ProjectError(f"{file}{line}: this is no Python: {reason}", hint) from None


def _check_script(tree: ast.Module, name: str, file: Path) -> None:
    bound = set(bound_in(tree.body))
    if name not in bound and "*" not in bound:  # a star import may bring any name
        raise ProjectError(f"{file} defines no {name}", f"Define {_SIGNATURES[name]} at its top level.")
    binding = [node for node in tree.body if name in bound_in([node])]
    # What a decorator or another statement makes of it, only running it can tell.
    if len(binding) == 1 and isinstance(node := binding[0], ast.FunctionDef | ast.AsyncFunctionDef) and not node.decorator_list:
        _check_function(node, file)


def _check_function(node: ast.FunctionDef | ast.AsyncFunctionDef, file: Path) -> None:
    name, place = node.name, f"{file}, line {node.lineno}"
    if isinstance(node, ast.AsyncFunctionDef):
        raise ProjectError(f"{place}: {name} is async, and nobody would await it", f"Write def {_SIGNATURES[name]}:")
    if not _takes(node.args, _GIVEN[name]):
        given = ast.unparse(node.args)
        raise ProjectError(f"{place}: {name}({given}) is called as {_SIGNATURES[name]}", f"Write def {_SIGNATURES[name]}:")


def _takes(arguments: ast.arguments, given: int) -> bool:
    """Whether a function can be called with so many arguments without names."""
    most = len(arguments.posonlyargs) + len(arguments.args)
    least = most - len(arguments.defaults)
    return least <= given and (given <= most or arguments.vararg is not None) and None not in arguments.kw_defaults
