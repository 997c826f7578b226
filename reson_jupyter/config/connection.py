"""Where runs and their files go when that is not this machine, and the keys to it."""

from __future__ import annotations

import os
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from .base import Config
from .hosts import bucket_url, pages_url
from .urls import check_bucket, check_url


def _from_env(name: str, description: str, default: str = "", **limits: Any) -> Any:
    """A field that comes from an environment variable where nobody sets it."""
    return Field(
        default_factory=lambda: os.environ.get(name, default), description=description, json_schema_extra={"env": name}, **limits
    )


class ResonTechConfig(Config):
    """Where the platform, the federation and the bucket are, and the keys; unset fields come from RESON_* variables."""

    # First: what comes below is checked by it.
    allow_http: bool = _from_env("RESON_ALLOW_HTTP", "Whether servers of other machines may be talked to without encryption.")
    base_url: str = _from_env("RESON_BASE_URL", "REST API of the ResonTech platform.")
    dashboard_url: str = _from_env("RESON_DASHBOARD_URL", "The platform's pages; empty: as the API's address tells.")
    email: str = _from_env("RESON_EMAIL", "Account e-mail, for deployments with a login.")
    password: SecretStr = _from_env("RESON_PASSWORD", "Account password, for deployments with a login.")
    platform_api_key: SecretStr = _from_env("RESON_API_KEY", "Platform key (rsk_live_... or rsk_dev_...).")
    gpu_models: tuple[str, ...] = _from_env("RESON_GPU_MODELS", "GPU models of the platform's workers, the preferred one first.")
    max_price_per_gpu_hour: float = _from_env(
        "RESON_MAX_PRICE_PER_GPU_HOUR",
        "US dollars that an hour of one GPU may cost; 0: not said.",
        "0",
        ge=0,
        le=10_000,
        allow_inf_nan=False,
    )
    worker_ids: tuple[str, ...] = _from_env("RESON_WORKER_IDS", "The platform's workers by id, instead of models and a price.")
    only_mine_workers: bool = _from_env("RESON_ONLY_MINE_WORKERS", "Whether only the account's own workers are taken.")
    estimated_memory_mb: int = _from_env(
        "RESON_ESTIMATED_MEMORY_MB", "GPU memory that a worker needs, in MB; 0: not said.", "0", ge=0
    )
    startup_kit: str = _from_env("RESON_STARTUP_KIT", "Folder of the NVFlare federation's startup kit, for the target flare.")
    s3_endpoint: str = _from_env("RESON_S3_ENDPOINT", "URL of the S3 API; empty: as the platform's address tells, else AWS.")
    s3_access_key_id: str = _from_env("RESON_S3_KEY", "Access key id of the bucket.")
    s3_secret_access_key: SecretStr = _from_env("RESON_S3_SECRET", "Secret key of the bucket.")
    s3_bucket: str = _from_env("RESON_S3_BUCKET", "Bucket that holds the jobs.")
    s3_region: str = _from_env(
        "RESON_S3_REGION", "Region that requests are signed for; with garage, AWS takes its own configuration's.", "garage"
    )

    @field_validator("allow_http", "only_mine_workers", mode="before")
    @classmethod
    def _unset_is_no(cls, value: Any) -> Any:
        return value or False

    @field_validator("gpu_models", "worker_ids", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("dashboard_url", mode="before")
    @classmethod
    def _pages(cls, value: Any, info: ValidationInfo) -> Any:
        return value or pages_url(info.data.get("base_url", ""))

    @field_validator("s3_endpoint", mode="before")
    @classmethod
    def _bucket(cls, value: Any, info: ValidationInfo) -> Any:
        return value or bucket_url(info.data.get("base_url", ""))

    @field_validator("base_url", "dashboard_url", "s3_endpoint")
    @classmethod
    def _https(cls, value: str, info: ValidationInfo) -> str:
        return check_url(value, allow_http=info.data.get("allow_http", False)) if value else value

    @field_validator("s3_bucket")
    @classmethod
    def _without_keys(cls, value: str) -> str:
        return check_bucket(value)

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if bool(self.s3_access_key_id) != bool(self.s3_secret_access_key.get_secret_value()):
            id_set = bool(self.s3_access_key_id)
            have, need = ("s3_access_key_id", "RESON_S3_SECRET") if id_set else ("s3_secret_access_key", "RESON_S3_KEY")
            raise ValueError(f"{have} is set but its other half is not; set {need} in the environment as well")
        # The platform tells an account's bucket.
        if self.s3_access_key_id and not self.s3_bucket and not self.base_url:
            raise ValueError("the S3 keys are set but no bucket is; set RESON_S3_BUCKET, or RESON_BASE_URL for the platform's")
        if self.email and not self.password.get_secret_value():
            raise ValueError("email is set but password is not; set RESON_PASSWORD in the environment")
        return self

    def environment(self) -> dict[str, str]:
        """Returns the environment variables that give a process this very connection, with its secrets."""
        return {variable: _as_text(getattr(self, name)) for name, variable in _VARIABLES.items()}


def _as_text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return "1" if value else ""
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _variables() -> dict[str, str]:
    found = {}
    for name, field in ResonTechConfig.model_fields.items():
        assert isinstance(field.json_schema_extra, dict)
        found[name] = str(field.json_schema_extra["env"])
    return found


_VARIABLES = _variables()
