"""The bodies of the platform's requests, exactly as they are documented: no other field, no other type, nothing left out."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from .answers import invalid

B = TypeVar("B", bound="Body")

Text = Annotated[str, StringConstraints(min_length=1)]
Names = Annotated[list[Text], Field(min_length=1)]
_SLUG = r"[^/\s.]+"
_FOLDERS = {
    "trainingScriptsFolderPath": "scripts",
    "trainingConfigFolderPath": "configs",
    "trainingRequirementsFolderPath": "requirements",
    "modelFolderPath": "model",
}


class Body(BaseModel):
    """A JSON object. A field that need not be there has the default None, but null is not taken for it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Login(Body):
    email: Text
    password: Text


class UploadInit(Body):
    key: Text
    size: Annotated[int, Field(ge=1)]
    contentType: Text

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_key(self.key)
        if not re.fullmatch(r"[\w.+-]+/[\w.+-]+", self.contentType):
            raise ValueError("contentType must be a MIME type")
        return self


class Part(Body):
    PartNumber: Annotated[int, Field(ge=1, le=10_000)]
    ETag: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class UploadComplete(Body):
    uploadId: Text
    key: Text
    parts: Annotated[list[Part], Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_key(self.key)
        if [part.PartNumber for part in self.parts] != list(range(1, len(self.parts) + 1)):
            raise ValueError("parts must be numbered from 1, in order, without a gap")
        return self


class UploadAbort(Body):
    uploadId: Text
    key: Text


class Task(Body):
    name: Text
    shardsDirPath: Text
    trainingScriptsFolderPath: Text
    trainingConfigFolderPath: Text
    trainingRequirementsFolderPath: Text
    modelFolderPath: Text = Field(default=None)
    estimatedMemoryMb: Annotated[int, Field(ge=1)] = Field(default=None)
    workerIds: Names = Field(default=None)
    autoSelectWorkers: Literal[True] = Field(default=None)
    gpuModels: Names = Field(default=None)
    maxPricePerGpuHourCents: Annotated[int, Field(ge=1)] = Field(default=None)
    onlyMineWorkers: Literal[True] = Field(default=None)

    @property
    def prefix(self) -> str:
        """The key prefix of the job's files."""
        return self.shardsDirPath.removeprefix("/").removesuffix("/shards")

    @model_validator(mode="after")
    def _check_paths(self) -> Self:
        found = re.fullmatch(rf"/jobs/({_SLUG})/shards", self.shardsDirPath)
        if not found:
            raise ValueError("shardsDirPath must be /jobs/<slug>/shards")
        for field, folder in _FOLDERS.items():
            if getattr(self, field) not in (f"/jobs/{found[1]}/{folder}", None):
                raise ValueError(f"{field} must be /jobs/{found[1]}/{folder}")
        return self

    @model_validator(mode="after")
    def _check_selection(self) -> Self:
        bounds = (self.autoSelectWorkers, self.gpuModels, self.maxPricePerGpuHourCents)
        if self.workerIds:
            if any(bound is not None for bound in bounds):
                raise ValueError("workerIds go without autoSelectWorkers, gpuModels and maxPricePerGpuHourCents")
            if len(set(self.workerIds)) < len(self.workerIds):
                raise ValueError("workerIds must differ")
        elif any(bound is None for bound in bounds):
            raise ValueError("autoSelectWorkers, gpuModels and maxPricePerGpuHourCents go together, unless there are workerIds")
        return self


def check_key(key: str) -> None:
    """Raises `ValueError` if a key of the bucket is not relative and plain."""
    if key.startswith("/") or any(part in ("", ".", "..") for part in key.split("/")):
        raise ValueError("key must be relative to the bucket, without a slash at its begin or end")


def parse(kind: type[B], data: Any) -> B:
    """Returns a body. Raises `Refused` with a line for each problem, as the platform's own check does."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise invalid(*(f"{'.'.join(map(str, one['loc']))} {one['msg']}".strip() for one in error.errors())) from None
