"""A project for torch as a user of Scaleout has it: a model's module, its data, a startup with three callbacks and a command."""

from __future__ import annotations

import textwrap
from pathlib import Path

PROJECT_FILE = """
    python_env: python_env.yaml
    entry_points:
      build: build.py
      startup: startup.py
"""

ENVIRONMENT = """
    name: torch-project
    build_dependencies:
      - pip
    dependencies:
      - torch
      - numpy
"""

NET = """
    import torch
    from scaleoututil.helpers.helpers import get_helper

    helper = get_helper("torchhelper")


    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 2))

        def forward(self, x):
            return self.layers(x)
"""

BUILD = """
    import os

    import torch
    from net import Net, helper


    def build():
        torch.manual_seed(1)
        folder = os.environ.get("SCALEOUT_BUILD_OUTPUT_DIR", ".")
        helper.save(Net().state_dict(), os.path.join(folder, "seed.pt"))
"""

DATA = """
    import torch


    def points(seed):
        torch.manual_seed(seed)
        x = torch.randn(200, 2)
        return x, (x[:, 0] > x[:, 1]).long()
"""

STARTUP = """
    import threading

    import torch
    from data import points
    from net import Net, helper
    from scaleout import EdgeClient, ScaleoutModel


    def startup(client: EdgeClient):
        Site(client)


    class Site:
        def __init__(self, client):
            self.client = client
            self.going = threading.Event()
            client.set_train_callback(self.train)
            client.set_validate_callback(self.validate)
            client.set_predict_callback(self.predict)
            client.set_custom_callback("where", self.where)
            client.set_custom_callback("go_on", self.go_on)

        def net(self, model):
            net = Net()
            net.load_state_dict(model.get_model_params(helper))
            return net

        def train(self, model, settings):
            while settings.get("held") and not self.going.wait(0.05):
                self.client.check_task_abort()
            net, (x, y) = self.net(model), points(int(settings["SITE_NAME"][-1]))
            optimizer = torch.optim.SGD(net.parameters(), lr=settings["learning_rate"])
            for step in range(settings["local_epochs"]):
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(net(x), y)
                loss.backward()
                optimizer.step()
                self.client.log_metric({"loss": loss.item()})
            new = ScaleoutModel.from_model_params(net.state_dict(), helper=helper)
            return new, {"training_metadata": {"num_examples": len(x), "epochs": step + 1}}

        def validate(self, model):
            net, (x, y) = self.net(model).eval(), points(99)
            return {"accuracy": (net(x).argmax(1) == y).float().mean().item()}

        def predict(self, model):
            return {"classes": self.net(model).eval()(torch.tensor([[2.0, -2.0], [-2.0, 2.0]])).argmax(1).tolist()}

        def where(self, params):
            return {"folder": self.client.package_path, "asked": params}

        def go_on(self, params):
            self.going.set()
            return {}
"""

FILES = {
    "scaleout.yaml": PROJECT_FILE,
    "python_env.yaml": ENVIRONMENT,
    "net.py": NET,
    "data.py": DATA,
    "build.py": BUILD,
    "startup.py": STARTUP,
}


def write_project(folder: Path, **changes: str) -> Path:
    """Writes the project; `changes` are other texts for some files, by their names without ".py"."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (FILES | {f"{name}.py": text for name, text in changes.items()}).items():
        (folder / name).write_text(textwrap.dedent(text).removeprefix("\n"))
    return folder
