"""Realistic cells, each with what a site must be able to do with what ships of it."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

from reson_jupyter.capture.contract import Role

IMAGE = "torch.rand(2, 3, 32, 32)"


@dataclass(frozen=True)
class Case:
    """A cell, an expression that must hold with the shipped module as `m`, and text that must not ship."""

    name: str
    text: str
    holds: str
    stays: tuple[str, ...] = ()
    role: Role = "model"


CASES: list[Case] = []


def case(name: str, text: str, holds: str, *stays: str, role: Role = "model") -> None:
    CASES.append(Case(name, dedent(text).lstrip("\n"), holds, stays, role))


case(
    "resnet",
    """
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
    import matplotlib.pyplot as plt


    def conv3x3(c_in, c_out, stride=1):
        return nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False)


    class BasicBlock(nn.Module):
        expansion = 1

        def __init__(self, c_in, c_out, stride=1):
            super().__init__()
            self.conv1, self.bn1 = conv3x3(c_in, c_out, stride), nn.BatchNorm2d(c_out)
            self.conv2, self.bn2 = conv3x3(c_out, c_out), nn.BatchNorm2d(c_out)
            self.shortcut = nn.Sequential()
            if stride != 1 or c_in != c_out * self.expansion:
                self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

        def forward(self, x):
            out = F.relu(self.bn1(self.conv1(x)))
            return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


    class ResNet(nn.Module):
        def __init__(self, num_classes=10, layers=(1, 1)):
            super().__init__()
            self.stem = conv3x3(3, 8)
            self.body = nn.Sequential(*[BasicBlock(8, 8) for _ in range(layers[0])], BasicBlock(8, 16, stride=2))
            self.head = nn.Linear(16, num_classes)

        def forward(self, x):
            return self.head(self.body(self.stem(x)).mean((2, 3)))


    model = ResNet()
    print(sum(p.numel() for p in model.parameters()))
    """,
    f"m.ResNet(num_classes=4)({IMAGE}).shape == (2, 4)",
    "print",
    "matplotlib",
    "model = ",
)
case(
    "vit",
    """
    import math
    import torch
    from torch import nn, Tensor
    from torch.nn import functional as F

    PATCH, DIM = 8, 32
    HEADS = DIM // 8


    class Attention(nn.Module):
        def __init__(self, dim: int = DIM, heads: int = HEADS) -> None:
            super().__init__()
            self.heads, self.scale = heads, 1 / math.sqrt(dim // heads)
            self.qkv, self.out = nn.Linear(dim, dim * 3), nn.Linear(dim, dim)

        def forward(self, x: Tensor) -> Tensor:
            b, n, d = x.shape
            q, k, v = self.qkv(x).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            return self.out((F.softmax(q @ k.mT * self.scale, -1) @ v).transpose(1, 2).reshape(b, n, d))


    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2, self.attention = nn.LayerNorm(DIM), nn.LayerNorm(DIM), Attention()
            self.mlp = nn.Sequential(nn.Linear(DIM, 2 * DIM), nn.GELU(), nn.Linear(2 * DIM, DIM))

        def forward(self, x):
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))


    class ViT(nn.Module):
        def __init__(self, num_classes: int = 10, img_size: int = 32):
            super().__init__()
            self.patches = nn.Conv2d(3, DIM, PATCH, PATCH)
            self.cls = nn.Parameter(torch.zeros(1, 1, DIM))
            self.encoder = nn.Sequential(*(Encoder() for _ in range(2)))
            self.head = nn.Linear(DIM, num_classes)

        def forward(self, x):
            x = self.patches(x).flatten(2).transpose(1, 2)
            return self.head(self.encoder(torch.cat([self.cls.expand(len(x), -1, -1), x], 1))[:, 0])
    """,
    f"m.ViT()({IMAGE}).shape == (2, 10)",
)
case(
    "lstm text model",
    """
    import torch
    import torch.nn as nn
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    VOCAB = ["<pad>", "good", "bad"]
    STOI = {word: index for index, word in enumerate(VOCAB)}


    class LSTMTagger(nn.Module):
        def __init__(self, hidden=16, num_classes=2):
            super().__init__()
            self.embed = nn.Embedding(len(STOI), 8, padding_idx=STOI["<pad>"])
            self.lstm = nn.LSTM(8, hidden, batch_first=True, bidirectional=True)
            self.fc = nn.Linear(2 * hidden, num_classes)

        def forward(self, tokens):
            lengths = (tokens != STOI["<pad>"]).sum(1).clamp(min=1).cpu()
            packed = pack_padded_sequence(self.embed(tokens), lengths, batch_first=True, enforce_sorted=False)
            out, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
            return self.fc(out.mean(1))
    """,
    "m.LSTMTagger()(torch.tensor([[1, 2], [2, 0]])).shape == (2, 2)",
)
case(
    "u-net",
    """
    import torch, torch.nn as nn, torch.nn.functional as F, os, sys

    def double_conv(i, o): return nn.Sequential(
        nn.Conv2d(i, o, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(o, o, 3, padding=1), nn.ReLU(inplace=True),
    )

    class Up(nn.Module):
        def __init__(self, i, o):
            super().__init__(); self.conv = double_conv(i, o)
        def forward(self, x, skip):
            return self.conv(torch.cat([F.interpolate(x, scale_factor=2), skip], dim=1))

    class UNet(nn.Module):
        def __init__(self, widths=(4, 8, 16)):
            super().__init__()
            self.down = nn.ModuleList([double_conv(a, b) for a, b in zip((3, *widths), widths)])
            self.up = nn.ModuleList([Up(b + a, a) for a, b in zip(widths[-2::-1], widths[:0:-1])])
            self.head = nn.Conv2d(widths[0], 1, kernel_size=1)
        def forward(self, x):
            skips = []
            for index, block in enumerate(self.down):
                x = block(F.max_pool2d(x, 2) if index else x)
                skips.append(x)
            for up, skip in zip(self.up, reversed(skips[:-1])):
                x = up(x, skip)
            return self.head(x)

    print(os.getcwd(), sys.version)
    """,
    f"m.UNet()({IMAGE}).shape == (2, 1, 32, 32)",
    "os",
    "sys",
)
case(
    "dataclass config",
    """
    from dataclasses import dataclass, field, asdict
    import torch.nn as nn

    @dataclass(frozen=True)
    class Config:
        width: int = 8
        depths: list[int] = field(default_factory=lambda: [1, 2])

        @property
        def total(self) -> int:
            return sum(self.depths)

    CFG = Config(width=4)
    print(asdict(CFG))

    class Net(nn.Sequential):
        def __init__(self, config: Config = CFG, num_classes: int = 3):
            width = config.width
            super().__init__(*[nn.Linear(width, width) for _ in range(config.total)], nn.Linear(width, num_classes))
    """,
    "m.Net()(torch.rand(1, 4)).shape == (1, 3)",
    "asdict",
)
case(
    "decorators",
    """
    import functools
    import time
    import torch
    from torch import nn

    def timed(every=1):
        def decorate(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                start = time.perf_counter()
                try:
                    return function(*args, **kwargs)
                finally:
                    wrapper.seconds = time.perf_counter() - start
            return wrapper
        return decorate

    def unused(function):
        return function

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 2)

        @timed(every=2)
        def forward(self, x):
            return self.fc(x)

        @staticmethod
        @torch.no_grad()
        def frozen(x):
            return x * 2

        @classmethod
        def tiny(cls):
            return cls()
    """,
    "m.Net.tiny()(torch.rand(1, 2)).shape == (1, 2)",
    "unused",
)
case(
    "generics",
    """
    from typing import Generic, TypeVar, Protocol, ClassVar, overload
    import torch
    import torch.nn as nn

    T = TypeVar("T", bound="nn.Module")

    class HasWidth(Protocol):
        width: int

    class Residual(nn.Module, Generic[T]):
        inner: T
        count: ClassVar[int] = 0

        def __init__(self, inner: T) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.inner(x)

    class Net(nn.Module):
        @overload
        def scale(self, by: int) -> int: ...
        @overload
        def scale(self, by: float) -> float: ...
        def scale(self, by):
            return by

        def __init__(self, like: "HasWidth | None" = None) -> None:
            super().__init__()
            self.block: Residual[nn.Linear] = Residual[nn.Linear](nn.Linear(4, 4))

        def forward(self, x):
            return self.block(x)
    """,
    "m.Net()(torch.rand(1, 4)).shape == (1, 4) and m.HasWidth",
)
case(
    "nested classes",
    """
    import enum
    import torch.nn as nn

    class Net(nn.Module):
        class Mode(enum.Enum):
            FAST = "fast"
            FULL = "full"

        class Head(nn.Module):
            class Out(nn.Linear):
                pass

            def __init__(self, mode):
                super().__init__()
                self.out = Net.Head.Out(4, 2 if mode is Net.Mode.FAST else 3)

            def forward(self, x):
                return self.out(x)

        def __init__(self, mode=Mode.FULL):
            super().__init__()
            self.head = self.Head(mode)

        def forward(self, x):
            return self.head(x)
    """,
    "m.Net()(torch.rand(1, 4)).shape == (1, 3)",
)
case(
    "closures and factories",
    """
    import torch.nn as nn

    ACTIVATION = "relu"

    def make_activation(name):
        table = {"relu": nn.ReLU, "gelu": nn.GELU}
        def build(**options):
            nonlocal table
            table = dict(table)
            return table[name](**options)
        return build

    activation = make_activation(ACTIVATION)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = activation()

        def forward(self, x):
            return self.act(x)
    """,
    "bool((m.Net()(torch.tensor([-1.0, 1.0])) == torch.tensor([0.0, 1.0])).all())",
)
case(
    "async helper",
    """
    import asyncio
    import torch.nn as nn

    async def fetch(n):
        await asyncio.sleep(0)
        return [i async for i in counted(n)]

    async def counted(n):
        for i in range(n):
            yield i

    class Net(nn.Module):
        def forward(self, x):
            return x + len(asyncio.run(fetch(3)))
    """,
    "float(m.Net()(torch.tensor(1.0))) == 4.0",
)
case(
    "f-strings",
    """
    import torch.nn as nn

    PREFIX, WIDTH = "layer", 6
    NAMES = {"a": 'x'}

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            for i in range(2):
                self.add_module(f"{PREFIX}_{i:0{WIDTH}d}{'!' * 0}", nn.Identity())
            self.text = f"{NAMES['a']!r:>{WIDTH}} {self.__class__.__name__} {f'{PREFIX}'}"

        def forward(self, x):
            return x
    """,
    "m.Net().text == \"   'x' Net layer\" and 'layer_000001' in dict(m.Net().named_children())",
)
case(
    "match",
    """
    from dataclasses import dataclass
    import torch.nn as nn

    @dataclass
    class Conv:
        channels: int

    @dataclass
    class Pool:
        size: int

    DEFAULT = 7

    def build(spec):
        match spec:
            case Conv(channels=c) if c > 0:
                return nn.Conv2d(3, c, 1)
            case Pool(size):
                return nn.MaxPool2d(size)
            case {"kind": kind, **rest}:
                return (kind, rest)
            case [first, *_]:
                return build(first)
            case _:
                return nn.Conv2d(3, DEFAULT, 1)

    class Net(nn.Module):
        def __init__(self, spec=None):
            super().__init__()
            self.layer = build(spec)

        def forward(self, x):
            return self.layer(x)
    """,
    f"m.Net()({IMAGE}).shape[1] == 7 and m.Net([m.Conv(5)])({IMAGE}).shape[1] == 5",
)
case(
    "walrus",
    """
    import torch.nn as nn
    SIZES = [size for raw in ("4", "8", "x") if (size := int(raw) if raw.isdigit() else 0)]
    BIGGEST = (last := SIZES[-1]) * 2

    class Net(nn.Module):
        def forward(self, x):
            if (n := x.shape[-1]) > last:
                return x[..., :BIGGEST], n
            return x, size
    """,
    "m.Net()(torch.rand(1, 3))[1] == 0 and m.BIGGEST == 16",
)
case(
    "try-except imports",
    """
    import torch
    import torch.nn as nn

    try:
        import flash_attention_that_nobody_has as flash
        HAS_FLASH = True
    except ImportError:
        flash = None
        HAS_FLASH = False
        print("no flash attention")

    try:
        from torch.nn.attention import sdpa_kernel
    except ImportError:
        !pip install torch --upgrade
        sdpa_kernel = None

    class Net(nn.Module):
        def forward(self, x):
            return flash.run(x) if HAS_FLASH else nn.functional.scaled_dot_product_attention(x, x, x)
    """,
    "m.Net()(torch.rand(1, 2, 4)).shape == (1, 2, 4)",
    "sdpa_kernel",
    "pip install",
)
case(
    "try-except import with a shell line inside",
    """
    import torch.nn as nn
    try:
        import json as codec
    except ImportError:
        !pip install json
        import pickle as codec

    class Net(nn.Module):
        def forward(self, x):
            return codec.dumps(x)
    """,
    "m.Net()([1]) == '[1]'",
    "pip",
)
case(
    "conditional definition",
    """
    import sys
    import torch
    import torch.nn as nn

    if torch.cuda.is_available():
        device = torch.device("cuda")
        print("using the GPU")
    else:
        device = torch.device("cpu")

    if sys.version_info >= (3, 12):
        from itertools import batched
    else:
        def batched(items, n):
            return [tuple(items[i:i + n]) for i in range(0, len(items), n)]

    class Net(nn.Module):
        def forward(self, x):
            return [torch.stack(part).to(device) for part in batched(list(x), 2)]
    """,
    "len(m.Net()(torch.rand(4, 2))) == 2",
)
case(
    "type checking imports",
    """
    from __future__ import annotations
    from typing import TYPE_CHECKING, Any
    import torch.nn as nn

    if TYPE_CHECKING:
        from collections.abc import Sequence
        from a_package_nobody_has import Thing

    class Net(nn.Module):
        def forward(self, x: Sequence[Any], thing: Thing | None = None) -> Any:
            return x
    """,
    "m.Net()(3) == 3",
)
case(
    "annotations that are not evaluated",
    """
    from __future__ import annotations
    import torch
    import torch.nn as nn
    from torch import Tensor

    Batch = tuple[Tensor, Tensor]

    class Net(nn.Module):
        layers: nn.ModuleList

        def loss(self, batch: Batch) -> Tensor:
            total: Tensor = batch[0].sum()
            return total
    """,
    "float(m.Net().loss((torch.ones(2), None))) == 2.0 and m.Batch",
)
case(
    "registry",
    """
    import torch.nn as nn

    REGISTRY = {}

    def register(name):
        def decorate(cls):
            REGISTRY[name] = cls
            return cls
        return decorate

    @register("conv")
    class ConvBlock(nn.Conv2d):
        pass

    @register("linear")
    class LinearBlock(nn.Linear):
        pass

    class Net(nn.Module):
        def __init__(self, kind="linear"):
            super().__init__()
            self.block = REGISTRY[kind](4, 2)

        def forward(self, x):
            return self.block(x)

    Net()
    """,
    "m.Net()(torch.rand(1, 4)).shape == (1, 2) and 'conv' in m.REGISTRY",
)
case(
    "registry by subclass hook",
    """
    import torch.nn as nn

    class Block(nn.Module):
        kinds = {}
        def __init_subclass__(cls, **options):
            super().__init_subclass__(**options)
            Block.kinds[cls.__name__.lower()] = cls

    class Twice(Block):
        def forward(self, x):
            return 2 * x

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = Block.kinds["twice"]()
        def forward(self, x):
            return self.block(x)
    """,
    "float(m.Net()(torch.tensor(2.0))) == 4.0",
)
case(
    "singledispatch",
    """
    from functools import singledispatch
    import torch.nn as nn

    @singledispatch
    def describe(module):
        return "module"

    @describe.register
    def _(module: nn.Linear):
        return "linear"

    class Net(nn.Module):
        def forward(self, x):
            return describe(nn.Linear(1, 1)), describe(3)
    """,
    "m.Net()(0) == ('linear', 'module')",
)
case(
    "definitions changed after they were made",
    """
    import torch.nn as nn

    DEFAULTS = {"width": 4}
    DEFAULTS["classes"] = 3
    WIDTHS = [1]
    WIDTHS += [2]

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(DEFAULTS["width"] * WIDTHS[-1], DEFAULTS["classes"])

    def forward(self, x):
        return self.fc(x)

    Net.forward = forward
    """,
    "m.Net()(torch.rand(1, 8)).shape == (1, 3)",
)
case(
    "star import",
    """
    from torch.nn import *
    from math import *

    class Net(Module):
        def __init__(self):
            super().__init__()
            self.layer = Sequential(Linear(4, 4), ReLU())
        def forward(self, x):
            return self.layer(x) * floor(pi)
    """,
    "m.Net()(torch.rand(1, 4)).shape == (1, 4)",
)
case(
    "class body reads the module",
    """
    import torch.nn as nn
    width = 3
    scale = 2

    class Net(nn.Module):
        width = width
        sizes = [scale * i for i in range(width)]
        scale: float = 1.5

        def forward(self, x):
            return [self.width, self.sizes, self.scale, __class__.__name__]
    """,
    "m.Net()(0) == [3, [0, 2, 4], 1.5, 'Net']",
)
case(
    "global and nonlocal",
    """
    import torch.nn as nn
    _calls = 0
    _cache = None

    def cached():
        global _cache
        if _cache is None:
            _cache = build()
        return _cache

    def build():
        size = 2
        def inner():
            nonlocal size
            size += 1
            return size
        return inner()

    class Net(nn.Module):
        def forward(self, x):
            global _calls
            _calls += 1
            return cached(), _calls
    """,
    "m.Net()(0) == (3, 1)",
)
case(
    "name set by a function only",
    """
    import torch.nn as nn

    def setup():
        global LIMIT
        LIMIT = 5

    class Net(nn.Module):
        def forward(self, x):
            setup()
            return LIMIT
    """,
    "m.Net()(0) == 5",
)
case(
    "comprehensions, lambdas, defaults",
    """
    import torch.nn as nn
    BASE = 2
    SCALES = [2 ** k for k in range(3)]
    by_name = {name: (lambda x, f=factor: x * f) for name, factor in zip("abc", SCALES)}

    class Net(nn.Module):
        def forward(self, x, *, power=BASE ** 2, keys=tuple(by_name)):
            return sum(by_name[k](x) for k in keys if any(c in k for c in "ab")), power, {s for s in SCALES}
    """,
    "m.Net()(1) == (3, 4, {1, 2, 4})",
)
case(
    "multiple inheritance and mixins",
    """
    import abc
    import torch.nn as nn

    class CountMixin:
        def count(self):
            return sum(p.numel() for p in self.parameters())

    class Base(nn.Module, abc.ABC):
        @abc.abstractmethod
        def features(self): ...

        def forward(self, x):
            return self.features()(x)

    class Net(CountMixin, Base):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 3)

        def features(self):
            return self.fc
    """,
    "m.Net().count() == 9",
)
case(
    "subclass in the same cell wins",
    """
    import torch.nn as nn

    class Net(nn.Module):
        def forward(self, x):
            return x

    class NetV2(Net):
        def forward(self, x):
            return super().forward(x) + 1
    """,
    "m.NetV2()(1) == 2",
)
case(
    "redefined in the same cell",
    """
    import torch.nn as nn

    class Net(nn.Module):
        def forward(self, x):
            return undefined_in_the_first_attempt

    class Net(nn.Module):
        def forward(self, x):
            return x
    """,
    "m.Net()(1) == 1",
    "undefined_in_the_first_attempt",
)
case(
    "scratch names used twice",
    """
    import torch
    import torch.nn as nn
    x = torch.randn(3)
    x = 4

    class Net(nn.Module):
        def forward(self, y):
            return x + y
    """,
    "m.Net()(1) == 5",
    "randn",
)
case(
    "rebinding that needs the earlier value",
    """
    import torch.nn as nn
    N = 4
    def make():
        return [N] * 2
    LAYERS = make()
    N = 8

    class Net(nn.Module):
        def forward(self, x):
            return LAYERS, N
    """,
    "m.Net()(0) == ([4, 4], 8)",
)
case(
    "wrapped class",
    """
    import torch.nn as nn

    def frozen(cls):
        class Frozen(cls):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs)
                self.requires_grad_(False)
        Frozen.__name__ = cls.__name__
        return Frozen

    @frozen
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(1, 1)
    """,
    "not any(p.requires_grad for p in m.Net().parameters())",
)
case(
    "semicolons and shared lines",
    """
    import torch; import torch.nn as nn; torch.manual_seed(0)
    A = 1; B = "é;'#"; print(B); C = [
        1,
    ]; D = 4  # two

    class Net(nn.Module):
        def forward(self, x): return A, B, C, D;
    """,
    'm.Net()(0) == (1, "é;\'#", [1], 4)',
    "manual_seed",
    "print",
)
case(
    "odd layout",
    '''
    import torch.nn as nn  # layers
    TEXT = """
    %not a magic
    !neither
    """
    TOTAL = 1 + \\
        2

    @(
        lambda cls: cls
    )
    class Net(  # the model
        nn.Module,
    ):
        """Doc with a % line:
    %time is text here
        """
        # a comment on its own

        def forward(
            self,
            x,
        ):
            return x % TOTAL, TEXT.count("%")  # kept
    ''',
    "m.Net()(5) == (2, 1)",
)
case(
    "magics, shell and help lines",
    """
    %matplotlib inline
    import torch.nn as nn
    %load_ext autoreload
    !pip install -q torch \\
        torchvision
    files = !ls
    where = %pwd
    nn.Module?
    if files:
        %time sum(range(10))

    class Net(nn.Module):
        def forward(self, x):
            return x
    net = Net()
    %timeit -n1 -r1 net(1)
    """,
    "m.Net()(5) == 5",
    "matplotlib",
    "pip",
    "ls",
    "autoreload",
)
case(
    "secrets and submit in the same cell",
    """
    import os
    import torch.nn as nn
    API_KEY = "rsk_live_0123456789"
    os.environ["RESON_API_KEY"] = API_KEY

    class Client:
        def __init__(self, key):
            self.key = key
        def rt_submit(self, model):
            return model

    class Net(nn.Module):
        def __init__(self, num_classes=10):
            super().__init__()
            self.fc = nn.Linear(4, num_classes)
        def forward(self, x):
            return self.fc(x)

    sdk = Client(key=API_KEY)
    job = sdk.rt_submit(model=Net)
    """,
    "m.Net()(torch.rand(1, 4)).shape == (1, 10)",
    "rsk_live",
    "submit",
    "environ",
)
case(
    "main guard",
    """
    import argparse
    import torch.nn as nn

    class Net(nn.Module):
        def forward(self, x):
            return x

    if __name__ == "__main__":
        args = argparse.ArgumentParser().parse_args([])
        net = Net()
    """,
    "m.Net()(5) == 5",
    "argparse",
    "__main__",
)
case(
    "training loop below the model",
    """
    import torch
    import torch.nn as nn
    from torch.utils.data import DataLoader, TensorDataset

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)
        def forward(self, x):
            return self.fc(x)

    data = DataLoader(TensorDataset(torch.rand(8, 4), torch.zeros(8, dtype=torch.long)), batch_size=4)
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(1):
        for x, y in data:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    with torch.no_grad():
        accuracy = (model(torch.rand(3, 4)).argmax(1) == 0).float().mean()
    """,
    "m.Net()(torch.rand(1, 4)).shape == (1, 2)",
    "DataLoader",
    "optimizer",
    "accuracy",
)
case(
    "lightning-like helper",
    """
    import torch
    import torch.nn as nn
    from torch.optim import AdamW
    from collections import defaultdict
    from typing import Any, Callable

    class LitModule(nn.Module):
        hooks: dict[str, list[Callable[..., Any]]] = defaultdict(list)
        def log(self, name, value): self.logged = {**getattr(self, "logged", {}), name: value}
        def configure_optimizers(self): return AdamW(self.parameters(), lr=LR)

    LR = 3e-4

    class Classifier(LitModule):
        def __init__(self, num_classes: int = 2):
            super().__init__()
            self.net = nn.Sequential(nn.Flatten(), nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(num_classes))
        def forward(self, x): return self.net(x)
        def training_step(self, batch, _):
            loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
            self.log("loss", loss.item())
            return loss
    """,
    f"m.Classifier().training_step(({IMAGE}, torch.tensor([0, 1])), 0) > 0",
)
case(
    "autoencoder with parameters outside layers",
    """
    import torch, math
    from torch import nn
    from torch.nn import Parameter as P, init

    class Linear(nn.Module):
        __constants__ = ["bias"]
        def __init__(self, i, o):
            super().__init__()
            self.weight = P(torch.empty(o, i))
            self.register_buffer("seen", torch.zeros((), dtype=torch.long))
            init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        def forward(self, x):
            self.seen += 1
            return x @ self.weight.T

    class AutoEncoder(nn.Module):
        def __init__(self, latent: int = 3):
            super().__init__()
            self.encoder, self.decoder = Linear(8, latent), Linear(latent, 8)
        def forward(self, x): return self.decoder(self.encoder(x))
    """,
    "m.AutoEncoder()(torch.rand(2, 8)).shape == (2, 8)",
)
case(
    "custom autograd function",
    """
    import torch
    from torch import nn

    class Round(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.round()
        @staticmethod
        def backward(ctx, grad):
            return grad.clamp(-LIMIT, LIMIT)

    LIMIT: float = 1.0
    ste = Round.apply

    class Net(nn.Module):
        def forward(self, x):
            return ste(x)
    """,
    "float(m.Net()(torch.tensor(1.6))) == 2.0",
)
case(
    "named tuples, enums, typed dicts",
    """
    import torch
    import torch.nn as nn
    from collections import namedtuple
    from enum import Enum, auto
    from typing import NamedTuple, TypedDict, Literal

    Output = namedtuple("Output", "logits features")
    class Stage(Enum):
        TRAIN = auto()
        TEST = auto()
    class Spec(NamedTuple):
        width: int = 4
        mode: Literal["a", "b"] = "a"
    class Options(TypedDict, total=False):
        bias: bool
    SPEC, OPTIONS = Spec(), Options(bias=False)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(SPEC.width, 2, **OPTIONS)
        def forward(self, x, stage=Stage.TRAIN):
            return Output(self.fc(x), x)
    """,
    "m.Net()(torch.rand(1, 4)).logits.shape == (1, 2) and m.Net().fc.bias is None",
)
case(
    "relative use of a name that shadows a builtin",
    """
    import torch.nn as nn
    def print(*args):
        return args
    input = 3
    class Net(nn.Module):
        def forward(self, x):
            return print(x, input, max(1, 2))
    """,
    "m.Net()(1) == (1, 3, 2)",
)
case(
    "local imports in functions",
    """
    import torch.nn as nn

    class Net(nn.Module):
        def forward(self, x):
            import numpy as np
            from torch import tensor
            return tensor(np.zeros(3))
    """,
    "m.Net()(1).shape == (3,)",
)
case(
    "exception groups, with, finally",
    """
    import contextlib
    import torch
    import torch.nn as nn

    class NotFinite(ValueError):
        pass

    @contextlib.contextmanager
    def guarded(name):
        try:
            yield
        except (ValueError, KeyError) as error:
            raise NotFinite(name) from error
        finally:
            pass

    class Net(nn.Module):
        def forward(self, x):
            with guarded("x") as g, torch.no_grad():
                return x
    """,
    "m.Net()(1) == 1",
)
case(
    "gan generator beside its discriminator",
    """
    import torch.nn as nn

    class Discriminator(nn.Module):
        def forward(self, x): return x

    class Generator(nn.Module):
        def forward(self, z): return z * 2

    def fl_train_model(payload):
        return {"weights": Generator().state_dict(), "samples": 1}
    """,
    "m.Generator()(2) == 4 and m.fl_train_model({})['samples'] == 1",
    "Discriminator",
)
case(
    "model with its train and validate functions",
    """
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
    import pandas

    EPOCHS_OFFSET = 0

    class Net(nn.Module):
        def __init__(self, width=4):
            super().__init__()
            self.fc = nn.Linear(width, 2)
        def forward(self, x):
            return self.fc(x)

    def load(root):
        return torch.rand(8, 4), torch.randint(0, 2, (8,))

    def fl_train(model, env, out_dir, logger=None):
        x, y = load(env["DATA_ROOT"])
        for _ in range(env["EPOCHS"] + EPOCHS_OFFSET):
            F.cross_entropy(model(x), y).backward()
        return {"weights": model.state_dict(), "samples": len(x)}

    def fl_validate(model, env, out_dir, logger=None):
        x, y = load(env["DATA_ROOT"])
        return {"accuracy": (model(x).argmax(1) == y).float().mean().item()}

    frame = pandas.DataFrame()
    """,
    "m.fl_train(m.Net(), {'DATA_ROOT': '', 'EPOCHS': 1}, '')['samples'] == 8 and m.fl_validate(m.Net(), {'DATA_ROOT': ''}, '')",
    "pandas",
    "frame",
)
case(
    "train function by factory",
    """
    import torch.nn as nn

    def make_fl_adapter(width):
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(width, 1)
        def train(payload, out_dir=None, logger=None):
            return {"weights": Net().state_dict(), "samples": 3}
        return Net, train

    Net, fl_train_model = make_fl_adapter(5)
    """,
    "m.fl_train_model({})['weights']['fc.weight'].shape == (1, 5)",
    role="train",
)
case(
    "train cell with state and logging",
    """
    import json, os
    from pathlib import Path
    import torch
    from torch.optim.lr_scheduler import CosineAnnealingLR as Schedule

    def _schedule(optimizer, env):
        return Schedule(optimizer, T_max=max(1, env["NUM_ROUNDS"]))

    def fl_train(model, env, out_dir, logger):
        logger({"type": "info", "msg": f"round {env['CURRENT_ROUND'] + 1}"})
        optimizer = torch.optim.SGD(model.parameters(), lr=env["LR"], momentum=0.9)
        state = Path(env["STATE_DIR"]) / "optimizer.pt"
        if state.exists():
            optimizer.load_state_dict(torch.load(state))
        _schedule(optimizer, env).step()
        return {"state_dict": model.state_dict(), "num_samples": 1}

    print(json.dumps({"ready": os.getpid()}))
    """,
    "m.fl_train and m._schedule",
    "json",
    role="train",
)
case(
    "custom executor",
    """
    from nvflare.apis.dxo import DXO, DataKind, from_shareable
    from nvflare.apis.executor import Executor
    from nvflare.apis.fl_constant import ReturnCode
    from nvflare.apis.shareable import Shareable, make_reply
    from nvflare.apis.signal import Signal
    from nvflare.apis.fl_context import FLContext

    class BaseExecutor(Executor):
        def __init__(self, **training):
            super().__init__()
            self.training = training

    class AddOne(BaseExecutor):
        def execute(self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
            if task_name != "train":
                return make_reply(ReturnCode.TASK_UNKNOWN)
            from model_def import Net
            dxo = from_shareable(shareable)
            return DXO(DataKind.WEIGHTS, data={k: v + 1 for k, v in dxo.data.items()}).to_shareable()
    """,
    "m.AddOne(batch_size=3).training == {'batch_size': 3}",
    role="executor",
)
case(
    "custom persistor",
    """
    from nvflare.app_opt.pt.file_model_persistor import PTFileModelPersistor
    import os, logging

    log = logging.getLogger(__name__)
    KEEP = 3

    class KeepingPersistor(PTFileModelPersistor):
        def save_model(self, ml, fl_ctx):
            log.info("keeping %d", KEEP)
            super().save_model(ml, fl_ctx)
    """,
    "m.KeepingPersistor and m.KEEP == 3",
    "os",
    role="persistor",
)
case(
    "indented cell",
    "    import torch.nn as nn\n    class Net(nn.Module):\n        def forward(self, x):\n            return x\n",
    "m.Net()(1) == 1",
)
case(
    "pasted prompts",
    ">>> import torch.nn as nn\n>>> class Net(nn.Module):\n...     def forward(self, x):\n...         return x\n",
    "m.Net()(1) == 1",
)
case(
    "no line end, form feed and non-ascii names",
    "import torch.nn as nn\n\x0c\nGRÖßE = 3\nclass Nét(nn.Module):\n    def forward(self, x): return x + GRÖßE, '日本'",
    "m.Nét()(1) == (4, '日本')",
)
case(
    "windows line ends",
    "import torch.nn as nn\r\n!dir\r\nclass Net(nn.Module):\r\n    def forward(self, x):\r\n        return 'a'\r\n",
    "m.Net()(1) == 'a'",
    "dir",
)
case(
    "deprecated escapes and odd literals",
    r"""
    import re
    import torch.nn as nn
    PATTERN = re.compile("\d+\.pt")
    BYTES = rb"\x00" b"\n"
    class Net(nn.Module):
        def forward(self, x):
            return bool(PATTERN.match(x)), 1_000, 0xFF, 1e-3j, ...
    """,
    "m.Net()('12.pt')[0] is True",
)
case(
    "device constant, seeds, warnings filters",
    """
    import random, warnings
    import numpy as np
    import torch
    from torch import nn
    warnings.filterwarnings("ignore")
    SEED = 42
    random.seed(SEED); np.random.seed(SEED); torch.manual_seed(SEED)
    torch.backends.cudnn.benchmark = True
    DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(1, 1).to(DEVICE)
        def forward(self, x):
            return self.fc(x.to(DEVICE))
    """,
    "m.Net()(torch.rand(1, 1)).shape == (1, 1)",
    "filterwarnings",
    "SEED",
    "cudnn",
    "numpy",
)
case(
    "transforms pipeline and sampler class used by the train function",
    """
    import torch
    from torch import nn
    from torch.utils.data import Dataset, DataLoader

    class Noise:
        def __init__(self, scale): self.scale = scale
        def __call__(self, x): return x + self.scale * torch.randn_like(x)

    PIPELINE = [Noise(0.1), lambda x: x.clamp(0, 1)]

    class Shapes(Dataset):
        def __len__(self): return 4
        def __getitem__(self, i):
            x = torch.full((3, 8, 8), i / 4)
            for step in PIPELINE:
                x = step(x)
            return x, i % 2

    class Net(nn.Sequential):
        def __init__(self, num_classes=2):
            super().__init__(nn.Flatten(), nn.Linear(192, num_classes))

    def fl_train_model(payload, out_dir, logger=None):
        model = Net()
        model.load_state_dict(payload["initial_weights"] or model.state_dict())
        for x, y in DataLoader(Shapes(), batch_size=2):
            nn.functional.cross_entropy(model(x), y).backward()
        return {"weights": model.state_dict(), "samples": len(Shapes())}

    next(iter(DataLoader(Shapes())))
    """,
    "m.fl_train_model({'initial_weights': {}}, '')['samples'] == 4",
    "next(iter(",
)
case(
    "future division and a docstring first",
    '''
    """A notebook about models."""
    from __future__ import annotations, generator_stop
    import torch.nn as nn

    class Net(nn.Module):
        def forward(self, x: nn.Module) -> "nn.Module":
            return x
    ''',
    "m.Net()(1) == 1",
    "A notebook about models",
)
case(
    "transformer language model with tied weights and caches",
    """
    from functools import lru_cache, partial
    import torch
    from torch import nn

    @lru_cache(maxsize=None)
    def mask(n):
        return torch.triu(torch.ones(n, n, dtype=torch.bool), 1)

    norm = partial(nn.LayerNorm, eps=1e-6)

    class LM(nn.Module):
        def __init__(self, vocab=11, dim=8):
            super().__init__()
            self.embed = nn.Embedding(vocab, dim)
            layer = nn.TransformerEncoderLayer(dim, 2, 16, batch_first=True)
            self.body, self.norm = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False), norm(dim)
            self.head = nn.Linear(dim, vocab, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, ids):
            return self.head(self.norm(self.body(self.embed(ids), mask=mask(ids.shape[1]))))

        @torch.inference_mode()
        def generate(self, ids, n=1):
            for _ in range(n):
                ids = torch.cat([ids, self(ids)[:, -1:].argmax(-1)], 1)
            return ids
    """,
    "m.LM().generate(torch.zeros(1, 3, dtype=torch.long), 2).shape == (1, 5)",
)
case(
    "graph network with scatter helper",
    """
    import torch
    from torch import nn, Tensor

    def scatter_mean(src: Tensor, index: Tensor, n: int) -> Tensor:
        total = torch.zeros(n, src.shape[1]).index_add_(0, index, src)
        return total / torch.zeros(n).index_add_(0, index, torch.ones(len(index))).clamp(min=1)[:, None]

    class GNN(nn.Module):
        def __init__(self, dims: tuple[int, ...] = (4, 8, 2)):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(2 * a, b) for a, b in zip(dims, dims[1:]))
        def forward(self, x: Tensor, edges: Tensor) -> Tensor:
            for layer in self.layers:
                x = layer(torch.cat([x, scatter_mean(x[edges[0]], edges[1], len(x))], 1)).relu()
            return x
    """,
    "m.GNN()(torch.rand(3, 4), torch.tensor([[0, 1], [1, 2]])).shape == (3, 2)",
)
case(
    "diffusion schedule as module constants",
    """
    import torch
    from torch import nn
    T = 10
    betas = torch.linspace(1e-4, 0.02, T)
    alphas = 1 - betas
    alpha_bar = torch.cumprod(alphas, 0)
    plotted = [float(b) for b in alpha_bar]

    class Denoiser(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Conv2d(3, 3, 3, padding=1)
        def forward(self, x, t=0):
            return self.net(x * alpha_bar[t].sqrt())
    """,
    f"m.Denoiser()({IMAGE}).shape == (2, 3, 32, 32)",
    "plotted",
)
