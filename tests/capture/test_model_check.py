"""What is known of a model when its cell runs: its size, and whether the default training can use it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from reson_jupyter.capture.roles.model_check import ModelFacts
from tests.patience import cpu_seconds

from .checking import LeNet, check, deriving, refusal

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere every model is undecided")


# Sizes


def test_a_model_that_fits_is_known_by_its_size_and_output() -> None:
    numbers = (3 * 25 * 6 + 6) + (6 * 25 * 16 + 16) + (400 * 10 + 10)
    facts = check(LeNet)
    assert facts == ModelFacts(parameters=numbers, state_bytes=4 * numbers, output=(2, 10))


def test_without_the_default_training_only_the_size_is_told() -> None:
    assert check(LeNet, img_size=None).output is None
    assert check(LeNet, num_classes=None, img_size=None).parameters > 0
    assert check(deriving(lambda self, tokens, lengths: tokens), img_size=None).output is None


def test_what_travels_is_the_state_dict_with_halves_as_float32() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(10, 10, bias=False)
            self.b = nn.Linear(10, 10, bias=False)
            self.b.weight = self.a.weight
            self.low = nn.Parameter(torch.zeros(10, dtype=torch.bfloat16))
            self.register_buffer("count", torch.zeros(3, dtype=torch.int64))
            self.register_buffer("cache", torch.zeros(1000), persistent=False)

    facts = check(Net, img_size=None)
    assert facts.parameters == 100 + 10, "tied weights are learned once"
    assert facts.state_bytes == (100 + 100 + 10) * 4 + 3 * 8, "and travel twice"
    own = Net().state_dict()
    assert set(own) == {"a.weight", "b.weight", "low", "count"}


def test_a_deep_network_takes_a_fraction_of_a_second_and_no_memory() -> None:
    class Deep(nn.Module):
        """As many layers and weights as a ResNet-50 has."""

        def __init__(self, num_classes: int = 10):
            super().__init__()
            stages = []
            for width, count in ((64, 9), (128, 12), (256, 18), (512, 9)):
                for _ in range(count):
                    block = [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
                    stages.append(nn.Sequential(*block))
                stages.append(nn.Conv2d(width, 2 * width, 1, stride=2))
            self.layers = nn.Sequential(nn.Conv2d(3, 64, 7, stride=2), *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten())
            self.fc = nn.Linear(1024, num_classes)

        def forward(self, images):  # type: ignore[no-untyped-def]
            return self.fc(self.layers(images))

    check(LeNet)  # the first check of a process imports what all need
    assert check(Deep, img_size=224).parameters > 20e6
    # A tenth to a fifth of a second where nothing else runs, most of it in a copy of this process.
    assert cpu_seconds(lambda: check(Deep, img_size=224), clock=lambda: sum(os.times()[:4])) < 0.6


def test_a_model_larger_than_the_memory_is_known_too() -> None:
    class Huge(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(1_000_000, 1_000_000)

    assert check(Huge, img_size=None).state_bytes == 4 * (10**12 + 10**6)


# Images that do not fit


def test_a_layer_that_an_image_does_not_fit_is_named_with_what_it_got_and_the_size_that_fits() -> None:
    message, hint = refusal(LeNet, img_size=64)
    assert message.startswith(
        "LeNet cannot take images of 64 × 64 pixels: fc = Linear(in_features=400, out_features=10, bias=True) "
    )
    assert "got the shape (2, 2704)" in message
    assert f"(checking.py, line {LeNet.forward.__code__.co_firstlineno + 1}: return self.fc(" in message
    assert hint.startswith("It fits images of 32 × 32: %reson config img_size=32.")


def test_a_layer_in_a_sequence_has_its_whole_name() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleDict({"head": nn.Sequential(nn.Flatten(), nn.Linear(48, 10))})

        def forward(self, images):  # type: ignore[no-untyped-def]
            return self.parts["head"](images)

    assert "parts.head.1 = Linear(in_features=48" in refusal(Net)[0]
    assert check(Net, img_size=4).output == (2, 10)


def test_a_model_of_grey_images_is_refused_as_images_come_in_colour() -> None:
    message, hint = refusal(LeNet, {"channels": 1})
    assert "conv1 = Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1)) got the shape (2, 3, 32, 32)" in message
    assert "(B, 3, 32, 32)" in hint


def test_an_image_smaller_than_a_kernel_is_refused() -> None:
    assert "Kernel size can't be greater" in refusal(LeNet, img_size=4)[0]


def test_a_view_that_an_image_does_not_fit_is_shown_by_its_line() -> None:
    def forward(self, images):  # type: ignore[no-untyped-def]
        x = self.flat(images)
        return self.fc(x.view(-1, 400))

    net = deriving(forward)
    message, hint = refusal(net, img_size=224)
    assert f"line {forward.__code__.co_firstlineno + 2}: return self.fc(x.view(-1, 400))" in message
    assert "img_size=32" in hint
    assert check(net).output == (2, 10)


def test_a_view_that_mixes_the_images_of_a_batch_is_refused() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(48, 10)

        def forward(self, images):  # type: ignore[no-untyped-def]
            return self.fc(images.view(-1, 48))

    message, hint = refusal(Net, img_size=8)
    assert message == "Net returns the shape (8, 10) for a batch of the shape (2, 3, 8, 8); it must be (2, 10)"
    assert "x.flatten(1)" in hint


# Outputs that the default training cannot use


def test_as_many_logits_as_classes_are_needed() -> None:
    message, hint = refusal(LeNet, {"num_classes": 7})
    assert message == "LeNet returns the shape (2, 7) for a batch of the shape (2, 3, 32, 32); it must be (2, 10)"
    assert "10 outputs" in hint and "num_classes" in hint


def test_where_the_number_of_classes_is_not_known_any_will_do() -> None:
    assert check(LeNet, {"num_classes": 7}, num_classes=None).output == (2, 7)
    assert refusal(deriving(lambda self, images: images), num_classes=None)[0].endswith("it must be (2, classes)")


@pytest.mark.parametrize(
    ("forward", "kind"),
    [
        (lambda self, images: (LeNet.forward(self, images), 0), "tuple"),
        (lambda self, images: {"logits": LeNet.forward(self, images)}, "dict"),
        (lambda self, images: None, "NoneType"),
    ],
)
def test_anything_but_a_tensor_is_refused(forward: Callable[..., Any], kind: str) -> None:
    message, hint = refusal(deriving(forward))
    assert message == f"Net returns a {kind}, and the default training needs a tensor of logits"
    assert "fl_train(" in hint


def test_a_slip_in_the_name_of_forward_is_found() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(1, 1)

        def foward(self, images):  # type: ignore[no-untyped-def]
            return self.fc(images)

    assert refusal(Net)[0] == "Net has no forward()"


def test_a_model_without_anything_to_learn_is_refused() -> None:
    class Empty(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = [nn.Linear(3, 3)]

    class Frozen(LeNet):
        def __init__(self) -> None:
            super().__init__()
            self.requires_grad_(False)

    class Statistics(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(3))

    message, hint = refusal(Empty, img_size=None)
    assert message == "Empty has no parameters: there is nothing to train" and "nn.ModuleList" in hint
    assert refusal(Frozen)[0] == "Frozen has only frozen parameters: there is nothing to train"
    assert check(Frozen, img_size=None).parameters > 0, "a train function may unfreeze them"
    assert check(Statistics, img_size=None).state_bytes == 12, "a train function may average buffers"


# Constructors that read values


def test_constructors_that_read_small_values_or_use_numpy_are_known() -> None:
    class Net(LeNet):
        def __init__(self) -> None:
            super().__init__()
            self.rates = [rate.item() for rate in torch.linspace(0, 0.1, 3)]
            self.order = torch.from_numpy(numpy.arange(400))
            self.register_buffer("scale", torch.tensor([1.0, 2.0]).repeat(200))
            self.register_buffer("here", torch.ones(400, device="cpu"))

        def forward(self, images):  # type: ignore[no-untyped-def]
            x = self.flat(images)[:, self.order] * self.scale * self.here
            return self.fc(F.dropout(x, self.rates[1])) + torch.zeros(10)

    assert check(Net).output == (2, 10)


def test_positions_that_a_constructor_computes_are_known() -> None:
    class Net(nn.Module):
        def __init__(self, width: int = 64, patch: int = 8):
            super().__init__()
            table, place = torch.zeros(100, width), torch.arange(100).unsqueeze(1)
            table[:, 0::2] = torch.sin(place * torch.exp(torch.arange(0, width, 2) * -0.1))
            self.register_buffer("table", table)
            self.patches = nn.Conv2d(3, width, patch, patch)
            self.layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(width, 4, batch_first=True), 2)
            self.fc = nn.Linear(width, 10)

        def forward(self, images):  # type: ignore[no-untyped-def]
            x = self.patches(images).flatten(2).transpose(1, 2)
            return self.fc(self.layers(x + self.table[: x.shape[1]]).mean(1))

    assert check(Net).output == (2, 10)
    assert "Attempting to broadcast" in refusal(Net, img_size=256)[0]


def test_compiled_parts_are_not_compiled_for_it() -> None:
    def compiler(graph: Any, inputs: Any) -> Any:
        os.abort()

    class Net(LeNet):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = torch.compile(self.conv1, backend=compiler)

    assert check(Net).output == (2, 10)


# The verdict is that of the CPU


def convolutions(pool: int, width: int) -> type:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(pool))
            self.layers = nn.Sequential(features, nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(width, 10))

        def forward(self, images):  # type: ignore[no-untyped-def]
            return self.layers(images)

    return Net


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(28, 8, batch_first=True)
        self.fc = nn.Linear(8, 10)

    def forward(self, images):  # type: ignore[no-untyped-def]
        return self.fc(self.rnn(images.mean(1))[0][:, -1])


class Skipping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2))
        self.up = nn.ConvTranspose2d(4, 3, 2, stride=2)
        self.fc = nn.Linear(6, 10)

    def forward(self, images):  # type: ignore[no-untyped-def]
        return self.fc(torch.cat([images, self.up(self.down(images))], dim=1).mean((2, 3)))


class Mixing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.zeros(1, 16, 12))
        self.attend = nn.MultiheadAttention(12, 3, batch_first=True)
        self.norm = nn.LayerNorm(12)
        self.fc = nn.Linear(12, 10)

    def forward(self, images):  # type: ignore[no-untyped-def]
        x = F.pixel_unshuffle(images, 2).flatten(2).transpose(1, 2) + self.tokens
        return self.fc(self.norm(self.attend(x, x, x)[0]).mean(1))


@pytest.mark.parametrize(
    "model",
    [LeNet, convolutions(2, 8), convolutions(3, 72), convolutions(4, 2), Recurrent, Skipping, Mixing],
    ids=lambda m: m.__name__,
)
@pytest.mark.parametrize("img_size", [2, 8, 10, 27, 28, 32, 33])
def test_what_is_refused_fails_on_the_cpu_and_what_is_known_works_there(model: type[nn.Module], img_size: int) -> None:
    with torch.random.fork_rng(), torch.no_grad():
        try:
            shape = tuple(model().eval()(torch.zeros(2, 3, img_size, img_size)).shape)
        except (RuntimeError, ValueError):
            shape = None
    if shape == (2, 10):
        assert check(model, img_size=img_size).output == shape
    else:
        refusal(model, img_size=img_size)
