"""A job on its way into the store: its own files below its prefix, its shards to where the store has each content once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ..data.digests import sha256_of
from ..errors import StoreError
from .record import RunRecord
from .shard_pool import claim, content_key, unclaim
from .store import ObjectInfo, Store
from .store.transfer import Sent, Upload, UploadProgress, make_plan, upload

_CONTENT_TYPES = {".py": "text/x-python", ".json": "application/json", ".txt": "text/plain", ".zip": "application/zip"}
_ORDER = ("scripts", "configs", "requirements", "shards", "model")
_BETWEEN_NOTES = 0.25

Say = Callable[[str], object]
Source = bytes | Path | ObjectInfo


@dataclass(frozen=True)
class Shard:
    """One site's data: the file's name, its SHA-256, and where it lies: here, or in the store already."""

    name: str
    sha256: str
    source: Path | ObjectInfo

    @property
    def key(self) -> str:
        """Where the store has it."""
        return content_key(self.sha256)


class Sending:
    """Sends what the store does not have yet.

    Args:
        store: Where to.
        record: The run.
        files: The job's files and its checkpoint, by their keys below the run's prefix.
        shards: The sites' data.
        shards_in_job: Whether the target needs the shards below the run's prefix as well.
        cancel: Set by another thread to stop.
    """

    def __init__(
        self,
        store: Store,
        record: RunRecord,
        files: Mapping[str, Source],
        shards: Sequence[Shard],
        shards_in_job: bool,
        cancel: threading.Event,
    ) -> None:
        self._store = store
        self._record = record
        self._files = files
        self._shards = shards
        self._shards_in_job = shards_in_job
        self._cancel = cancel

    def send(self, say: Say, show: Say) -> None:
        """Claims the shards, tells what is to be sent, and sends it.

        Args:
            say: Told the plan, for the run's log.
            show: Told how far it is, several times a second.

        Raises:
            StoreError: something cannot be read or stored, or `cancel` was set.
        """
        claim(self._store, self._record.id, self._digests)
        plan = make_plan(self._store, uploads(self._record.prefix, self._files, self._shards))
        missing = {item.key for item in plan.new}
        for shard in self._shards:
            if shard.key in missing:
                _check_source(shard)
        if self._cancel.is_set():  # a store that hung until now may have let the run's end be told meanwhile
            raise StoreError("The upload was stopped.", "Nothing of it was stored.")
        say(str(plan))
        upload(self._store, plan, progress=self._progress(show), cancel=self._cancel)
        if self._shards_in_job:
            upload(self._store, make_plan(self._store, self._copies()), cancel=self._cancel)

    def give_up(self) -> None:
        """Gives up the claims of a run that will not be; what was sent stays until the run is deleted. Raises `StoreError`."""
        unclaim(self._store, self._record.id, self._digests)

    @property
    def _digests(self) -> list[str]:
        return [shard.sha256 for shard in self._shards]

    def _copies(self) -> list[Upload]:
        """The shards below the run's prefix, which the store copies itself."""
        items = []
        for shard in self._shards:
            info = self._store.stat(shard.key)
            if info is None:
                raise _gone(shard)
            items.append(_item(copy_key(self._record.prefix, shard), info))
        return items

    def _progress(self, show: Say) -> UploadProgress:
        shown_at = 0.0

        def on_progress(sent: Sent) -> None:
            nonlocal shown_at
            now = time.monotonic()
            if now - shown_at < _BETWEEN_NOTES:
                return
            shown_at = now
            under_way = {key for key, (done, total) in sent.items.items() if done < total}
            shards = sum(shard.key not in under_way for shard in self._shards)
            seconds = sent.seconds_left or 0
            left = f", {tqdm.format_interval(seconds)} left" if seconds >= 1 else ""
            show(f"Uploading: {sent.done / 1e6:.1f} of {sent.total / 1e6:.1f} MB, {shards} of {len(self._shards)} shards{left}.")

        return on_progress


def uploads(prefix: str, files: Mapping[str, Source], shards: Sequence[Shard]) -> list[Upload]:
    """Returns everything that goes to the store, in the platform's order: what is small and read first goes first.

    Args:
        prefix: The run's.
        files: The job's files and its checkpoint, by their keys below it.
        shards: The sites' data.
    """
    contents = {shard.key: shard.source for shard in shards}
    sources: dict[str, Source] = {**files, **contents}
    return [
        _item(key if key in contents else f"{prefix}/{key}", sources[key], once=key in contents)
        for key in sorted(sources, key=lambda key: (_ORDER.index(key.split("/")[0]), key))
    ]


def copy_key(prefix: str, shard: Shard) -> str:
    """Returns where a target that needs the shards below the run's prefix finds one."""
    return f"{prefix}/shards/{shard.name}"


def _item(key: str, source: Source, *, once: bool = False) -> Upload:
    return Upload(key, source, _CONTENT_TYPES.get(Path(key).suffix, "application/octet-stream"), once=once)


def _check_source(shard: Shard) -> None:
    """Makes sure that a shard is what its key will say; a file that changes after the plan was made `upload` refuses."""
    if isinstance(shard.source, ObjectInfo):
        raise _gone(shard)
    try:
        changed = sha256_of(shard.source) != shard.sha256
    except OSError as error:
        raise StoreError(f"the shard {shard.source} cannot be read: {error.strerror}.", "Check the path.") from None
    if changed:
        raise StoreError(f"the shard {shard.source} has changed since it was checked", "Submit the run again.")


def _gone(shard: Shard) -> StoreError:
    return StoreError(f"the shard {shard.name} is no longer in the store", "Submit the run anew, with its folder of shards.")
