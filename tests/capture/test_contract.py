"""Which functions the worker will call and how, and what the other roles must be."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from reson_jupyter.capture.contract import accepts_num_classes, contract_functions, is_a, require_class
from reson_jupyter.errors import CaptureError

from .shipping import ship


def contract_of(signature: str, name: str = "fl_train_model") -> str:
    namespace: dict[str, Any] = {}
    exec(f"def {name}{signature}: ...", namespace)
    (found,) = contract_functions({name: namespace[name]}, "In[1]")
    return found.contract


@pytest.mark.parametrize(
    "signature",
    ["(payload)", "(payload, out_dir, logger)", "(payload, out_dir, logger=None)", "(payload, out_dir)", "(payload, logger=None)",
     "(data)", "(payload, *, out_dir, logger)", "(payload, **rest)", "(payload, folder, log)",
     "(payload, out_dir, logger, extra=1)"],
)  # fmt: skip
def test_these_take_a_payload(signature: str) -> None:
    assert contract_of(signature) == "payload"


@pytest.mark.parametrize(
    "signature",
    ["(model, env, out_dir, logger)", "(model, env, out_dir, logger=None)", "(model, env, out_dir)", "(net, env, folder, log)",
     "(model, env, out_dir, *, logger)", "(model, env, out_dir, logger, debug=False)"],
)  # fmt: skip
def test_these_take_model_and_environment_under_either_name(signature: str) -> None:
    assert contract_of(signature) == contract_of(signature, "fl_train") == "model"


@pytest.mark.parametrize(
    ("signature", "name"),
    [("()", "fl_train_model"), ("(*, payload)", "fl_train_model"), ("(**everything)", "fl_train"), ("(payload)", "fl_train"),
     ("(model, env, out_dir, logger, extra)", "fl_train"), ("(payload, a, b, c)", "fl_train_model"),
     ("(a, b, c, *, extra)", "fl_train")],
)  # fmt: skip
def test_any_other_signature_is_refused_with_the_known_ones(signature: str, name: str) -> None:
    with pytest.raises(CaptureError, match=f"In\\[1\\]: {name}\\(.*has a signature that no contract knows") as caught:
        contract_of(signature, name)
    assert "fl_train(model, env, out_dir, logger)" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["async def fl_train(model, env, out_dir): ...", "def fl_train(model, env, out_dir): yield 1"])
def test_async_functions_and_generators_are_refused(text: str) -> None:
    with pytest.raises(CaptureError, match="must be a plain function"):
        ship(text + "\n", "train")


def test_something_that_is_no_function_is_refused() -> None:
    with pytest.raises(CaptureError, match="fl_train is no function but a int"):
        ship("fl_train = 3\n", "train")


def test_two_train_functions_are_refused() -> None:
    with pytest.raises(CaptureError, match="defines both fl_train and fl_train_model"):
        ship("def fl_train(model, env, out_dir): ...\ndef fl_train_model(payload): ...\n", "train")


def test_a_train_cell_without_a_train_function_is_refused_with_the_signatures() -> None:
    with pytest.raises(CaptureError, match="defines no train function\n  Write one of: fl_train_model"):
        ship("def train(model): ...\n", "train")


def test_a_validate_function_ships_beside_the_train_function() -> None:
    capture = ship("def fl_train(model, env, out_dir): ...\ndef fl_validate(model, env, out_dir): ...\n", "train")
    assert [(known.name, known.purpose, known.contract) for known in capture.functions] == [
        ("fl_train", "train", "model"),
        ("fl_validate", "validate", "model"),
    ]
    assert capture.name == "fl_train"


def test_a_decorated_train_function_is_known_by_what_it_wraps() -> None:
    decorator = "import functools\ndef d(f):\n    @functools.wraps(f)\n    def w(*a, **k): return f(*a, **k)\n    return w\n"
    text = decorator + "@d\ndef fl_train(model, env, out_dir, logger): ...\n"
    assert ship(text, "train").functions[0].contract == "model"


@pytest.mark.parametrize(
    ("signature", "accepted"),
    [
        ("num_classes", True),
        ("*, num_classes=3", True),
        ("width", False),
        ("**options", False),
        ("num_classes, /", False),
        ("", False),
    ],
)
def test_num_classes_goes_to_constructors_that_name_it(signature: str, accepted: bool) -> None:
    namespace: dict[str, Any] = {}
    exec(f"class A:\n    def __init__(self, {signature}): ...", namespace)
    assert accepts_num_classes(namespace["A"]) is accepted


def test_an_instance_is_refused_with_the_class_to_pass() -> None:
    class MyExecutor:
        pass

    with pytest.raises(CaptureError, match="pass the class MyExecutor, not an instance of it"):
        require_class(MyExecutor(), "executor")
    assert require_class(MyExecutor, "executor") is MyExecutor


@pytest.mark.parametrize("value", ["MyExecutor", len, sys])
def test_anything_else_than_a_class_is_refused(value: object) -> None:
    with pytest.raises(CaptureError, match="the executor must be a class, not "):
        require_class(value, "executor")


def test_executors_and_persistors_are_told_apart() -> None:
    from nvflare.apis.executor import Executor
    from nvflare.app_common.abstract.model_persistor import ModelPersistor

    assert is_a(Executor, "executor") and not is_a(Executor, "persistor")
    assert is_a(ModelPersistor, "persistor") and not is_a(ModelPersistor, "model")
    with pytest.raises(CaptureError, match=r"no subclass of nvflare\.apis\.executor\.Executor"):
        ship("class A: ...\n", "executor")


def test_nothing_heavy_is_imported_to_find_out_what_a_class_is() -> None:
    code = (
        "import sys, types\n"
        "package = types.ModuleType('reson_jupyter'); package.__path__ = [sys.argv[1]]; sys.modules['reson_jupyter'] = package\n"
        "from reson_jupyter.capture.contract import is_a\n"
        "import reson_jupyter.capture.capture\n"
        "assert not is_a(int, 'model') and not is_a(int, 'executor')\n"
        "assert not {'torch', 'nvflare', 'IPython', 'ipywidgets'} & sys.modules.keys()\n"
    )
    from reson_jupyter import errors

    subprocess.run([sys.executable, "-c", code, errors.__file__.rpartition("/")[0]], check=True, timeout=60)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("fl_trian", "fl_train"), ("train", "fl_train"), ("validate", "fl_validate"), ("fl_train_modle", "fl_train_model")],
)
def test_a_function_whose_name_is_nearly_that_of_the_contract_is_warned_of(name: str, meant: str) -> None:
    cell = f"""from torch import nn

class Net(nn.Module):
    pass

def {name}(model, env, out_dir, logger): ...
"""
    captured = ship(cell)
    assert captured.warnings == (f"line 6: {name} is called by nobody; did you mean {meant}?",)
