"""Properties that hold for generated cells."""

from __future__ import annotations

import symtable
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from reson_jupyter.capture.text.cell import parse
from reson_jupyter.capture.text.module import assemble, pieces_of
from reson_jupyter.capture.text.names import SUPPLIED
from reson_jupyter.capture.text.reach import reach

from .shipping import cell_lines

NAMES = ["a", "b", "c", "d", "e"]
IMPORTS = ["import math", "import os.path", "from math import pi, tau", "import json as codec, math", "from math import *"]
IMPORTED = {"math": "math.pi", "os": "os.sep", "pi": "pi", "codec": "codec.dumps(1)", "floor": "floor(1.5)"}


@st.composite
def expressions(draw: st.DrawFn, known: list[str], depth: int = 0) -> str:
    """An expression over names that exist where it is evaluated."""
    simple = ["1", "'x'", "(2, 3)", *(f"str({name})" for name in known)]
    if depth > 1:
        return draw(st.sampled_from(simple))
    inner = draw(expressions(known, depth + 1))
    other = draw(expressions(known, depth + 1))
    return draw(
        st.sampled_from(
            [
                *simple,
                f"[{inner} for i in range(2) if i]",
                f"(lambda a, *, b={other}: (a, b, {inner}))(1)",
                f"{{k: ({inner}, v) for k, v in [(1, {other})]}}",
                f"f'{{{inner}!r}}'" if "'" not in inner else inner,
                f"[w := {inner}, w]",
                f"({inner}, {other})",
            ]
        )
    )


@st.composite
def statements(draw: st.DrawFn, known: list[str], everything: list[str], target: str) -> str:
    """A top-level statement that binds `target`; functions may use names that are bound later."""
    now, late = draw(expressions(known)), draw(expressions(everything))
    kinds = [
        f"{target} = {now}",
        f"{target}: object = {now}  # comment",
        f"{target}, z = {now}, 1",
        f"def {target}(p={now}):\n  q = {late}\n  def inner():\n    nonlocal q\n    return q, {late}\n  return p, inner",
        f"{target} = {now}\n{target} = ({target}, {now})",
        f"{target} = {{}}\n{target}['k'] = {now}",
        f"{target} = [{now}]\n{target} += [{now}]",
        f"class {target}:\n    value = {now}\n    def method(self):\n        # comment\n        return __class__, {late}",
        f"if len(str({now})) > 3:\n    {target} = {now}\nelse:\n    def {target}():\n        return {late}",
        f"try:\n    import no_such_module as {target}\nexcept ImportError:\n    {target} = {now}",
        f"@(lambda f: f)\ndef {target}(x={now}):\n    match x:\n        case (1, y):\n            return y\n    return {late}",
    ]
    return draw(st.sampled_from(kinds))


@st.composite
def cells(draw: st.DrawFn) -> str:
    """A cell that runs; its last definition is `Target`."""
    lines = draw(st.lists(st.sampled_from(IMPORTS), max_size=4))
    given_names = {"import math": ["math"], "import os.path": ["os"], "from math import pi, tau": ["pi"]}
    given_names |= {"import json as codec, math": ["codec", "math"], "from math import *": ["floor"]}
    known = sorted({name for line in lines for name in given_names[line]})
    order = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6))
    everything = sorted({*known, *order})
    for target in order:
        lines.append(draw(statements(known, everything, target)))
        known = sorted({*known, target})
        lines.append(draw(st.sampled_from(["", f"print({known[-1]})", "for i in range(2): pass", "# comment\n", "pass; 3"])))
    cell = "\n".join([*lines, draw(statements(everything, everything, "Target")), ""])
    assume(compiles(cell))
    return cell


def compiles(cell: str) -> bool:
    try:
        compile(cell, "<cell>", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def module_of(cell: str) -> str:
    parsed = parse(cell)
    reached = reach(parsed.units, ["Target"])
    assert reached.missing == ()
    return assemble(pieces_of(parsed, reached)).source


def free_names(source: str) -> set[str]:
    """Names that a module reads and does not bind, as Python's symbol table says."""
    top = symtable.symtable(source, "module", "exec")
    bound = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    tables, read = [top], set[str]()
    while tables:
        table = tables.pop()
        read |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global() and symbol.is_referenced()}
        bound |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_declared_global() and symbol.is_assigned()}
        tables += table.get_children()
    return read - bound


def value_of(namespace: dict[str, Any]) -> str:
    """What the target is, in text that does not depend on where it was made."""
    target = namespace["Target"]
    if isinstance(target, type):
        return repr((target.value, target().method()))  # type: ignore[attr-defined]
    if callable(target):
        first, *rest = target() if isinstance(target(), tuple) else (target(),)
        return repr((first, [item() if callable(item) else item for item in rest]))
    return repr(target)


def ran(source: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "cell", "print": lambda *_: None}
    exec(compile(source, "<cell>", "exec", dont_inherit=True), namespace)
    return namespace


def anonymous(text: str) -> str:
    import re

    return re.sub(r" at 0x[0-9a-f]+", "", text)


many = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


@many
@given(cells())
def test_what_ships_compiles_and_is_a_fixed_point(cell: str) -> None:
    shipped = module_of(cell)
    compile(shipped, "module", "exec")
    assert module_of(shipped) == shipped


@many
@given(cells())
def test_what_ships_has_no_free_names(cell: str) -> None:
    shipped = module_of(cell)
    star = {"floor", "pi", "tau"} if "import *" in shipped else set()
    assert free_names(shipped) - SUPPLIED - star == set()


@many
@given(cells())
def test_what_ships_does_what_the_cell_did(cell: str) -> None:
    try:
        here = ran(cell)
        expected = value_of(here)
    except (RecursionError, NameError, TypeError):
        # Not every generated program runs; a cell that raised is never captured.
        return
    assert anonymous(value_of(ran(module_of(cell)))) == anonymous(expected)


@many
@given(cells())
def test_every_line_that_ships_is_a_line_of_the_cell(cell: str) -> None:
    parsed = parse(cell)
    module = assemble(pieces_of(parsed, reach(parsed.units, ["Target"])))
    lines = cell.split("\n")
    for text, line in zip(module.source.splitlines(), cell_lines(module), strict=True):
        assert text == lines[line - 1] if line and " import " not in f" {text}" else True


@many
@given(st.text(alphabet="ab%!?=() \n'\"#;:\\x@[]{},.", max_size=60))
def test_any_text_is_read_or_refused_never_a_crash(text: str) -> None:
    from reson_jupyter.errors import CaptureError

    try:
        cell = parse(text)
    except CaptureError:
        return
    for unit in cell.units:
        assert unit.first <= unit.last
