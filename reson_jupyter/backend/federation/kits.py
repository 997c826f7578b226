"""The startup kits of a federation at hand, which NVFlare's own provisioning makes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from site import getuserbase
from typing import Any

from ...errors import TargetError

SERVER = "server"
# A server of this name binds the loopback address only: NVFlare 2.9. What listens is looked at after the start all the same.
_HOST = "localhost"
_USER = "researcher@reson.local"
_PROJECT = "reson"
_TIMEOUT = 120.0


def site_names(count: int) -> tuple[str, ...]:
    """Returns the names of so many sites."""
    return tuple(f"site-{number}" for number in range(1, count + 1))


def kit_of_user(folder: Path) -> Path:
    """The startup kit with which jobs are submitted."""
    return folder / "researcher"


def make_kits(folder: Path, sites: int, port: int, environment: dict[str, str]) -> None:
    """Makes the kits of server, sites and user below `folder`: server, site-1, ..., researcher.

    Raises:
        TargetError: NVFlare could not make them.
        OSError: the disk fails.
    """
    work = folder / "provision"
    work.mkdir()
    (work / "project.yml").write_text(json.dumps(_project(sites, port), indent=2))  # JSON is YAML
    command = [sys.executable, "-m", "nvflare.cli", "provision", "-p", "project.yml", "-w", "kits", "--force"]
    done = subprocess.run(
        command, cwd=work, env=environment, capture_output=True, text=True, timeout=_TIMEOUT, stdin=subprocess.DEVNULL
    )
    made = work / "kits" / _PROJECT / "prod_00"
    names = {_HOST: folder / SERVER, _USER: kit_of_user(folder), **{name: folder / name for name in site_names(sites)}}
    missing = [name for name in names if not (made / name / "startup").is_dir()]
    if done.returncode or missing:
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise TargetError(f"NVFlare could not make the startup kits: {last}", "Is the disk full? Does `nvflare provision` work?")
    for name, target in names.items():
        (made / name).rename(target)
    shutil.rmtree(work)  # with the key that could sign further participants
    _keep_jobs_below(folder)
    _allow_commands(folder / SERVER / "local")


def set_data_root(kit: Path, data: Path) -> None:
    """Sets where a site has its data; a run that begins from now on finds it there."""
    (kit / "local" / "reson.json").write_text(json.dumps({"data_root": str(data)}))


def data_root(kit: Path) -> Path | None:
    """Where a site has its data, if that is set."""
    try:
        return Path(json.loads((kit / "local" / "reson.json").read_text())["data_root"])
    except (OSError, ValueError, KeyError):
        return None


def _project(sites: int, port: int) -> dict[str, Any]:
    """The project file of `nvflare provision`."""
    server: dict[str, Any] = {"name": _HOST, "type": "server", "fed_learn_port": port, "admin_port": port}
    clients = [{"name": name, "type": "client"} for name in site_names(sites)]
    user = {"name": _USER, "type": "admin", "role": "lead"}
    builders = {
        "workspace.WorkspaceBuilder": {"template_file": ["master_template.yml"]},
        "static_file.StaticFileBuilder": {"config_folder": "config", "scheme": "http"},
        "cert.CertBuilder": {},
        "signature.SignatureBuilder": {},
    }
    return {
        "api_version": 3,
        "name": _PROJECT,
        "description": "A federation on one machine",
        "participants": [{**participant, "org": "reson"} for participant in (server, *clients, user)],
        "builders": [{"path": f"nvflare.lighter.impl.{path}", "args": args} for path, args in builders.items()],
    }


def _keep_jobs_below(folder: Path) -> None:
    """Has the server keep jobs and snapshots in the federation's folder and not in one that all of a machine share."""
    from nvflare.lighter.utils import update_storage_locations  # an import that a notebook should not wait for

    update_storage_locations(str(folder / SERVER / "local"), str(folder))


def _allow_commands(local: Path) -> None:
    """Lets researchers send commands to their running jobs; NVFlare's own rules let them only watch."""
    rules = json.loads((local / "authorization.json.default").read_text())
    rules["permissions"]["lead"]["app_command"] = "any"
    (local / "authorization.json").write_text(json.dumps(rules, indent=2))


def base_environment(folder: Path) -> dict[str, str]:
    """What every process of a federation has in its environment: a home of its own, none of the user's keys to stores."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("RESON", "AWS_", "NVFL"))}
    if project := os.environ.get("RESON_PROJECT"):  # as a site's owner sets it; a site has another working folder
        kept["RESON_PROJECT"] = str(Path(project).expanduser().resolve())
    return {
        **kept,
        "HOME": str(folder / "home"),
        # With another home Python would not find what `pip install --user` has installed.
        "PYTHONUSERBASE": getuserbase(),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(folder / "tmp"),  # NVFlare leaves folders in it
    }
