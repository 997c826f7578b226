"""What is known of one site of a run: what it has, and what it does."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

NEVER_CAME = "never came"  # the phase of a site that nobody has heard of, once the run is over


class SiteEnvironment(BaseModel):
    """What a site has: versions, device, disk and data. What it could not tell is "" or None.

    With one of the `problems` the site cannot train; `notes` are what else is worth knowing.
    """

    model_config = ConfigDict(frozen=True)

    python: str = ""
    torch: str = ""
    nvflare: str = ""
    packages: dict[str, str] = Field(default_factory=dict, description='What the job requires: versions, "" for what is missing.')
    device: str = Field("", description='"cpu", or the GPU\'s name.')
    disk: int | None = Field(None, description="Free bytes where the site keeps its data.")
    data: str = Field("", description='Where its data comes from: a path, or "shard"; "" if it has none.')
    samples: int | None = None
    classes: int | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class SiteProgress:
    """What is known of one site.

    `step` is that of its newest metric in this task; `stalled` says in words where it makes no progress, "" while it does;
    `environment` is what it has, None until it says so.
    """

    name: str
    shard: str = ""
    phase: str = "waiting"
    round: int | None = None
    step: int | None = None
    samples: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    last_seen: float | None = None
    problem: str | None = None
    stalled: str = ""
    environment: SiteEnvironment | None = None

    @property
    def is_there(self) -> bool:
        """Whether anything shows that the site exists, which a plan does not."""
        said = self.round is not None or self.problem is not None or self.last_seen is not None
        return said or self.phase not in ("waiting", NEVER_CAME)

    @property
    def cannot_train(self) -> str:
        """What keeps it from training, as it said before the first round; "" if nothing does."""
        return "; ".join(self.environment.problems) if self.environment else ""
