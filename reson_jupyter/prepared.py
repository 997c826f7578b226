"""A job that is ready, and the checks that every way to make one shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .backend.job import Job
from .capture.secrets.leaks import HINT, find_leaks
from .cautions import Caution
from .config import FederationConfig, TrainingConfig
from .data.report import ShardsReport, ShardSummary
from .data.shards import check_shards, infer_num_classes
from .errors import JobError
from .paths import expanded

if TYPE_CHECKING:
    import torch

NO_NAME = "job"  # what a job is called that is only built


@dataclass(frozen=True)
class Prepared:
    """A job that is ready, its shards, and what the user should know of how it was made.

    Attributes:
        job: The job.
        shards: Its shards; () where sites have their data themselves.
        notes: Sentences for people.
        model_class: The live class of the model; None where there is no such class here.
        default_training: Whether the default image classification trains.
        sites: How many sites a run without shards has where sites come into being with it; 0 if it needs shards.
        is_project: Whether a project folder trains, and not cells.
    """

    job: Job
    shards: tuple[ShardSummary, ...]
    notes: tuple[str, ...]
    model_class: type[torch.nn.Module] | None
    default_training: bool
    sites: int = 0
    is_project: bool = False


def checked_shards(folder: str | Path | None, training: TrainingConfig, default_training: bool) -> ShardsReport | None:
    """Returns what is known of the shards, if there are any. Raises `ShardError` if they cannot be used.

    Only the default training needs a manifest and images; a user's own code may read anything.
    """
    if folder is None:
        return None
    report = check_shards(
        folder,
        training.manifest_file,
        manifest_required=default_training,
        images="sample" if default_training else "none",
        image_hosts=training.image_hosts,
    )
    report.raise_for_problems()
    return report


def fitted_to_shards(training: TrainingConfig, report: ShardsReport, notes: list[str]) -> TrainingConfig:
    """Takes from the shards what the config leaves open, and notes what was taken."""
    notes += (Caution(f"shards: {warning}") for warning in report.warnings)
    classes = infer_num_classes(report, training.num_classes)
    if classes != training.num_classes:
        notes.append(f"num_classes is {classes}, the greatest label in the shards plus one")
        training = training.replace(num_classes=classes)
    if report.multi_label and "multi_label" not in training.extra:
        # A site whose own shard happens to have one label per sample must use the loss of the others.
        training = training.replace(multi_label=True)
    return training


def fitted_to_sites(federation: FederationConfig, shards: int, sites: int, notes: list[str]) -> FederationConfig:
    """Fits the rounds to the number of sites, and notes what was taken.

    Args:
        federation: The config.
        shards: How many shards there are, each of which makes a site.
        sites: How many sites are there, where there are no shards; 0 if nobody knows.
        notes: Gets what was taken.

    Raises:
        JobError: every round needs more sites than there are.
    """
    count = shards or sites
    if not count:
        return federation
    if "min_clients" not in federation.model_fields_set:
        notes.append(f"min_clients was not set, so every round needs all {count} sites")
        federation = federation.replace(min_clients=count)
    elif federation.min_clients > count:
        there_are = f"{shards} shards, so only" if shards else "only"
        raise JobError(
            f"min_clients is {federation.min_clients}, but there are {there_are} {count} sites",
            "Lower min_clients, or make more shards: every site has one.",
        )
    return federation


def refuse_leaks(job: Job, notes: list[str]) -> None:
    """Raises `JobError` if a file of the job holds a secret; what merely tells of this machine is noted."""
    leaks = find_leaks(job.files, job.sources)
    if leaks.secrets:
        raise JobError("this must not ship:\n  " + "\n  ".join(leaks.secrets), HINT)
    notes += map(Caution, leaks.warnings)


def existing_file(path: str | Path) -> Path:
    """Returns a file by its full path. Raises `JobError` if there is none."""
    found = expanded(path, JobError).resolve()
    if not found.is_file():
        what = "That is a folder; name a file in it." if found.is_dir() else f"It was looked for as {found}: correct the path."
        raise JobError(f"there is no file {path}", what)
    return found


def lines_of(given: str | Path | Sequence[str] | None) -> list[str] | None:
    """Returns the user's own requirement lines: those of a file, or those that were passed; None if nothing was.

    Raises:
        JobError: there is no such file.
    """
    if given is None:
        return None
    return existing_file(given).read_text().splitlines() if isinstance(given, str | Path) else list(given)
