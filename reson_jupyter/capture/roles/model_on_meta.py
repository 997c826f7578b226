"""Constructs a model and runs a batch through it without memory: on torch's meta device, where tensors have shapes and no values.

Shapes come out as on any device. What needs values (`.item()`, numpy, compiled extensions, control flow by data) raises there and
leaves the model undecided. Of the errors only those count that tell of shapes which do not fit each other; torch's meta kernels
and its CPU kernels raise them for the same shapes.
"""

from __future__ import annotations

import linecache
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from traceback import walk_tb
from types import FrameType
from typing import Any

import torch
import torch._dynamo  # meta kernels import it when they first run; from here every copy of the process has it
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.overrides import TorchFunctionMode

from .model_check import ModelFacts, Refusal

BATCH = 2
SEARCH = 1.0  # seconds to look for a size that fits
# Sides of images for which people write models.
_SIZES = (8, 16, 28, 32, 48, 64, 96, 128, 160, 192, 224, 227, 256, 299, 384, 512)
_VALUES = (torch.linspace, torch.arange, torch.tensor, torch.as_tensor, torch.logspace)
_MISFIT = re.compile(
    r"must have same reduction dim|mat1 and mat2 shapes cannot be multiplied|Invalid channel dimensions|"
    r"expected input.* to have \d+ channels|Expected \dD \(unbatched\) or \dD \(batched\) input to conv|"
    r"Kernel size can't be greater than actual input size|Output size is too small|running_mean should contain|"
    r"expected \dD( or \dD)? input \(got|Given normalized_shape=|to be divisible by num_groups|"
    r"input\.size\(-1\) must be equal to input_size|Expected input to be \dD or \dD|was expecting embedding dimension of|"
    r"shape '\[.*\]' is invalid for input of size|Attempting to broadcast a dimension|must match the size of tensor b|"
    r"Sizes of tensors must match except|Number of dimensions of tensors must match|must have same number of dimensions|"
    r"stack expects each tensor to be equal size|Expected size for first two dimensions of batch2|einsum\(\): subscript|"
    r"expanded size of the tensor|Provided sizes .* don't multiply up|pixel_shuffle|split_with_sizes expects|"
    r"number of dimensions in the tensor input does not match|Dimension out of range|Mismatch of parameter numbers"
)


class _ValuesOnCpu(TorchFunctionMode):
    """Leaves small tensors of known values their values: constructors read rates of dropout and the like out of them."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in _VALUES and kwargs.get("device") is None:
            kwargs["device"] = "cpu"
        return func(*args, **kwargs)


def examine(
    model: type[nn.Module], arguments: Mapping[str, Any], num_classes: int | None, img_size: int | None
) -> ModelFacts | Refusal | None:
    """Returns what is known of a model, or why it is refused; `check_model` describes the arguments.

    Changes state of the process (the random generators, what constructors do), so it runs in a process of its own.
    """
    torch.set_num_threads(1)  # the threads of OpenMP do not survive a fork
    made = _construct(model, arguments)
    if made is None:
        return None
    state = [value for value in made.state_dict().values() if isinstance(value, torch.Tensor)]
    if any(isinstance(value, UninitializedParameter | UninitializedBuffer) for value in state):
        return None
    if not state or (img_size is not None and not any(value.requires_grad for value in made.parameters())):
        what = "has only frozen parameters" if any(True for _ in made.parameters()) else "has no parameters"
        hint = "Make its layers attributes of the model (or put them in an nn.ModuleList), and leave some of them unfrozen."
        return Refusal(f"{model.__name__} {what}: there is nothing to train", hint)
    facts = ModelFacts(sum(value.numel() for value in made.parameters()), sum(_travelling(value) for value in state))
    if img_size is None:
        return facts
    answer = _try(made, num_classes, img_size)
    return ModelFacts(facts.parameters, facts.state_bytes, answer) if isinstance(answer, tuple) else answer or facts


def _construct(model: type[nn.Module], arguments: Mapping[str, Any]) -> nn.Module | None:
    for values in (nullcontext(), _ValuesOnCpu()):
        try:
            with torch.device("meta"), values:
                made = model(**arguments)
            return _moved(made.eval())
        except Exception:
            continue
    return None


def _moved(made: nn.Module) -> nn.Module:
    """The model with everything on meta, what its constructor made of numpy arrays or on a device it named as well."""
    for module in made.modules():
        for name, value in vars(module).items():
            if isinstance(value, torch.Tensor):
                module.__dict__[name] = value.to("meta")
    tensors = [*made.parameters(), *made.buffers()]
    return made if all(value.is_meta for value in tensors) else made.to("meta")


def _travelling(value: torch.Tensor) -> int:
    half = value.is_floating_point() and value.element_size() < 4
    return value.numel() * (4 if half else value.element_size())


def _try(made: nn.Module, num_classes: int | None, img_size: int) -> tuple[int, ...] | Refusal | None:
    """The shape of the output, or why the default training cannot use the model; None if that cannot be told."""
    name = type(made).__name__
    if getattr(made.forward, "__func__", None) is nn.Module.forward:
        return Refusal(f"{name} has no forward()", "Define forward(self, images); look for a slip in its name.")
    try:
        output = _output(made, img_size)
    except (RuntimeError, ValueError, AssertionError, IndexError) as error:
        if isinstance(error, NotImplementedError) or not _MISFIT.search(str(error)):
            return None
        return Refusal(f"{name} {_misfit(made, error, img_size)}", _size_hint(made, num_classes, img_size))
    except Exception:
        return None
    if not isinstance(output, torch.Tensor):
        message = f"{name} returns a {type(output).__name__}, and the default training needs a tensor of logits"
        return Refusal(message, "Return the logits alone, or write a train function: fl_train(model, env, out_dir, logger).")
    shape = tuple(output.shape)
    if _is_wanted(shape, num_classes):
        return shape
    wanted = f"({BATCH}, {'classes' if num_classes is None else num_classes})"
    message = f"{name} returns the shape {shape} for a batch of the shape {_batch(img_size)}; it must be {wanted}"
    if len(shape) == 2 and shape[0] == BATCH:
        return Refusal(message, f"Let its last layer have {num_classes} outputs, or set num_classes to the number it has.")
    hint = "Keep the batch as the first dimension (x.flatten(1) and not x.view(-1, n)) and end in one logit for each class. "
    return Refusal(message, hint + _size_hint(made, num_classes, img_size))


def _output(made: nn.Module, img_size: int) -> object:
    # Without the stance, what torch.compile has wrapped would be compiled now.
    with torch.no_grad(), torch.device("meta"), torch.compiler.set_stance("force_eager"):
        return made(torch.empty(_batch(img_size)))


def _batch(img_size: int) -> tuple[int, int, int, int]:
    return (BATCH, 3, img_size, img_size)


def _is_wanted(shape: tuple[int, ...], num_classes: int | None) -> bool:
    return len(shape) == 2 and shape[0] == BATCH and num_classes in (None, shape[1])


def _misfit(made: nn.Module, error: Exception, img_size: int) -> str:
    """Where the shapes did not fit: the innermost layer, what it got, and the user's line."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    lines = {id(frame): line for frame, line in walk_tb(error.__traceback__)}
    reason = str(error).strip().splitlines()[0].rstrip(".")
    layer = _layer(made, frames)
    own = [frame for frame in frames if _is_users(frame)]
    place = f" ({_place(own[-1], lines[id(own[-1])])})" if own else ""
    return f"cannot take images of {img_size} × {img_size} pixels: {layer}{reason}{place}"


def _layer(made: nn.Module, frames: list[FrameType]) -> str:
    names = {id(module): name for name, module in made.named_modules()}
    calls = [frame for frame in frames if frame.f_code.co_name == "forward" and id(frame.f_locals.get("self")) in names]
    if not calls:
        return ""
    module, code = calls[-1].f_locals["self"], calls[-1].f_code
    name = names[id(module)]
    if _is_users(calls[-1]):
        # Its arguments may have other values by now.
        return f"in {name}: " if name else ""
    given = [calls[-1].f_locals.get(argument) for argument in code.co_varnames[1 : code.co_argcount]]
    shape = next((tuple(value.shape) for value in given if isinstance(value, torch.Tensor)), None)
    shown = str(module)
    return f"{name} = {type(module).__name__ if chr(10) in shown else shown[:80]} got the shape {shape}: "


def _is_users(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return not file.startswith((os.path.dirname(torch.__file__), os.path.dirname(__file__)))


def _place(frame: FrameType, line: int) -> str:
    """A line of the user's code; lines of a cell are numbered as the user sees them."""
    file = frame.f_code.co_filename
    text = linecache.getline(file, line).strip()
    where = f"{os.path.basename(file)}, line {line}" if os.path.isfile(file) else f"line {line}"
    return f"{where}: {text}" if text else where


def _size_hint(made: nn.Module, num_classes: int | None, img_size: int) -> str:
    """What to do about a size that does not fit, with one that does if there is any."""
    deadline = time.monotonic() + SEARCH
    for size in sorted(_SIZES, key=lambda size: abs(size - img_size)):
        if time.monotonic() > deadline:
            break
        try:
            output = _output(made, size)
        except Exception:
            continue
        if isinstance(output, torch.Tensor) and _is_wanted(tuple(output.shape), num_classes):
            return f"It fits images of {size} × {size}: %reson config img_size={size}. Or make the layer fit."
    return f"The default training gives it batches of the shape (B, 3, {img_size}, {img_size}); make the layers fit that."
