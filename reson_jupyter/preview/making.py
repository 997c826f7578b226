"""From a request to a preview: the way of a submit, up to where it would send something, with patience for what is away."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..backend.federated import shown
from ..backend.history.origin import Origin
from ..backend.job import Job
from ..backend.placement import Survey, place
from ..backend.record import RunRecord
from ..backend.sending import Shard, copy_key, uploads
from ..backend.shard_pool import content_key
from ..backend.store import Store
from ..backend.submission import files_to_send, local_shards
from ..backend.targets import Target, open_target
from ..config import ResonTechConfig
from ..config.urls import without_user
from ..data.digests import sha256_of
from ..errors import ResonError, TargetError
from ..prepare import prepare, store_url
from ..prepared import Prepared
from ..request import Request
from ..session import Session
from .changes import Made
from .contents import RUN_ID, PlannedFile, PlannedShard, Preview
from .since import LastSubmit
from .soon import Soon

# A federation that answers does so in three or four seconds.
_TARGET_PATIENCE = 12.0
_STORE_PATIENCE = 4.0


@dataclass(frozen=True)
class _There:
    """What could be seen of where a run would go; None for what could not."""

    target: Target
    survey: Survey | None
    store: Store | None
    unseen: tuple[str, ...]


def make_preview(request: Request, session: Session, store: str | None, target: str | None) -> Preview:
    """Returns what `submit` would send.

    Args:
        request: What the user asks for, completed.
        session: What gives the rest.
        store: URL of the store; None for the session's.
        target: Where it would run; None for the session's.

    Raises:
        ResonError: something cannot be used, so that there is no job.
    """
    where, connection = target or session.target, session.connection
    last = LastSubmit(request.name, connection)
    there = _look(where, connection, session, store)
    prepared = prepare(request, session, sites=len(there.survey.sites) if there.survey else 0)
    return _Making(request, session, where, connection, there, prepared).preview(last)


def _look(where: str, connection: ResonTechConfig, session: Session, named: str | None) -> _There:
    target = open_target(where)
    try:
        survey = Soon(lambda: target.survey(connection)).within(_TARGET_PATIENCE)
    except ResonError as error:
        unseen = [f"the target {where} could not be looked at: {error.message}"]
        try:
            return _There(target, None, target.open_store(store_url(named, session, Survey()), connection), tuple(unseen))
        except ResonError:  # a target that knows its own store could not be asked for it
            return _There(target, None, None, (*unseen, "so it is not known which store the files go to"))
    return _There(target, survey, target.open_store(store_url(named, session, survey), connection), ())


class _Making:
    def __init__(
        self,
        request: Request,
        session: Session,
        where: str,
        connection: ResonTechConfig,
        there: _There,
        prepared: Prepared,
    ) -> None:
        self._request = request
        self._connection = connection
        self._there = there
        self._prepared = prepared
        self._federation = request.federation or session.federation
        self._unseen = list(there.unseen)
        self._obstacles = [] if request.name else ["the run has no name: --name NAME, name=..., or %reson config name=NAME"]
        # Its id is in no file that is shown, and nothing of it is saved.
        self._record = RunRecord.new(prepared.job.name, where, there.store.url if there.store else "")

    def preview(self, last: LastSubmit) -> Preview:
        shards = local_shards(self._prepared.shards)
        sites = self._placed(shards)
        adapted = self._adapted(sites or {})
        job, survey = shown(adapted), self._there.survey
        found = Soon(lambda: self._stored(shards))
        files = self._files(adapted, job)
        try:
            stored = found.within(_STORE_PATIENCE)
        except ResonError as error:
            stored = {}
            self._unseen.append(f"the store could not be asked which shards it has: {error.message}")
        return Preview(
            job=job,
            target=self._record.target,
            place=survey.place if survey else "",
            store=without_user(self._record.store),
            files=files,
            shards=self._shards(sites, shards, stored),
            obstacles=tuple(self._obstacles),
            unseen=tuple(self._unseen),
            notes=(*(survey.notes if survey else ()), *self._prepared.notes),
            since=last.compared_with(self._made(job, sites), _STORE_PATIENCE),
        )

    def _placed(self, shards: list[Shard]) -> dict[str, Shard | None] | None:
        """The sites and their shards; None if that is not known. What a submit would refuse is noted."""
        if self._there.survey is None:
            return None
        try:
            sites = place(self._there.survey, shards, self._prepared.sites)
            if self._there.store:
                self._there.target.check(self._prepared.job, self._there.store, sites, self._connection)
        except TargetError as error:
            self._obstacles.append(error.message)
            return None
        except ResonError as error:
            self._obstacles.append(error.message)
        return sites

    def _adapted(self, sites: Mapping[str, Shard | None]) -> Job:
        """The job as the target would have it stored, with its secrets."""
        if self._there.store is None:
            self._unseen.append("what the target adds to the job is not shown")
            return self._prepared.job
        store, job = self._there.store, self._prepared.job
        try:
            return Soon(lambda: self._there.target.adapt(job, self._record, store, sites)).within(_STORE_PATIENCE)
        except ResonError as error:
            self._unseen.append(f"what the target adds to the job is not shown: {error.message}")
            return job

    def _files(self, adapted: Job, job: Job) -> tuple[PlannedFile, ...]:
        prefix = self._record.prefix
        planned = uploads(prefix, files_to_send(adapted, prefix, self._there.target.shards_in_job), ())
        weights = sha256_of(adapted.checkpoint) if adapted.checkpoint else ""
        files = []
        for upload in planned:
            path = upload.key.removeprefix(f"{prefix}/")
            if not isinstance(upload.source, bytes):
                size = upload.source.stat().st_size if isinstance(upload.source, Path) else upload.source.bytes
                files.append(PlannedFile(path, size, weights, None))
                continue
            same = job.files[path] == upload.source
            digest = hashlib.sha256(upload.source).hexdigest() if same else ""
            shown = None if b"\0" in job.files[path] else job.files[path].decode(errors="replace")
            files.append(PlannedFile(path, len(upload.source), digest, shown))
        return tuple(files)

    def _stored(self, shards: list[Shard]) -> dict[str, bool]:
        """Which contents the store has."""
        store = self._there.store
        digests = {shard.sha256 for shard in shards}
        return {sha256: store.stat(content_key(sha256)) is not None for sha256 in digests} if store else {}

    def _shards(
        self, sites: Mapping[str, Shard | None] | None, shards: list[Shard], stored: Mapping[str, bool]
    ) -> tuple[PlannedShard, ...]:
        sizes = {summary.sha256: summary.bytes for summary in self._prepared.shards}
        placed = sites.items() if sites is not None else [("", shard) for shard in shards]
        planned = []
        for site, shard in placed:
            if shard is None:
                planned.append(PlannedShard(site))
                continue
            copies = [copy_key(f"jobs/{RUN_ID}", shard)] if self._there.target.shards_in_job else []
            keys = (shard.key, *copies)
            planned.append(PlannedShard(site, shard.name, sizes[shard.sha256], shard.sha256, keys, stored.get(shard.sha256)))
        return tuple(planned)

    def _made(self, job: Job, sites: Mapping[str, Shard | None] | None) -> Made:
        """What a submit would write into the run's log, to be compared with the log of another."""
        said = {
            "site_timeout": self._federation.site_timeout,
            "round_timeout": self._federation.round_timeout,
            "sites": {
                site: {"shard": shard.name if shard else "", "sha256": shard.sha256 if shard else ""}
                for site, shard in (sites or {}).items()
            },
        }
        weights = job.checkpoint
        return Made(
            Origin(self._record, job, said), (weights.name, weights.stat().st_size) if weights else None, sites is not None
        )
