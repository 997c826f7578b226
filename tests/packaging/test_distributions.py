from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .conftest import REPOSITORY, names_in, wheel_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DATA = r"reson_jupyter-[\d.]+\.data/data/share/jupyter/labextensions/reson-jupyter"
FRONT_END = {"reson_jupyter/notebook/live/static/run_view.js", "reson_jupyter/notebook/live/static/run_view.css"}


def files(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_wheel_of_a_clean_checkout_has_the_package_and_both_front_ends(wheel: Path) -> None:
    names = set(files(wheel))
    sources = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "reson_jupyter").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == sources
    assert names >= {"reson_jupyter/py.typed", *FRONT_END}
    for asset in (r"package\.json", r"install\.json", r"static/style\.js", r"static/remoteEntry\.\w+\.js"):
        assert [name for name in names if re.fullmatch(f"{DATA}/{asset}", name)], asset


def test_a_wheel_tells_nothing_of_the_machine_that_built_it(wheel: Path, checkout: Path) -> None:
    assert [name for name, content in files(wheel).items() if str(checkout).encode() in content] == []


def test_a_wheel_is_made_of_the_sdist_without_node_and_is_the_same(
    sdist: Path, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert names_in(sdist) >= {*FRONT_END, "reson_jupyter/labextension/static/style.js", "install.json", "LICENSE"}
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    rebuilt = wheel_of(sdist, tmp_path, {**os.environ, "PATH": str(tmp_path / "bin")})
    assert files(rebuilt) == files(wheel)


def test_jupyterlab_takes_the_installed_extension(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel]
    subprocess.run(pip, check=True)
    share = tmp_path / "venv" / "share" / "jupyter"
    listed = subprocess.run(
        [sys.executable, "-m", "jupyter", "labextension", "list"],
        env={**os.environ, "JUPYTER_PATH": str(share), "JUPYTER_NO_CONFIG": "1", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    ).stdout
    ours = re.sub(r"\x1b\[\d*m", "", listed).partition(str(share / "labextensions"))[2]
    version = json.loads((REPOSITORY / "labextension" / "package.json").read_text())["version"]
    assert re.match(rf"\s+reson-jupyter v{re.escape(version)} enabled OK \(python, reson_jupyter\)", ours), listed
