"""What a model's class tells before there is any data: its size, and whether the default training can use what it returns.

The class is constructed without memory for its weights (on torch's meta device) and in a forked copy of the kernel. Whatever a
constructor does there (draw random numbers, print, count its instances, keep a tensor in a cache) leaves the kernel as it was,
and a model that takes long, or crashes, is undecided.
"""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import signal
import socket
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from math import ceil
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from ...errors import CaptureError

_ON_META = f"{__package__}.model_on_meta"  # imports torch, which only a kernel that has a model is sure to have
LIMIT = 3.0  # seconds after which a model is undecided; a ResNet-50 takes about a tenth of one


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model.

    Attributes:
        parameters: Numbers that it has to learn, those of tied weights once.
        state_bytes: Bytes of its state_dict as it travels, which is with 16-bit floats as float32.
        output: Shape that it returns for a batch of two images; None if that was not tried, or could not be told.
    """

    parameters: int
    state_bytes: int
    output: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Refusal:
    """Why a model cannot be used, to be raised in the kernel."""

    message: str
    hint: str


def check_model(
    model: type, arguments: Mapping[str, object], *, num_classes: int | None, img_size: int | None
) -> ModelFacts | None:
    """Returns what is known of a model without data; None if it cannot be told on this machine, or without running it.

    Args:
        model: A subclass of torch.nn.Module.
        arguments: Keyword arguments of its constructor.
        num_classes: Classes that the model must tell apart; None if that is not known.
        img_size: Pixels of an image's side if the default image classification trains the model; None if something else does,
            which may give the model anything.

    Raises:
        CaptureError: it is certain that the model cannot be trained: nothing in it can learn, images of that size do not fit its
            layers, or it does not return logits of the shape (B, num_classes).
    """
    if not sys.platform.startswith("linux"):
        return None  # elsewhere a process with threads cannot be forked safely
    # A copy of the process must not be made while a thread of it imports this, as the copy would wait for that thread.
    examine = import_module(_ON_META).examine
    answer = _in_a_copy(examine, model, dict(arguments), num_classes, img_size)
    if isinstance(answer, Refusal):
        raise CaptureError(answer.message, answer.hint)
    return answer if isinstance(answer, ModelFacts) else None


def _in_a_copy(examine: Any, *arguments: Any) -> object:
    """What a function returns in a forked copy of this process; None if it fails or takes longer than LIMIT."""
    context = get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(writer, examine, arguments), daemon=True)
    with reader, writer:
        try:
            with warnings.catch_warnings():
                # From Python 3.12 on every fork of a process with threads warns. What the copy runs takes no lock of theirs,
                # and LIMIT ends it if it does.
                warnings.simplefilter("ignore", DeprecationWarning)
                child.start()
        except OSError:
            return None  # no memory for a copy
        writer.close()
        try:
            return reader.recv() if reader.poll(LIMIT) else None
        except EOFError:
            return None
        finally:
            child.kill()
            child.join()


def _answer(writer: Connection, examine: Any, arguments: tuple[Any, ...]) -> None:
    # A collection could finalize objects of the kernel whose threads or devices are not here.
    gc.disable()
    _silence()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(ceil(LIMIT) + 1)  # ends the copy if the kernel is gone
    # Nothing is downloaded for a check; such a model is undecided.
    for owner, name in ((socket, "getaddrinfo"), (socket.socket, "connect")):
        setattr(owner, name, _no_network)
    try:
        answer = examine(*arguments)
    except BaseException:  # also the SystemExit of a constructor, and an interrupt
        answer = None
    writer.send(answer)
    os._exit(0)


def _silence() -> None:
    import resource  # there is none on Windows

    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - as long as the process
    faulthandler.disable()  # which has a file of its own
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable()
    warnings.simplefilter("ignore")


def _no_network(*_: object, **__: object) -> NoReturn:
    raise OSError("a model is checked without a network")
