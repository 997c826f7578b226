"""A model and ways to have it checked, for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import nn
from torch.nn import functional as F

from reson_jupyter.capture.roles.model_check import check_model
from reson_jupyter.errors import CaptureError


class LeNet(nn.Module):
    """Written for images of 32 × 32 pixels."""

    def __init__(self, num_classes: int = 10, channels: int = 3):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc = nn.Linear(16 * 5 * 5, num_classes)

    def flat(self, images):  # type: ignore[no-untyped-def]
        x = F.max_pool2d(self.conv1(images).relu(), 2)
        return F.max_pool2d(self.conv2(x).relu(), 2).flatten(1)

    def forward(self, images):  # type: ignore[no-untyped-def]
        return self.fc(self.flat(images))


def check(model: type, arguments: dict[str, Any] | None = None, num_classes: int | None = 10, img_size: int | None = 32) -> Any:
    return check_model(model, arguments or {}, num_classes=num_classes, img_size=img_size)


def refusal(model: type, *args: Any, **options: Any) -> tuple[str, str]:
    with pytest.raises(CaptureError) as caught:
        check(model, *args, **options)
    return caught.value.message, caught.value.hint or ""


def deriving(forward: Callable[..., Any], base: type = LeNet) -> type:
    return type("Net", (base,), {"forward": forward})
