"""What the cell magics' first lines can say."""

from __future__ import annotations

import re
import textwrap
from functools import cache

from IPython.core.interactiveshell import InteractiveShell

from ...capture.roles.contract import CONSTRUCTOR_HINTS, Role
from ..commands.parser import Parser

_ABOUT = {
    "model": "Run the cell and capture the model it defines: a subclass of torch.nn.Module, with what it needs of the cell. "
    "fl_train, fl_train_model, fl_validate and fl_validate_model in the same cell ship with it.",
    "train": "Run the cell and capture fl_train or fl_train_model, and fl_validate or fl_validate_model if it is there.",
    "executor": "Run the cell and capture the NVFlare Executor it defines, in place of the default one. "
    f"{CONSTRUCTOR_HINTS['executor']}",
    "persistor": "Run the cell and capture the NVFlare ModelPersistor it defines, in place of the default one. "
    f"{CONSTRUCTOR_HINTS['persistor']}",
    "startup": "Run the cell and capture startup(client), which registers callbacks of Scaleout Edge that train on the sites. "
    "build() in the same cell makes the seed model.",
    "command": "Run the cell and capture a function that run.command(NAME, params) calls on the sites while a run goes on: "
    "the one called NAME, else the cell's only one. It gets params, and env and logger if it takes them, and returns JSON.",
}

# What a cell below the magic may be.
_EXAMPLES = {
    "model": """\
%%reson_model
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes: int):
        ...""",
    "train": """\
%%reson_train
def fl_train(model, env, out_dir, logger):
    ...
    return {"weights": model.state_dict(), "samples": 100, "loss": 0.1}""",
    "startup": """\
%%reson_startup
def train(model, settings):
    ...
    return model, {"training_metadata": {"num_examples": 100}}

def startup(client):
    client.set_train_callback(train)""",
    "command": """\
%%reson_command clear_cache
def clear_cache(params, env):
    return {"cleared": True}""",
}

_ASKS_FOR_HELP = re.compile(rf"%%reson_({'|'.join(_ABOUT)})\s+(-h|--help)\s*")


def let_help_stand_alone(shell: InteractiveShell) -> None:
    """Has a shell take `%%reson_ROLE --help` without a cell below it, which it refuses of other cell magics."""
    if _with_a_body not in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.append(_with_a_body)


def _with_a_body(lines: list[str]) -> list[str]:
    return [*lines, "\n"] if len(lines) == 1 and _ASKS_FOR_HELP.fullmatch(lines[0]) else lines


@cache
def cell_parser(role: Role) -> Parser:
    """Returns the parser of the line of `%%reson_ROLE`; asked for help, it shows it, and the cell is not to run."""
    epilog = f"for example:\n{textwrap.indent(_EXAMPLES[role], '  ')}" if role in _EXAMPLES else None
    parser = Parser(prog=f"%%reson_{role}", description=_ABOUT[role], epilog=epilog)
    parser.add_argument("--fix", action="store_true", help="ship the imports that are missing, as this kernel has them")
    parser.set_defaults(class_name=None, command="")
    if role == "command":
        parser.add_argument("command", nargs="?", default="", metavar="NAME", help="what run.command() is to call it by")
    elif role not in ("train", "startup"):
        parser.add_argument("--class", dest="class_name", metavar="NAME", help=f"the {role}'s class, if the cell has several")
    return parser
