"""The same legacy project under Scaleout's own dispatcher client and here: the same files come of it.

Only 1.0 is compared: 1.1 hands its commands a container that `load` of its own helper cannot read, so no legacy project trains.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from reson_jupyter.edge.travel.dispatcher import Dispatcher
from reson_jupyter.edge.travel.helpers import get_helper
from reson_jupyter.edge.travel.model import ScaleoutModel

from .conftest import Scaleout
from .legacy import COMMANDS, write_project
from .site_side import Client, write_scripts

SETTINGS = {"SITE_NAME": "site-2", "learning_rate": 0.25, "text": "ü"}
PARAMS = [np.arange(6, dtype="float64").reshape(2, 3), np.array([7, 8], dtype="int32")]

# Its client with everything but the network.
THEIRS = """
import json, os, sys, types
from scaleout.client.dispatcher_client import DispatcherClient
from scaleoututil.helpers.helpers import get_helper
from scaleoututil.utils.dispatcher import Dispatcher
from scaleoututil.utils.model import ScaleoutModel

folder, seed, out, commands, settings = sys.argv[1:]
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
client = DispatcherClient.__new__(DispatcherClient)
client.helper = get_helper("numpyhelper")
config = {"entry_points": {name: {"command": line} for name, line in json.loads(commands).items()}}
client._package_runtime = types.SimpleNamespace(dispatcher=Dispatcher(config, folder))
model = ScaleoutModel.from_file(seed)
trained, meta = client.on_train(model, json.loads(settings))
trained.save_to_file(out)
print("told", json.dumps([meta, client.on_validation(model)]))
"""


def test_scaleouts_dispatcher_and_ours_make_the_same_of_a_project(scaleout: Scaleout, tmp_path: Path) -> None:
    folder, seed, out = write_project(tmp_path / "client"), tmp_path / "seed.npz", tmp_path / "trained.npz"
    helper = get_helper("numpyhelper")
    helper.save(PARAMS, str(seed))
    said = scaleout("1.0", THEIRS, folder, seed, out, json.dumps(COMMANDS), json.dumps(SETTINGS))
    (line,) = [line for line in said.splitlines() if line.startswith("told ")]
    their_meta, their_metrics = json.loads(line.removeprefix("told "))

    client: Any = Client()
    Dispatcher(client, folder, write_scripts(tmp_path / "site"), COMMANDS).start()
    model = ScaleoutModel.from_file(seed)
    trained, meta = client.callbacks["train"](model, SETTINGS)
    assert meta.keys() == their_meta.keys() and meta["training_metadata"] == their_meta["training_metadata"]
    assert client.callbacks["validate"](model) == their_metrics
    for ours, theirs in zip(trained.get_model_params(helper), helper.load(str(out)), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
