"""A federation as a consortium has it: made by `nvflare provision`, server and sites on machines with addresses of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from tests.federation.networks import Network, NotPermitted, network
from tests.patience import wait_for
from tests.runs.conftest import write_image_shard

pytestmark = [pytest.mark.nvflare, pytest.mark.federation]

SERVER, PORT = "fl.consortium.test", 8002
MACHINES = {
    SERVER: "10.77.3.1", "clinic-a": "10.77.3.2", "clinic-b": "10.77.3.3", "clinic-c": "10.77.3.4", "notebook": "10.77.3.9",
}  # fmt: skip
CLINICS = ("clinic-a", "clinic-b")
LABELS = {"clinic-a": [0] * 30 + [1] * 20 + [2] * 10, "clinic-b": [1] * 10 + [2] * 30}
PROJECT = f"""
api_version: 3
name: consortium
description: two clinics
participants:
  - {{name: {SERVER}, type: server, org: consortium, fed_learn_port: {PORT}, admin_port: {PORT}}}
  - {{name: clinic-a, type: client, org: clinic_a}}
  - {{name: clinic-b, type: client, org: clinic_b}}
  - {{name: anna@consortium.test, type: admin, org: consortium, role: lead}}
builders:
  - path: nvflare.lighter.impl.workspace.WorkspaceBuilder
    args: {{template_file: [master_template.yml]}}
  - path: nvflare.lighter.impl.static_file.StaticFileBuilder
    args: {{config_folder: config, scheme: http}}
  - path: nvflare.lighter.impl.cert.CertBuilder
  - path: nvflare.lighter.impl.signature.SignatureBuilder
"""
NOTEBOOK = """
import sys
import torch
import reson_jupyter as reson
from tests.runs.models import SmallNet

reson.session().configure(target="flare", startup_kit=sys.argv[1], num_classes=3, img_size=12, learning_rate=0.05, batch_size=8)
run = reson.submit(SmallNet, name="clinics", federation=reson.FederationConfig(num_rounds=3)).wait()
torch.save(run.model().state_dict(), sys.argv[2])
sites = {(metric["site"], metric["round"]) for metric in run.metrics if metric["name"] == "train_loss" and metric["site"]}
print("STATE", run.state.value, sorted(sites))
"""


@dataclass(frozen=True)
class Consortium:
    """The running federation."""

    network: Network
    folder: Path

    def environment_of(self, name: str) -> dict[str, str]:
        """What a process of a machine has in its environment: a home and a place for temporary files, and the right Python."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("RESON_", "AWS_"))}
        here = self.folder / name
        python = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**kept, "HOME": str(here / "home"), "TMPDIR": str(here / "tmp"), "PATH": python, "OMP_NUM_THREADS": "1"}

    def move_in(self, name: str, kit: Path) -> None:
        """Copies a kit to a machine."""
        for part in ("home", "tmp"):
            (self.folder / name / part).mkdir(parents=True)
        shutil.move(kit, self.folder / name / "kit")

    def start(self, name: str) -> None:
        """Starts the kit of a machine as its administrator does."""
        here = self.folder / name
        started = self.network.start(
            name, [here / "kit" / "startup" / "start.sh"], self.environment_of(name), here, here / "log.txt"
        )
        assert started.wait(30) == 0

    def wait_until_joined(self, *names: str) -> None:
        """Waits until the server has these sites."""
        wait_for(lambda: all("Successfully registered client" in self.log(name) for name in names))

    def log(self, name: str) -> str:
        """What was printed on a machine."""
        return (self.folder / name / "log.txt").read_text(errors="replace")


def make_data(folder: Path, labels: Mapping[str, list[int]]) -> None:
    for seed, (clinic, own) in enumerate(labels.items(), start=1):
        shard = folder / f"{clinic}.zip"
        write_image_shard(shard, own, seed)
        with zipfile.ZipFile(shard) as archive:
            archive.extractall(folder / clinic / "data")
        shard.unlink()


def provision(folder: Path, *more: str) -> Path:
    """Makes startup kits as their administrator does; returns the folder that has one for each participant."""
    command = [Path(sys.executable).with_name("nvflare"), "provision", "-p", "project.yml", "-w", "kits", *more]
    environment = {**os.environ, "HOME": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return max((folder / "kits" / "consortium").glob("prod_*"))


@pytest.fixture(scope="module")
def consortium() -> Iterator[Consortium]:
    folder = Path(tempfile.mkdtemp(prefix="reson-consortium-"))
    try:
        (folder / "project.yml").write_text(PROJECT)
        kits = provision(folder)
        make_data(folder, LABELS)
        with network(MACHINES) as machines:
            running = Consortium(machines, folder)
            for name in (SERVER, *CLINICS):
                running.move_in(name, kits / name)
            running.move_in("notebook", kits / "anna@consortium.test")
            local = folder / SERVER / "kit" / "local"
            stored = (local / "resources.json.default").read_text().replace("/tmp/nvflare", str(folder / SERVER / "store"))
            (local / "resources.json").write_text(stored)
            for clinic in CLINICS:
                data_root = {"data_root": str(folder / clinic / "data")}
                (folder / clinic / "kit" / "local" / "reson.json").write_text(json.dumps(data_root))
            for name in (SERVER, *CLINICS):
                running.start(name)
            running.wait_until_joined(*CLINICS)
            yield running
    except NotPermitted as error:
        pytest.skip(f"network namespaces cannot be made here: {error}")
    finally:
        shutil.rmtree(folder)


def test_the_sites_reach_the_server_from_their_own_addresses(consortium: Consortium) -> None:
    assert consortium.network.peers(SERVER, PORT) == {MACHINES[clinic] for clinic in CLINICS}


def test_a_notebook_elsewhere_trains_a_model_on_data_that_only_the_sites_have(consortium: Consortium) -> None:
    here, model = consortium.folder / "notebook", consortium.folder / "model.pt"
    environment = consortium.environment_of("notebook") | {"RESON_HOME": str(here / "home" / "reson")}
    command = [sys.executable, "-c", NOTEBOOK, here / "kit", model]
    repository = Path(__file__).parents[2]
    notebook = consortium.network.start("notebook", command, environment, repository, here / "log.txt")
    assert notebook.wait(240) == 0, consortium.log("notebook")
    took_part = sorted((clinic, number) for clinic in CLINICS for number in range(3))
    assert f"STATE finished {took_part}" in consortium.log("notebook")
    trained = torch.load(model, weights_only=True)
    from tests.runs.models import SmallNet

    initial = SmallNet(3).state_dict()
    assert trained.keys() == initial.keys()
    assert all(torch.isfinite(value).all() and not torch.equal(value, initial[name]) for name, value in trained.items())


def test_a_site_that_is_added_later_joins_while_the_others_run(consortium: Consortium) -> None:
    (consortium.folder / "clinic-c.yml").write_text("name: clinic-c\ntype: client\norg: clinic_c\n")
    kits = provision(consortium.folder, "--add-client", "clinic-c.yml", "--force")
    consortium.move_in("clinic-c", kits / "clinic-c")
    consortium.start("clinic-c")
    consortium.wait_until_joined("clinic-c")
    assert consortium.network.peers(SERVER, PORT) == {MACHINES[clinic] for clinic in (*CLINICS, "clinic-c")}
