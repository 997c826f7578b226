"""How the rounds run, and what the model is made of."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from .base import Config
from .own import check_json, check_length


class FederationConfig(Config):
    """How the rounds run."""

    num_rounds: int = Field(5, ge=1, le=100_000, description="Rounds of training in all.")
    min_clients: int = Field(1, ge=1, description="Sites whose update a round needs; unset: every site that has a shard.")
    wait_time_after_min_received: int = Field(
        10, ge=0, description="Seconds a round still waits for the other sites once min_clients have answered."
    )
    site_timeout: int = Field(
        12,
        ge=5,
        le=86_400,
        description="Seconds after which a site that is silent, and does not compute, is given up by the run.",
    )
    round_timeout: int = Field(
        0, ge=0, description="Seconds a site may take for its part of a round before it is given up; 0: as long as it takes."
    )
    heart_beat_timeout: int = Field(
        600, ge=10, description="Seconds after which NVFlare's server drops a site that it no longer hears of."
    )
    job_name: str = Field(
        "", max_length=100, description="Name in the job's metadata, which NVFlare lists; empty: the run's name."
    )

    @model_validator(mode="after")
    def _wait_below_heartbeat(self) -> Self:
        if self.wait_time_after_min_received >= self.heart_beat_timeout:
            raise ValueError(
                f"wait_time_after_min_received ({self.wait_time_after_min_received} s) must be below heart_beat_timeout "
                f"({self.heart_beat_timeout} s), or the sites that a round waits for are dropped meanwhile"
            )
        return self


class ModelConfig(Config):
    """Which class is the model and what its constructor gets."""

    model_class: str = Field(
        "", description="Class name, or dotted path of a class that every site can import; empty: as captured."
    )
    model_args: dict[str, Any] = Field(default_factory=dict, description="Keyword arguments of the model's constructor.")

    @field_validator("model_class")
    @classmethod
    def _dotted_name(cls, value: str) -> str:
        if value and not all(part.isidentifier() for part in value.split(".")):
            raise ValueError("must be a class name such as Net, or a dotted path such as my_module.Net")
        return value

    @field_validator("model_args")
    @classmethod
    def _json_args(cls, value: dict[str, Any]) -> dict[str, Any]:
        for key, item in value.items():
            check_length(key)
            if not key.isidentifier():
                raise ValueError(f"{key!r} cannot be a keyword argument")
            check_json(key, item)
        return value
