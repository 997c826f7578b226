"""A real federation on this machine: a server and three sites that talk over TLS, for all tests of a module."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reson_jupyter.backend.federation import Federation
from reson_jupyter.backend.federation.kits import set_data_root
from reson_jupyter.backend.federation.nodes import end_nodes, is_connected, start_node
from reson_jupyter.backend.federation.start import start_federation, stop_federation_at
from tests.patience import wait_for

_OF_THE_USER = (
    "STORE", "TARGET", "STARTUP_KIT", "S3_ENDPOINT", "S3_KEY", "S3_SECRET", "S3_BUCKET", "S3_REGION", "BASE_URL", "API_KEY",
    "DATA_ROOT",
)  # fmt: skip


@pytest.fixture(scope="module")
def short_home() -> Iterator[Path]:
    """A RESON_HOME whose path is as short as a user's; no variable of the machine's user reaches the tests."""
    home = Path(tempfile.mkdtemp(prefix="reson-home-"))
    with pytest.MonkeyPatch.context() as patch:
        for name in _OF_THE_USER:
            patch.delenv(f"RESON_{name}", raising=False)
        patch.setenv("RESON_HOME", str(home))
        yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def federation(short_home: Path) -> Iterator[Federation]:
    """The federation; `federation.startup_kit` is what runs are submitted with."""
    federation = start_federation(3)
    yield federation
    os.environ["RESON_HOME"] = str(short_home)
    stop_federation_at(federation.folder)


def kill_site(federation: Federation, site: str) -> None:
    """Kills a site with all its processes, those of its jobs as well, as a machine's end would."""
    assert not end_nodes(federation.folder, {site})


def restart_site(federation: Federation, site: str) -> None:
    """Starts a site that was killed; returns when the server has it again."""
    kill_site(federation, site)
    start_node(federation.folder, site, 1)
    wait_for(lambda: is_connected(federation.folder, site))


@pytest.fixture
def set_data(federation: Federation) -> Iterator[Callable[[str, Path], None]]:
    """Sets where a site has its data, as its administrator would; the test's end takes it back."""
    changed = set()

    def set_it(site: str, folder: Path) -> None:
        changed.add(site)
        set_data_root(federation.folder / site, folder)

    yield set_it
    for site in changed:
        (federation.folder / site / "local" / "reson.json").unlink()
