"""What a job needs besides where its sites are machines of their own: it is added, and taken out again, without a trace.

Before the first round every site prepares (`worker/preparation.py`) and the server looks whether that suffices
(`worker/preflight.py`); during the run the server reports into the store, where it reaches that (`worker/link.py`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from ..capture.imports.requirements_file import needed
from ..worker import CLIENT_FEDERATED, SERVER_FEDERATED, Name
from ..worker import source as worker_source
from .carrying.channel import Link
from .job import Job, as_json
from .nvflare_config import ROUNDS_PATH, Json, executor_args, rounds_of, rounds_workflow

_CLIENT = "config_fed_client.json"
_SERVER = "config_fed_server.json"
_ADDED: Mapping[str, tuple[Name, ...]] = {
    "scripts/custom_client_executor.py": CLIENT_FEDERATED,
    "scripts/custom_persistor.py": SERVER_FEDERATED,
}
# Stands before what is added to a script, and nowhere in it.
_MARK = "\n\n\n# For sites that are machines of their own\n"
_TASK = "reson_prepare"
_PREFLIGHT = "preflight"
_LINK = "link"
_HIDDEN = "(a secret, another for each run)"
# Seconds that a site may say nothing new while it prepares.
_PATIENCE = 300.0


def federated(job: Job, link: Link | None = None, *, keep_outputs: bool = False) -> Job:
    """Returns a job, plain or not, for a federation.

    Args:
        job: The job.
        link: How the server reaches the run's store, if it does. It is a secret, and stands in the job's configs then.
        keep_outputs: Whether the model is to come back with the server's run folder.
    """
    job = plain(job)
    client, server = job.config(_CLIENT), job.config(_SERVER)
    client["executors"].append(_preparation(job, executor_args(client)))
    preflight = {"min_clients": rounds_of(server)["min_clients"], "timeout": _PATIENCE}
    rounds_workflow(server)["path"] = "custom_persistor.ResonRounds"
    server["workflows"].insert(0, {"id": _PREFLIGHT, "path": "custom_persistor.ResonPreflight", "args": preflight})
    server["components"].append({"id": _LINK, "path": "custom_persistor.ResonLink", "args": _link_args(link, keep_outputs)})
    return _changed(job, client, server, lambda key, script: script[:-1] + _text_of(_ADDED[key]))


def plain(job: Job) -> Job:
    """Returns the job without what `federated` added; one without it as it is."""
    client, server = job.config(_CLIENT), job.config(_SERVER)
    if not any(component["id"] == _LINK for component in server["components"]):
        return job
    client["executors"] = [entry for entry in client["executors"] if _TASK not in entry["tasks"]]
    server["workflows"] = [workflow for workflow in server["workflows"] if workflow["id"] != _PREFLIGHT]
    server["components"] = [component for component in server["components"] if component["id"] != _LINK]
    rounds_workflow(server)["path"] = ROUNDS_PATH
    return _changed(job, client, server, lambda key, script: script.rpartition(_MARK.encode())[0] + b"\n")


def shown(job: Job) -> Job:
    """Returns the job as people may see it, without the secrets of its link; one without secrets as it is."""
    server = job.config(_SERVER)
    link = next((component for component in server["components"] if component["id"] == _LINK), None)
    if link is None or not link["args"]["form"]:
        return job
    link["args"] |= {"form": _HIDDEN, "requests_url": _HIDDEN}
    return replace(job, files={**job.files, f"configs/{_SERVER}": as_json(server)})


def with_shard(client: Json, shard: Json) -> Json:
    """Returns config_fed_client.json of a `federated` job for the one site that trains on a shard.

    Args:
        client: The config.
        shard: {"name", "url", "sha256", "bytes"}; the url is a secret.
    """
    changed = copy.deepcopy(client)
    entry = next(entry for entry in changed["executors"] if _TASK in entry["tasks"])
    entry["executor"]["args"]["shard"] = shard
    return changed


def _preparation(job: Job, training: Json) -> Json:
    """The entry of the executor that prepares; `training` are the arguments of the one that trains."""
    args = {
        "requirements": list(needed(job.files["requirements/requirements.txt"].decode().splitlines())),
        "manifest": training["manifest_file"],
        "shard": None,
        "own_training": training["train_fn"] != "rt_train_model",
    }
    return {"tasks": [_TASK], "executor": {"path": "custom_client_executor.ResonPreparation", "args": args}}


def _link_args(link: Link | None, keep_outputs: bool) -> Json:
    form = link and {"url": link.form.url, "fields": dict(link.form.fields), "prefix": link.form.prefix}
    return {"form": form, "requests_url": link and link.requests_url, "keep_outputs": keep_outputs}


def _text_of(names: Iterable[Name]) -> bytes:
    texts = "\n\n\n".join(worker_source(name).strip("\n") for name in names)
    return f"{_MARK}{texts}\n".encode()


def _changed(job: Job, client: Json, server: Json, change: Callable[[str, bytes], bytes]) -> Job:
    """The job with other configs, and with those scripts changed that something is added to."""
    scripts = {key: change(key, job.files[key]) for key in _ADDED}
    configs = {f"configs/{_CLIENT}": as_json(client), f"configs/{_SERVER}": as_json(server)}
    return replace(job, files={**job.files, **scripts, **configs})
