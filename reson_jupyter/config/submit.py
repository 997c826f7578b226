"""What a submit takes where its caller does not say it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from .base import Config
from .urls import check_store


def _target_of_the_environment() -> Any:
    return os.environ.get("RESON_TARGET") or "local"


class SubmitConfig(Config):
    """Which run is submitted, and where it goes; unset fields come from RESON_* variables where there is one."""

    name: str = Field("", max_length=100, description="Name of the run, as people see it in lists and views.")
    shards_dir: str = Field(
        "",
        description="Folder with one zip for each site; empty: the sites have their data themselves "
        "(with target flare, and with callbacks of Scaleout Edge on this machine).",
    )
    target: Literal["local", "flare", "reson"] = Field(
        default_factory=_target_of_the_environment,
        description="Where runs go: this machine, an NVFlare federation, or the ResonTech platform.",
        json_schema_extra={"env": "RESON_TARGET"},
    )
    store: str = Field(
        default_factory=lambda: os.environ.get("RESON_STORE", ""),
        description="Where files lie: file:///folder or s3://bucket; empty: the bucket that is configured, else a folder.",
        json_schema_extra={"env": "RESON_STORE"},
    )
    stale_captures: Literal["recapture", "refuse"] = Field(
        "recapture", description="What a submit does with a capture when the kernel has something else by now."
    )

    @field_validator("shards_dir", mode="before")
    @classmethod
    def _path_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, Path) else value

    @field_validator("store")
    @classmethod
    def _without_keys(cls, value: str) -> str:
        return check_store(value)
