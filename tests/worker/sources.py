"""User code that several tests ship."""

from __future__ import annotations

from typing import Any

PAYLOAD_MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 2))

    def forward(self, x):
        return self.layers(x)

def data(site):
    random = torch.Generator().manual_seed(int(site[-1]))
    count = {"site-1": 20, "site-2": 36}[site]
    return torch.randn(count, 4, generator=random), torch.randint(2, (count,), generator=random)

def fl_train_model(payload, logger):
    env = payload["env"]
    model = Net(5)
    model.load_state_dict(payload["initial_weights"])
    x, y = data(env["SITE_NAME"])
    optimizer = torch.optim.SGD(model.parameters(), lr=env["learning_rate"], momentum=0.9)
    for step in range(5):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    logger({"type": "warning", "msg": "careful"})
    logger(f"{sorted(payload)} {sorted(payload['dataset'])} {env['weight_decay']}")
    return {"state_dict": model.state_dict(), "num_samples": len(x), "loss": loss}
"""

SEEDED_MODEL = PAYLOAD_MODEL.replace("__init__(self, width)", "__init__(self, width=5)").replace(
    "super().__init__()", "super().__init__()\n        torch.manual_seed(2)"
)


class Silent:
    """A logger for the reference."""

    def __call__(self, message: Any) -> None: ...

    def info(self, message: Any) -> None: ...

    def log_metric(self, *args: Any, **kwargs: Any) -> None: ...

    def log_attributes(self, attributes: Any) -> None: ...
