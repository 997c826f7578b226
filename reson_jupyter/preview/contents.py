"""What a preview holds. A notebook draws it as a tree of files that open, a terminal as a tree with sizes."""

from __future__ import annotations

from dataclasses import dataclass

from ..backend.job import Job
from ..data.report import counted
from ..names import printable
from ..units import size
from .since import Since

# Nobody knows it before a submit.
RUN_ID = "<run id>"


@dataclass(frozen=True)
class PlannedFile:
    """One file of the job, or its checkpoint.

    Attributes:
        path: Its key below the run's prefix, such as scripts/model_def.py.
        bytes: Its size.
        sha256: Its digest, in hex; "" if it is another for each run.
        text: What stands in it, without secrets; None if it is no text.
    """

    path: str
    bytes: int
    sha256: str
    text: str | None

    @property
    def key(self) -> str:
        """Where it goes in the store."""
        return f"jobs/{RUN_ID}/{self.path}"


@dataclass(frozen=True)
class PlannedShard:
    """One site's data.

    Attributes:
        site: The site; "" while nobody knows which.
        name: The zip's file name; "" if the site has its data itself.
        bytes: Its size.
        sha256: Its digest, in hex.
        keys: Where it goes in the store.
        stored: Whether the store has it already, so that it is not sent again; None if the store did not say.
    """

    site: str
    name: str = ""
    bytes: int = 0
    sha256: str = ""
    keys: tuple[str, ...] = ()
    stored: bool | None = None


@dataclass(frozen=True, repr=False)
class Preview:
    """All that a submit would send. Nothing has been sent.

    Attributes:
        job: The job as its target would get it, without secrets.
        target: Where it would run.
        place: What people call that; "" where the target's name says it.
        store: URL of the store; "" if only the target knows it.
        files: The files, in the order in which they would be sent.
        shards: The sites and their data.
        obstacles: Why a submit would be refused.
        unseen: What could not be looked at.
        notes: How the job was made.
        since: What has changed since the last submit.
    """

    job: Job
    target: str
    place: str
    store: str
    files: tuple[PlannedFile, ...]
    shards: tuple[PlannedShard, ...]
    obstacles: tuple[str, ...]
    unseen: tuple[str, ...]
    notes: tuple[str, ...]
    since: Since

    @property
    def bytes(self) -> int:
        """All that the run needs in its store."""
        contents = {shard.sha256: shard.bytes for shard in self.shards}
        return sum(file.bytes for file in self.files) + sum(contents.values())

    @property
    def bytes_to_send(self) -> int:
        """What of it the store does not have, as far as is known."""
        there = {shard.sha256: shard.bytes for shard in self.shards if shard.stored}
        return self.bytes - sum(there.values())

    @property
    def diff(self) -> str:
        """Unified diff of the files that have changed since the last submit."""
        changes = self.since.changes
        return "\n".join(line for file in changes.files for line in file.diff) if changes else ""

    @property
    def title(self) -> str:
        """The preview in a line."""
        parts = [f"{counted(len(self.files), 'file')} {size(sum(file.bytes for file in self.files))}"]
        if data := {shard.sha256: shard.bytes for shard in self.shards if shard.name}:
            parts.append(f"{counted(sum(bool(shard.name) for shard in self.shards), 'shard')} {size(sum(data.values()))}")
        return f"{printable(self.job.name)}: {', '.join(parts)}"

    def __repr__(self) -> str:
        from .text import preview_text

        return preview_text(self)

    def _repr_html_(self) -> str:
        # Pygments takes a moment to import, which nobody should wait for who does not look.
        from .html import preview_html

        return preview_html(self)
