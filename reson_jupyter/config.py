"""What a user can set: four configs, each one pydantic schema from which every form is drawn.

All are immutable; `replace` gives a changed copy, so a refused value leaves the old config as it was. Bad values raise
`ConfigError` with one line per field.
"""

from __future__ import annotations

import difflib
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from .errors import ConfigError

_SHORT_NAMES = {"lr": "learning_rate", "epochs": "local_epochs", "rounds": "num_rounds"}

# How alike a name must be to a field's to be taken for a slip: "batchsize" (0.95) is one, "patch_size" (0.90) is not.
ALMOST = 0.92

# Only names: an address has no certificate to tell whom it belongs to.
_HOST = re.compile(r"(?=.{1,253}$)(?!.*\d$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+")

# Names that the executor's arguments or the user code's `env` already carry: an extra key of that name would silently replace
# them on the sites.
RESERVED_KEYS = frozenset(
    {"data_root", "adapter_module", "model_class", "model_args", "train_fn", "validate_fn", "path", "args", "name", "id"}
    | {"site_name", "job_id", "current_round", "num_rounds", "state_dir", "device", "epochs", "lr"}
)


class Config(BaseModel):
    """Base of the configs: immutable, refuses unknown fields with the nearest known name."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _as_config_error(type(self), error) from None

    def replace(self, **changes: Any) -> Self:
        """Returns a copy with `changes`; fields that nobody set stay unset, and None unsets a field or drops an extra key.

        Raises:
            ConfigError: a value cannot be used; nothing has changed.
        """
        kept = {name: getattr(self, name) for name in self.model_fields_set}
        extra = self.model_extra or {}
        return type(self)(**{key: value for key, value in {**extra, **kept, **changes}.items() if value is not None})


def _as_config_error(config: type[BaseModel], error: ValidationError) -> ConfigError:
    lines = []
    for problem in error.errors():
        field = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(field, list(config.model_fields), n=1)
            message = f"there is no such field{f'; did you mean {near[0]!r}?' if near else ''}"
        elif field and not problem["type"].startswith("value_error"):
            # A secret's wrong value must not be shown, so values appear only where they are numbers or short plain text.
            given = problem["input"]
            shown = f" (got {given!r})" if isinstance(given, int | float | bool) else ""
            message = message[0].lower() + message[1:] + shown
        lines.append(f"{field}: {message}" if field else message)
    return ConfigError(f"{config.__name__}: " + "; ".join(lines))


def _check_json(key: str, value: Any) -> None:
    """Extra values travel as JSON; a nested dict with "path" would be built into an object by NVFlare's config reader."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{key}: {value} cannot be written as JSON; give a finite number or null")
    if isinstance(value, Mapping):
        if isinstance(value.get("path"), str) or isinstance(value.get("class_path"), str):
            raise ValueError(
                f"{key}: a dict with a key 'path' or 'class_path' is built into an object by NVFlare; rename that key"
            )
        for name, item in value.items():
            if not isinstance(name, str):
                raise ValueError(f"{key}: the key {name!r} must be a string")
            _check_json(f"{key}.{name}", item)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check_json(f"{key}[{index}]", item)
    else:
        try:
            json.dumps(value)
        except TypeError:
            raise ValueError(
                f"{key}: a {type(value).__name__} cannot travel in a config; use numbers, text, booleans, null, lists or dicts"
            ) from None


# Fields of the training config that the platform does not have.
_OURS = ("augment", "exact_pixels", "image_hosts")


class TrainingConfig(Config):
    """How each site trains in a round. Extra keys are the user's own hyperparameters; they reach the user's code as they are."""

    model_config = ConfigDict(frozen=True, extra="allow", validate_default=True)

    num_classes: int = Field(0, ge=0, description="Output classes; 0 takes them from the shards' manifests.")
    local_epochs: int = Field(2, ge=1, le=10_000, description="Passes over a site's shard in each round.")
    batch_size: int = Field(32, ge=1, le=65_536, description="Samples in a mini-batch.")
    learning_rate: float = Field(0.001, gt=0, le=100, allow_inf_nan=False, description="The optimizer's learning rate.")
    img_size: int = Field(224, ge=1, le=8_192, description="Images are resized to this many pixels, square.")
    augment: bool = Field(False, description="Whether training images are mirrored and shifted a little, at random.")
    exact_pixels: bool = Field(False, description="Whether images are decoded to the bit as by a plain Pillow loop, more slowly.")
    manifest_file: str = Field("manifest.ndjson", description="The manifest's name at the root of each shard.")
    image_hosts: tuple[str, ...] = Field((), description="Hosts that sites may fetch https images of manifests from.")

    @field_validator("manifest_file")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not value or "/" in value or "\\" in value or value.startswith("."):
            raise ValueError("must be a plain file name at the root of the shard, such as manifest.ndjson")
        return value

    @field_validator("image_hosts", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return value.split(",") if isinstance(value, str) else value

    @field_validator("image_hosts")
    @classmethod
    def _host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            if not _HOST.fullmatch(host):
                raise ValueError(
                    f"{host!r} is no host name in small letters, such as images.example.org; ports and * are not taken"
                )
        return value

    @model_validator(mode="after")
    def _extras(self) -> Self:
        for key, value in self.extra.items():
            if not key.isidentifier():
                raise ValueError(f"{key!r} is not a name that Python code could use; use letters, digits and _")
            if key.lower() in _SHORT_NAMES:
                raise ValueError(f"{key}: did you mean {_SHORT_NAMES[key.lower()]!r}?")
            if key.lower() in RESERVED_KEYS:
                raise ValueError(f"{key}: this name is taken by the run itself; choose another for your hyperparameter")
            near = difflib.get_close_matches(key, list(type(self).model_fields), n=1, cutoff=ALMOST)
            if near:
                raise ValueError(f"{key}: did you mean {near[0]!r}? Choose a name less like it for your own hyperparameter")
            _check_json(key, value)
        return self

    @property
    def extra(self) -> dict[str, Any]:
        """The user's own hyperparameters."""
        return dict(self.model_extra or {})

    def as_arguments(self) -> dict[str, Any]:
        """Returns what an executor gets; of the fields that the platform does not know, only those that were changed.

        An executor that takes the platform's fields by name and no others can so be used here, too.
        """
        usual = {name for name in _OURS if getattr(self, name) == type(self).model_fields[name].default}
        return self.model_dump(mode="json", exclude=usual)


class FederationConfig(Config):
    """How the rounds run."""

    num_rounds: int = Field(5, ge=1, le=100_000, description="Rounds of training in all.")
    min_clients: int = Field(1, ge=1, description="Sites whose update a round needs; unset: every site that has a shard.")
    wait_time_after_min_received: int = Field(
        10, ge=0, description="Seconds a round still waits for the other sites once min_clients have answered."
    )
    site_timeout: int = Field(
        12, ge=5, le=86_400, description="Seconds without a sign of life, and without computing, after which a site is given up."
    )
    round_timeout: int = Field(
        0, ge=0, description="Seconds a site may take for its part of a round before it is given up; 0: as long as it takes."
    )
    heart_beat_timeout: int = Field(600, ge=10, description="Seconds without a sign of life after which a site is dropped.")
    job_name: str = Field("rt_job", min_length=1, max_length=100, description="Name of the job in its metadata.")

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
            if not key.isidentifier():
                raise ValueError(f"{key!r} cannot be a keyword argument")
            _check_json(key, item)
        return value


def _from_env(name: str, default: str = "") -> Callable[[], str]:
    return lambda: os.environ.get(name, default)


def _secret_from_env(name: str) -> Callable[[], SecretStr]:
    return lambda: SecretStr(os.environ.get(name, ""))


class ResonTechConfig(Config):
    """Where the platform and the bucket are, and the keys to them; unset fields come from RESON_* environment variables."""

    base_url: str = Field(default_factory=_from_env("RESON_BASE_URL"), description="REST API of the ResonTech platform.")
    email: str = Field(default_factory=_from_env("RESON_EMAIL"), description="Account e-mail, for deployments with a login.")
    password: SecretStr = Field(
        default_factory=_secret_from_env("RESON_PASSWORD"),
        description="Account password, for deployments with a login.",
    )
    platform_api_key: SecretStr = Field(
        default_factory=_secret_from_env("RESON_API_KEY"),
        description="Platform key (rsk_live_... or rsk_dev_...).",
    )
    s3_endpoint: str = Field(default_factory=_from_env("RESON_S3_ENDPOINT"), description="URL of the S3 API; empty: AWS.")
    s3_access_key_id: str = Field(default_factory=_from_env("RESON_S3_KEY"), description="Access key id of the bucket.")
    s3_secret_access_key: SecretStr = Field(
        default_factory=_secret_from_env("RESON_S3_SECRET"),
        description="Secret key of the bucket.",
    )
    s3_bucket: str = Field(default_factory=_from_env("RESON_S3_BUCKET"), description="Bucket that holds the jobs.")
    s3_region: str = Field(
        default_factory=_from_env("RESON_S3_REGION", "garage"), description="Region label that requests are signed for."
    )

    @field_validator("base_url", "s3_endpoint")
    @classmethod
    def _https(cls, value: str) -> str:
        return check_url(value) if value else value

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if bool(self.s3_access_key_id) != bool(self.s3_secret_access_key.get_secret_value()):
            id_set = bool(self.s3_access_key_id)
            have, need = ("s3_access_key_id", "RESON_S3_SECRET") if id_set else ("s3_secret_access_key", "RESON_S3_KEY")
            raise ValueError(f"{have} is set but its other half is not; set {need} in the environment as well")
        if self.s3_access_key_id and not self.s3_bucket:
            raise ValueError("the S3 keys are set but no bucket is; set RESON_S3_BUCKET")
        if self.email and not self.password.get_secret_value():
            raise ValueError("email is set but password is not; set RESON_PASSWORD in the environment")
        return self


def refuse_slip(name: str, known: Iterable[str]) -> None:
    """Raises `ConfigError` if `name`, which is no field, is nearly one of the `known`: else it is a name of the user's own."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=ALMOST)
    if near:
        raise ConfigError(f"There is no field {name!r}; did you mean {near[0]!r}?")


def check_url(url: str) -> str:
    """Returns `url` without a trailing slash if it is https, or http to this machine.

    Plain http would show the data to everybody on the way; a signature protects the key only.

    Raises:
        ValueError: any other URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("must be a plain URL such as https://s3.example.org, without a user name or query")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError(f"plain http to {parts.hostname} would show your data to everybody on the way; use https")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    # "::ffff:127.0.0.1" is loopback to some resolvers and not to others, so it is refused.
    return address.is_loopback and getattr(address, "ipv4_mapped", None) is None
