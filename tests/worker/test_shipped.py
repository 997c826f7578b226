"""Of the files that are appended to a user's script none gets in another's way, nor in the user's."""

from __future__ import annotations

import ast
import builtins
from pathlib import Path

import numpy as np
import pytest
import torch

import reson_jupyter.worker
from reson_jupyter.worker import CLIENT, CLIENT_FEDERATED, SERVER, SERVER_FEDERATED, Name, source

from .test_adapter_loading import hints_of, top_level

CLASSES = {
    "ResonMessenger", "ResonAgent", "ResonPreparation",
    "ResonReporter", "ResonControl", "ResonFinalValidation", "ResonPreflight", "ResonRounds", "ResonLink",
}  # fmt: skip
JOINED = {"client": CLIENT + CLIENT_FEDERATED, "server": SERVER + SERVER_FEDERATED}


@pytest.fixture(params=JOINED)
def files(request: pytest.FixtureRequest) -> tuple[Name, ...]:
    return JOINED[request.param]


def test_no_file_uses_another_name_than_its_own_and_those_of_the_files_before_it(files: tuple[Name, ...]) -> None:
    seen: set[str] = set()
    values: dict[str, str] = {}
    for file in files:
        assert "from ." not in source(file)
        own = top_level(tree := ast.parse(source(file)))
        # A plain value, such as the name of a task, may be the same in several, so that each stands for itself.
        again = {
            node.targets[0].id: ast.unparse(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        assert all(values[name] == again.get(name) for name in own & seen), f"{file}: {own & seen}"
        values |= again
        assert {name for name in own if not name.startswith("_reson_")} <= CLASSES, file
        genuine = ast.parse(Path(reson_jupyter.worker.__file__).with_name(f"{file}.py").read_text())
        siblings = [node for node in ast.walk(genuine) if isinstance(node, ast.ImportFrom) and node.level]
        assert all(alias.name in seen and alias.asname is None for node in siblings for alias in node.names), file
        seen |= own


def test_every_import_has_a_name_of_ours_and_the_same_one_in_all_files(files: tuple[Name, ...]) -> None:
    meanings: dict[str, set[str]] = {}
    for file in files:
        for node in ast.walk(ast.parse(source(file))):
            for alias in node.names if isinstance(node, (ast.Import, ast.ImportFrom)) else []:
                assert alias.asname and alias.asname.startswith("_reson_"), f"{file}: {alias.name}"
                meanings.setdefault(alias.asname, set()).add(f"{getattr(node, 'module', '')}.{alias.name}")
    assert {name: found for name, found in meanings.items() if len(found) > 1} == {}


def test_no_file_uses_a_builtin_that_a_star_import_replaces(files: tuple[Name, ...]) -> None:
    replaced = {*torch.__all__, *np.__all__} & set(dir(builtins))
    for file in files:
        tree = ast.parse(source(file))
        hints = {id(child) for node in ast.walk(tree) for hint in hints_of(node) for child in ast.walk(hint)}
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in hints}
        assert not used & replaced, file


def test_no_name_of_a_function_is_an_import_of_another_file(files: tuple[Name, ...]) -> None:
    defined, imported = set[str](), set[str]()
    for file in files:
        tree = ast.parse(source(file))
        defined |= top_level(tree)
        imported |= {
            alias.asname or ""
            for node in ast.walk(tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        }
    assert not (defined & imported) - {"_reson_requirements", "_reson_version"}  # None where there is no such package


def test_all_of_it_can_be_read_by_the_oldest_python_that_nvflare_takes() -> None:
    for file in {*CLIENT, *CLIENT_FEDERATED, *SERVER, *SERVER_FEDERATED}:
        ast.parse(source(file), feature_version=(3, 9))
