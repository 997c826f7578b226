"""A traceback from a site is told in the notebook's terms."""

from __future__ import annotations

import linecache
import textwrap
import traceback
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reson_jupyter.backend.failure.explain import DEFAULT_TRAINING, Explained, explain
from reson_jupyter.source_map import SourceMap
from tests.patience import cpu_seconds

SITE = "/tmp/reson-1/workspace/site-2/simulate_job/app_site-2/custom"
MODEL = f"{SITE}/model_def.py"
# Line n of the script is line n + 1 of the cell, below the magic's line; what is below line 40 is not the user's.
SOURCES = {"model_def.py": SourceMap.of(("In[4]", number + 1) for number in range(1, 41))}
NUMBERS = count()


def define(source: str, path: str = MODEL) -> dict[str, Any]:
    """Runs a script as if it stood at that path of a site; returns its names."""
    text = textwrap.dedent(source).removeprefix("\n")
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    names: dict[str, Any] = {"__name__": f"script_{next(NUMBERS)}"}
    exec(compile(text, path, "exec"), names)
    return names


def explained(call: Callable[[], object]) -> Explained:
    """Calls as the executor does, and explains what it says."""
    try:
        call()
    except Exception as error:
        return explain(f"{type(error).__name__}: {error}".splitlines()[0], traceback.format_exc(), SOURCES)
    raise AssertionError("it raised nothing")


def places(failure: Explained) -> list[tuple[str, str]]:
    return [(frame.where, frame.function) for frame in failure.frames]


def test_the_place_to_look_at_is_the_innermost_line_of_the_users_own_code() -> None:
    site = define(
        """
        import torch

        def forward(x):
            return torch.nn.functional.linear(x, torch.zeros(10, 256))

        def fl_train(model):
            return forward(torch.zeros(8, 512))
        """
    )
    failure = explained(lambda: site["fl_train"](None))
    assert failure.message == "RuntimeError: mat1 and mat2 shapes cannot be multiplied (8x512 and 256x10)"
    assert places(failure) == [("In[4], line 8", "fl_train"), ("In[4], line 5", "forward")]
    assert failure.where is failure.frames[-1]
    assert failure.where.text == "return torch.nn.functional.linear(x, torch.zeros(10, 256))"
    assert failure.sentence.startswith("In[4], line 5: RuntimeError: mat1")
    assert "256 inputs and got 512" in failure.cause and "img_size" in failure.fix


def test_every_shipped_line_of_the_traceback_is_called_by_its_cell() -> None:
    site = define("def fl_train():\n    raise ValueError('bad luck')\n")
    failure = explained(site["fl_train"])
    assert 'File "In[4]", line 3, in fl_train\n    raise ValueError' in failure.traceback
    assert SITE not in failure.traceback
    assert f'File "{__file__}"' in failure.traceback, "what did not ship keeps its name"


def test_lines_below_the_users_are_the_default_training() -> None:
    site = define("\n" * 51 + "def rt_train_model():\n    raise OSError('a broken image')\n")
    failure = explained(site["rt_train_model"])
    assert failure.where is None and failure.frames == ()
    assert f'File "{DEFAULT_TRAINING}", line 52, in rt_train_model' in failure.traceback
    assert failure.sentence == "OSError: a broken image"


def test_a_module_of_the_users_keeps_its_own_lines() -> None:
    site = define("def block():\n    return 1 / 0\n", f"{SITE}/mymodels/blocks.py")
    failure = explained(site["block"])
    assert places(failure) == [("mymodels/blocks.py, line 2", "block")]


def test_a_folder_called_custom_can_be_the_users_or_a_librarys() -> None:
    own = define("def block():\n    return 1 / 0\n", f"{SITE}/custom/blocks.py")
    assert places(explained(own["block"])) == [("custom/blocks.py, line 2", "block")]
    for installed in ("/venv/lib/python3.11/site-packages/fancy/custom/blocks.py", "/apps/custom/lib/python3.11/json/decoder.py"):
        library = define("def block():\n    return 1 / 0\n", installed)
        assert explained(library["block"]).where is None


def test_our_own_executor_is_not_the_users_but_a_users_executor_is() -> None:
    ours = define("def execute():\n    return 1 / 0\n", f"{SITE}/custom_client_executor.py")
    failure = explained(ours["execute"])
    assert failure.where is None and 'File "custom_client_executor.py", line 2, in execute' in failure.traceback
    sources = {"custom_client_executor.py": SourceMap.of([("In[7]", 2), ("In[7]", 3)])}
    theirs = explain("", failure.traceback.replace("custom_client", f"{SITE}/custom_client"), sources)
    assert places(theirs) == [("In[7], line 3", "execute")]


def test_a_run_that_knows_no_lines_keeps_the_scripts_names() -> None:
    site = define("def fl_train():\n    return 1 / 0\n")
    try:
        site["fl_train"]()
    except ZeroDivisionError:
        failure = explain("ZeroDivisionError: division by zero", traceback.format_exc(), {})
    assert failure.where is None
    assert 'File "model_def.py", line 2, in fl_train' in failure.traceback


def test_of_chained_exceptions_the_last_one_is_the_failure() -> None:
    site = define(
        """
        def load():
            return {}["key"]

        def fl_train():
            try:
                load()
            except KeyError as error:
                raise RuntimeError("no data") from error
        """
    )
    failure = explained(site["fl_train"])
    assert failure.message == "RuntimeError: no data"
    assert places(failure) == [("In[4], line 9", "fl_train")]
    assert "The above exception was the direct cause" in failure.traceback


def test_where_a_library_wraps_the_users_exception_the_users_lines_are_those_of_what_it_wraps() -> None:
    site = define("def forward():\n    raise KeyError('key')\n")

    def library() -> None:
        try:
            site["forward"]()
        except KeyError:
            raise TypeError("Can't load class model_def.Net") from None

    def chaining() -> None:
        try:
            site["forward"]()
        except KeyError:
            raise TypeError("Can't load class model_def.Net")  # noqa: B904 - as NVFlare does it

    assert explained(library).where is None
    assert places(explained(chaining)) == [("In[4], line 3", "forward")]


def test_an_error_log_is_searched_for_the_exception_that_the_message_names() -> None:
    log = f"""2026-11-22 04:32:26,079 - JsonScanner - ERROR - Traceback (most recent call last):
  File "/usr/lib/python3.11/importlib/__init__.py", line 126, in import_module
    return _bootstrap._gcd_import(name[level:], package, level)
  File "<frozen importlib._bootstrap>", line 1204, in _gcd_import
  File "{MODEL}", line 1, in <module>
    import a_package_that_nobody_has
ModuleNotFoundError: No module named 'a_package_that_nobody_has'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/nvflare/fuel/utils/class_loader.py", line 53, in load_class
    raise TypeError(f"Can't load class {{class_path}}: {{ex}}")
TypeError: Can't load class model_def.Net: No module named 'a_package_that_nobody_has'

2026-11-22 04:32:26,080 - ClientTaskWorker - ERROR - do_one_task execute exception: ConfigError
"""
    failure = explain("ModuleNotFoundError: No module named 'a_package_that_nobody_has'", log, SOURCES)
    assert places(failure) == [("In[4], line 2", "<module>")]
    assert failure.where and failure.where.text == "import a_package_that_nobody_has"
    assert failure.cause == "The package a_package_that_nobody_has is not installed there."


def test_a_syntax_error_is_at_the_line_that_cannot_be_parsed() -> None:
    failure = explained(lambda: compile("x = 1\nreturn = 2\n", MODEL, "exec"))
    assert failure.message.startswith("SyntaxError: invalid syntax")
    assert places(failure) == [("In[4], line 3", "")]
    assert failure.where and failure.where.text == "return = 2"


def test_calls_that_python_folds_are_no_hindrance() -> None:
    site = define("def deeper(n):\n    return deeper(n + 1)\n")
    failure = explained(lambda: site["deeper"](0))
    assert "more times]" in failure.traceback
    assert failure.where and failure.where.where == "In[4], line 3"
    assert failure.message.startswith("RecursionError: ")
    assert failure.cause


def test_of_a_group_the_first_member_in_the_users_code_is_the_place() -> None:
    site = define(
        """
        def one():
            raise ValueError("first")

        def fl_train():
            errors = []
            for call in (one, one):
                try:
                    call()
                except ValueError as error:
                    errors.append(error)
            raise ExceptionGroup("both", errors)
        """
    )
    failure = explained(site["fl_train"])
    assert failure.message == "ExceptionGroup: both (2 sub-exceptions)"
    assert places(failure) == [
        ("In[4], line 12", "fl_train"),
        ("In[4], line 9", "fl_train"),
        ("In[4], line 3", "one"),
    ]
    assert 'File "In[4]", line 3, in one' in failure.traceback


def test_what_a_worker_process_of_a_data_loader_raised_is_found_in_its_message() -> None:
    from torch._utils import ExceptionWrapper

    site = define("def __getitem__(self, index):\n    raise ValueError('sample 7 has no label')\n")

    def load() -> None:
        try:
            site["__getitem__"](None, 7)
        except ValueError:
            wrapped = ExceptionWrapper(where="in DataLoader worker process 0")
        wrapped.reraise()

    failure = explained(load)
    assert failure.message == "ValueError: sample 7 has no label"
    assert places(failure) == [("In[4], line 3", "__getitem__")]


def test_messages_of_many_lines_are_told_by_their_first() -> None:
    site = define("def fl_train():\n    raise RuntimeError('it broke\\n  File of yours\\n\\nmany times\\n' * 3)\n")
    failure = explained(site["fl_train"])
    assert failure.message == "RuntimeError: it broke"
    assert places(failure) == [("In[4], line 3", "fl_train")]


def test_python_313_writes_statements_of_several_lines_and_is_understood() -> None:
    text = f"""Traceback (most recent call last):
  File "{MODEL}", line 8, in fl_train
    return forward(
        x,
    ...<2 lines>...
        bias,
    )
  File "{MODEL}", line 4, in forward
    return self.fc(x)
           ~~~~~~~^^^
ValueError: bad luck
"""
    failure = explain("ValueError: bad luck", text, SOURCES)
    assert places(failure) == [("In[4], line 9", "fl_train"), ("In[4], line 5", "forward")]
    assert [frame.text for frame in failure.frames] == ["return forward(", "return self.fc(x)"]


def test_a_message_is_taken_from_the_traceback_when_there_is_none() -> None:
    failure = explain("", f'Traceback (most recent call last):\n  File "{MODEL}", line 3, in fl_train\nKeyError\n', SOURCES)
    assert failure.message == "KeyError" and failure.where and failure.where.text == ""


def test_a_traceback_whose_beginning_was_cut_off_still_tells_its_end() -> None:
    site = define("def fl_train():\n    raise ValueError('bad luck')\n")
    whole = explained(site["fl_train"])
    raw = whole.traceback.replace('"In[4]", line 3', f'"{MODEL}", line 2')
    cut = explain(whole.message, raw[60:], SOURCES)
    assert places(cut) == places(whole)


def test_what_is_no_traceback_is_passed_on_as_it_is() -> None:
    assert explain("site-2 answered EXECUTION_EXCEPTION", "", SOURCES) == Explained("site-2 answered EXECUTION_EXCEPTION")
    said = explain("ValueError: bad", "nothing that Python writes", SOURCES)
    assert (said.where, said.traceback) == (None, "nothing that Python writes")


PARTS = st.sampled_from(
    [
        "Traceback (most recent call last):",
        "Original Traceback (most recent call last):",
        "  + Exception Group Traceback (most recent call last):",
        f'  File "{MODEL}", line 3, in f',
        f'  |   File "{MODEL}", line 99999999999999999999, in f',
        '  File "", line , in ',
        "    return x",
        "           ^^^",
        "  [Previous line repeated 9 more times]",
        "  +-+---------------- 1 ----------------",
        "    | ValueError: {x}",
        "ValueError: {x} %s \\1",
        "The above exception was the direct cause of the following exception:",
        "",
        "\x00\ud800",
    ]
)


@given(st.text(), st.one_of(st.text(), st.lists(PARTS | st.text(max_size=5)).map("\n".join)))
def test_no_text_makes_it_raise(message: str, text: str) -> None:
    failure = explain(message, text, SOURCES)
    assert failure.traceback.count("\n") == text.count("\n")
    assert "\n" not in failure.message
    assert failure.frames == () or failure.where is failure.frames[-1]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=20), st.text(st.characters(exclude_categories=["C", "Zl", "Zp"])))
def test_every_line_of_a_users_call_path_is_found(lines: list[int], said: str) -> None:
    frames = "".join(f'  File "{MODEL}", line {line}, in f{line}\n    line_{line}(x)\n    ^^^^^^\n' for line in lines)
    text = f"Traceback (most recent call last):\n{frames}ValueError: {said}\n"
    failure = explain(f"ValueError: {said}", text, SOURCES)
    assert [(frame.where, frame.function, frame.text) for frame in failure.frames] == [
        (f"In[4], line {line + 1}", f"f{line}", f"line_{line}(x)") for line in lines
    ]


@pytest.mark.parametrize(
    "line",
    [
        f'Traceback (most recent call last):\n  File "{MODEL}", line 3, in f\n    x\nValueError: bad\n',
        "- + ",
        "a.b.",
        "/app/custom/",
        "mat1 and mat2 No such file or directory: 'manifest ",
    ],
)
def test_a_text_of_megabytes_is_explained_in_a_moment(line: str) -> None:
    text = line * (1_000_000 // len(line))
    traceback = f'Exception Group Traceback (most recent call last):\n  File "{text}", line 3\n{text}'
    assert cpu_seconds(lambda: explain(text, traceback, SOURCES)) < 2
