"""Which functions the worker will call and how, and what the other roles must be."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from reson_jupyter.backend.nvflare_config import client_config, server_config
from reson_jupyter.capture.roles.contract import (
    accepts_num_classes,
    contract_functions,
    executor_arguments,
    is_a,
    require_class,
    require_constructor,
)
from reson_jupyter.config import FederationConfig, TrainingConfig
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


def executor(constructor: str, method: str = "execute") -> type:
    text = f"""
from nvflare.apis.executor import Executor
class Own(Executor):
    def __init__({constructor}):
        super().__init__()
    def {method}(self, task_name, shareable, fl_ctx, abort_signal): ...
"""
    namespace: dict[str, Any] = {"__name__": "cell"}
    exec(text, namespace)
    return namespace["Own"]  # type: ignore[no-any-return]


def persistor(constructor: str, methods: tuple[str, ...] = ("load_model", "save_model")) -> type:
    text = "from nvflare.app_common.abstract.model_persistor import ModelPersistor\nclass Own(ModelPersistor):\n"
    text += f"    def __init__({constructor}): super().__init__()\n"
    text += "".join(f"    def {method}(self, *given): ...\n" for method in methods)
    namespace: dict[str, Any] = {"__name__": "cell"}
    exec(text, namespace)
    return namespace["Own"]  # type: ignore[no-any-return]


def test_an_executor_is_asked_for_what_every_job_gives_it() -> None:
    given = client_config(
        executor="Own", model_class="Net", model_args={}, train_fn="", validate_fn="", training=TrainingConfig(), commands={}
    )["executors"][0]["executor"]["args"]
    assert sorted(executor_arguments()) == sorted(given)


def test_a_persistor_is_asked_for_what_every_job_gives_it() -> None:
    config = server_config(
        persistor="Own",
        model_path="model_def.Net",
        model_args={},
        federation=FederationConfig(),
        checkpoint=None,
        validates=False,
    )
    (given,) = [component["args"] for component in config["components"] if component["id"] == "persistor"]
    require_constructor("persistor", persistor("self, " + ", ".join(given)))
    with pytest.raises(CaptureError):
        require_constructor("persistor", persistor("self"))


@pytest.mark.parametrize(
    "constructor",
    [
        "self, **training",
        "self, data_root, model_class, **training",
        "self, *, learning_rate=0.1, **rest",
        "self, " + ", ".join(executor_arguments()),
    ],
)
def test_these_executors_can_be_constructed_by_the_sites(constructor: str) -> None:
    require_constructor("executor", executor(constructor))


@pytest.mark.parametrize(
    ("constructor", "told"),
    [
        ("self", "got an unexpected keyword argument 'data_root'"),
        ("self, data_root, learning_rate", "got an unexpected keyword argument"),
        ("self, learning_rat, **rest", "missing a required argument: 'learning_rat'"),
    ],
)
def test_an_executor_that_the_sites_cannot_construct_is_refused_when_its_cell_runs(constructor: str, told: str) -> None:
    with pytest.raises(CaptureError, match=r"the executor's constructor Own\(.*does not fit: ") as caught:
        require_constructor("executor", executor(constructor))
    assert told in caught.value.message
    assert "**kwargs" in (caught.value.hint or "")


@pytest.mark.parametrize("constructor", ["self, model", "self, model=None, folder=''", "self, **kwargs"])
def test_these_persistors_can_be_constructed_by_the_server(constructor: str) -> None:
    require_constructor("persistor", persistor(constructor))


@pytest.mark.parametrize("constructor", ["self", "self, net", "self, model, folder"])
def test_a_persistor_that_the_server_cannot_construct_is_refused(constructor: str) -> None:
    with pytest.raises(CaptureError, match=r"the persistor's constructor Own\(.*does not fit: ") as caught:
        require_constructor("persistor", persistor(constructor))
    assert "`model`" in (caught.value.hint or "")


def test_classes_that_lack_a_method_that_nvflare_calls_are_refused() -> None:
    with pytest.raises(CaptureError, match="the executor Own does not define execute\n  NVFlare calls it; look for a slip"):
        require_constructor("executor", executor("self, **kwargs", "exceute"))
    with pytest.raises(CaptureError, match="the persistor Own does not define load_model and save_model\n  NVFlare calls them"):
        require_constructor("persistor", persistor("self, model", ()))


def test_what_the_constructors_of_models_get_depends_on_the_configuration() -> None:
    class Net:
        def __init__(self, width: int) -> None: ...

    require_constructor("model", Net)
    require_constructor("train", Net)


def test_nothing_heavy_is_imported_to_find_out_what_a_class_is() -> None:
    code = (
        "import sys, types\n"
        "package = types.ModuleType('reson_jupyter'); package.__path__ = [sys.argv[1]]; sys.modules['reson_jupyter'] = package\n"
        "from reson_jupyter.capture.roles.contract import is_a\n"
        "import reson_jupyter.capture.capture, reson_jupyter.capture.roles.model_check, reson_jupyter.capture.roles.habits\n"
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
