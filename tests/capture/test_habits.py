"""Habits in train functions that are warned of, and realistic functions of which nothing is said."""

from __future__ import annotations

import ast
from textwrap import dedent
from typing import Any, Literal

import pytest

from reson_jupyter.capture.roles.contract import TRAIN_NAMES, VALIDATE_NAMES, contract_functions
from reson_jupyter.capture.roles.habits import habits

from ..worker import sources
from .corpus import CASES
from .sound_functions import SOUND


def said(text: str) -> tuple[tuple[int, str], ...]:
    """What is said of the last function of a text."""
    node = ast.parse(dedent(text).strip()).body[-1]
    assert isinstance(node, ast.FunctionDef)
    namespace: dict[str, Any] = {}
    exec(f"def {node.name}({ast.unparse(node.args)}): ...", namespace)  # the contract is told by the arguments alone
    (known,) = contract_functions({node.name: namespace[node.name]}, "In[1]")
    return habits(node, known.contract, known.purpose)


@pytest.mark.parametrize("text", SOUND.values(), ids=SOUND.keys())
def test_nothing_is_said_of(text: str) -> None:
    assert said(text) == ()


def test_nothing_is_said_of_what_the_tests_of_the_worker_ship() -> None:
    assert said(sources.PAYLOAD_MODEL) == ()


def test_of_the_corpus_only_toys_are_warned_of() -> None:
    """They return constants for counts, or train nothing that would be loaded; no other habit may be seen in them."""
    sentences: list[str] = []
    for case in CASES:
        try:
            body = ast.parse(case.text.replace("\r\n", "\n")).body
        except SyntaxError:
            continue  # a cell with magics
        for node in body:
            if isinstance(node, ast.FunctionDef) and node.name in (*TRAIN_NAMES, *VALIDATE_NAMES):
                node.args.defaults = [ast.Constant(None) for _ in node.args.defaults]
                node.args.kw_defaults = [ast.Constant(None) for _ in node.args.kw_defaults]
                sentences += [sentence for _, sentence in said(ast.unparse(node))]
    assert sentences
    assert {sentence for sentence in sentences if "is a constant" not in sentence and "never loads" not in sentence} == set()


def spoken(text: str) -> tuple[int, str]:
    """The only thing said of a function."""
    (only,) = said(text)
    return only


@pytest.mark.parametrize("between", ["pass", "optimizer = Adam(model.parameters())", "with timer():\n        model.to(device)"])
@pytest.mark.parametrize("weights", ['payload["initial_weights"]', "weights"])
def test_train_before_the_weights_are_loaded(between: str, weights: str) -> None:
    line, sentence = spoken(f"""
def fl_train_model(payload):
    weights = payload["initial_weights"]
    model = Net()
    model.train()
    {between}
    model.load_state_dict({weights})
    return {{"weights": model.state_dict(), "samples": n()}}
""")
    assert line == 4
    assert sentence.startswith("model.train() stands above model.load_state_dict() in line ")


@pytest.mark.parametrize("read", ['payload["env"]', 'payload.get("dataset")', "3"])
def test_a_payload_whose_weights_are_never_loaded(read: str) -> None:
    line, sentence = spoken(f"""
def fl_train_model(payload, out_dir, logger):
    model, data = Net(), {read}
    return {{"weights": model.state_dict(), "samples": len(data)}}
""")
    assert line == 1
    assert sentence.startswith('fl_train_model never loads payload["initial_weights"], so every round starts anew; ')


def test_a_validation_of_a_new_model() -> None:
    text = 'def fl_validate_model(payload):\n    return {"accuracy": accuracy(Net(), payload["env"]["DATA_ROOT"])}'
    assert spoken(text)[1].endswith("so it validates a new model and not the global one")


@pytest.mark.parametrize(
    "result",
    [
        'return {"weights": model.state_dict(), "samples": 100}',
        'return dict(state_dict=model.state_dict(), num_samples=1)',
        'result = {"weights": model.state_dict(), "samples": 64.0}\n    return result',
        'if env["CURRENT_ROUND"]:\n        return {"weights": {}, "samples": 1}\n    return {"weights": {}, "samples": 2}',
    ],
)  # fmt: skip
def test_a_count_that_is_a_constant(result: str) -> None:
    _, sentence = spoken(f"def fl_train(model, env, out_dir, logger):\n    fit(model)\n    {result}")
    assert sentence.startswith("the number of samples is a constant, so all sites weigh alike in the average")


@pytest.mark.parametrize(
    "move",
    [
        "model.cuda()",
        'model = model.to("cuda:0")',
        'model.to(env["DEVICE"])',
        'device = torch.device("cuda" if torch.cuda.is_available() else "cpu")\n    model = model.to(device)',
        'device = "mps" if torch.backends.mps.is_available() else "cpu"\n    model.to(device=device)',
    ],
)
@pytest.mark.parametrize("returned", ["model.state_dict()", "state"])
def test_weights_that_come_back_on_the_gpu(move: str, returned: str) -> None:
    line, sentence = spoken(f"""
def fl_train(model, env, out_dir, logger):
    {move}
    fit(model)
    state = model.state_dict()
    return {{"weights": {returned}, "samples": n()}}
""")
    assert line == 5 + move.count("\n")
    assert sentence.endswith("return {name: value.cpu() for name, value in model.state_dict().items()}")


@pytest.mark.parametrize(
    "loop",
    [
        "for x in data:\n        model(x).backward()\n        print(x)",
        "for epoch in range(3):\n        for x in data:\n            model(x).backward()\n        print(epoch)",
        "while go():\n        optimizer.step()\n        if verbose:\n            print('a step')\n        print('twice')",
    ],
)
def test_print_in_the_training_loop_once(loop: str) -> None:
    text = f"def fl_train(model, env, out_dir, logger):\n    {loop}\n    return {{'weights': model.state_dict(), 'samples': n()}}"
    line, sentence = spoken(text)
    assert "print(" in text.splitlines()[line - 1]
    assert "logger.log_metric" in sentence


@pytest.mark.parametrize(
    "end",
    [
        "fit(model)",
        "return",
        "return None",
        'return {"samples": fit(model)}',
        'r = {"model": model, "samples": n()}\n    return r',
    ],
)
def test_a_function_that_returns_no_weights(end: str) -> None:
    line, sentence = spoken(f"def fl_train(model, env, out_dir, logger):\n    logger('begin')\n    {end}")
    assert line == 1
    assert sentence.startswith("fl_train returns no weights")


@pytest.mark.parametrize(
    "place",
    [
        '"/home/ada/model.pt"',
        'f"/data/{name}.pt"',
        'os.path.join("/mnt/models", "net.pt")',
        'Path("~/models").expanduser() / "net.pt"',
        'os.path.expanduser("~/net.pt")',
        'Path("/srv") / "models" / name',
        '"C:\\\\models\\\\net.pt"',
        "TARGET",
        'f="/data/net.pt"',
    ],
)
def test_a_model_saved_to_a_folder_of_this_machine(place: str) -> None:
    line, sentence = spoken(f"""
def fl_train(model, env, out_dir, logger):
    TARGET = "/data" + "/net.pt"
    torch.save(model.state_dict(), {place})
    return {{"weights": model.state_dict(), "samples": n()}}
""")
    assert line == 3
    assert "out_dir" in sentence and "STATE_DIR" in sentence


def test_lines_are_those_of_the_node_and_in_order() -> None:
    node = ast.parse("""
def fl_train_model(payload):
    model = Net()
    for x in data():
        model(x).backward()
        print(x)
    return {"weights": model.state_dict(), "samples": 4}
""").body[0]
    assert isinstance(node, ast.FunctionDef)
    ast.increment_lineno(node, 10)
    contract: Literal["payload"] = "payload"
    assert [line for line, _ in habits(node, contract, "train")] == [12, 16, 17]


@pytest.mark.parametrize("text", ["p = p + 'x'\n    torch.save(m, p)", "a = b\n    b = a\n    torch.save(m, a)"])
def test_names_that_stand_for_themselves_end(text: str) -> None:
    assert said(f"def fl_validate(model, env, out_dir, logger):\n    {text}") == ()
