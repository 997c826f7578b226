"""Models of which nothing certain can be told, and what a check must not leave behind."""

from __future__ import annotations

import functools
import os
import random
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any, ClassVar

import numpy
import psutil
import pytest
import torch
from torch import nn

from reson_jupyter.capture.roles import model_check

from .checking import LeNet, check, deriving

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere every model is undecided")


# What cannot be decided is left to the rehearsal


class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.LazyLinear(10)

    def forward(self, images):  # type: ignore[no-untyped-def]
        return self.fc(images.flatten(1))


class LazyMadeReady(Lazy):
    def __init__(self) -> None:
        super().__init__()
        self(torch.zeros(1, 3, 32, 32))


def raising(error: BaseException) -> type:
    def __init__(self: Any) -> None:
        raise error

    return type("Net", (LeNet,), {"__init__": __init__})


class Downloading(LeNet):
    def __init__(self) -> None:
        super().__init__()
        urllib.request.urlopen("https://example.org/weights.pt")


class Dying(LeNet):
    def __init__(self) -> None:
        os.abort()


class Needing(LeNet):
    def __init__(self, width: int):
        super().__init__()


@pytest.mark.parametrize(
    "model",
    [Lazy, raising(ValueError("no")), raising(SystemExit(3)), raising(KeyboardInterrupt()), Downloading, Dying, Needing],
)
def test_a_model_that_cannot_be_constructed_here_is_undecided(model: type) -> None:
    assert check(model) is None


def test_a_lazy_layer_that_the_constructor_has_shown_a_batch_is_known() -> None:
    assert check(LazyMadeReady).output == (2, 10)


@pytest.mark.parametrize(
    "forward",
    [
        lambda self, images: LeNet.forward(self, images) if images.mean() > 0 else None,
        lambda self, images: LeNet.forward(self, images) * images.max().item(),
        lambda self, images: torch.from_numpy(images.numpy()),
        lambda self, images: self.fc(images[images > 0][None, :400]),
        lambda self, images: self.no_such_layer(images),
        lambda self, images: 1 / 0,
        lambda self, images, lengths: images,
        lambda self, images: self.flat(images.to("cpu")),
        lambda self, images: (_ for _ in ()).throw(ValueError("images must be normalised")),
    ],
)
def test_a_forward_that_needs_values_or_fails_for_another_reason_is_undecided(forward: Callable[..., Any]) -> None:
    facts = check(deriving(forward))
    assert facts.output is None and facts.parameters > 0


def test_a_model_that_takes_long_is_undecided_and_its_copy_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(LeNet):
        def __init__(self) -> None:
            time.sleep(1000)

    monkeypatch.setattr(model_check, "LIMIT", 0.2)
    children = set(psutil.Process().children())
    assert check(Slow) is None
    assert set(psutil.Process().children()) <= children


def test_elsewhere_than_on_linux_everything_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert check(LeNet, img_size=64) is None


# The kernel stays as it was


@functools.lru_cache
def mask(size: int) -> torch.Tensor:
    return torch.ones(size)


class Leaving(LeNet):
    """Does everything that could be noticed afterwards."""

    made: ClassVar[list[Any]] = []

    def __init__(self, target: list[int]):
        torch.set_default_dtype(torch.float64)
        super().__init__()
        self.made.append(self)
        target.append(1)
        torch.manual_seed(3)
        random.seed(3)
        numpy.random.seed(3)
        torch.set_grad_enabled(False)
        torch.set_num_threads(1)
        os.environ["LEFT_BEHIND"] = "1"
        mask(400)
        print("a constructor speaks")
        os.write(1, b"to its terminal")
        os.write(2, b"and its errors")

    def forward(self, images):  # type: ignore[no-untyped-def]
        return self.fc(self.flat(images) * mask(400))


def test_nothing_that_a_constructor_does_is_left_in_the_kernel(capfd: pytest.CaptureFixture[str]) -> None:
    def state() -> list[Any]:
        numbers = [torch.get_rng_state().sum().item(), hash(random.getstate()), numpy.random.get_state()[1].sum()]
        return [*numbers, torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads(), dict(os.environ)]

    check(LeNet)  # what torch itself sets when its parts are imported does not count
    before, target = state(), []  # type: ignore[var-annotated]
    threads, children = threading.active_count(), set(psutil.Process().children())
    assert check(Leaving, {"target": target}).output == (2, 10)
    assert state() == before
    assert target == [] and Leaving.made == []
    assert mask.cache_info().currsize == 0, "a cached tensor without values would break the user's next call"
    assert threading.active_count() == threads
    assert capfd.readouterr() == ("", "")
    assert set(psutil.Process().children()) <= children
