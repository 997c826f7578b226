"""How each site trains."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from keyword import iskeyword
from typing import Any

from pydantic import ConfigDict, Field, field_validator

from .base import Config, refusal
from .own import check_json, check_length
from .slips import slip_of

_SHORT_NAMES = {"lr": "learning_rate", "epochs": "local_epochs", "rounds": "num_rounds"}

# Only names: an address has no certificate to tell whom it belongs to.
_HOST = re.compile(r"(?=.{1,253}$)(?!.*\d$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+")

# Names that the executor's arguments or the user code's `env` already carry: an extra key of that name would silently replace
# them on the sites.
RESERVED_KEYS = frozenset(
    {"data_root", "adapter_module", "model_class", "model_args", "train_fn", "validate_fn", "path", "args", "name", "id"}
    | {"self", "site_name", "job_id", "current_round", "num_rounds", "state_dir", "device", "epochs", "lr"}
)

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

    @classmethod
    def _refused(cls, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        yield from super()._refused(values)
        for key, value in values.items():
            if key not in cls.model_fields and (why := refusal(_check_own, key, value)):
                yield key, why

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


# What pydantic and this class call something themselves: who reads `config.copy` gets the method, not the hyperparameter.
_OF_THE_CLASS = frozenset(dir(TrainingConfig))


def _check_own(key: str, value: Any) -> None:
    """Refuses a hyperparameter that could not be used. Raises `ValueError` or `ConfigError`."""
    check_length(key)
    if not key.isidentifier() or iskeyword(key):
        raise ValueError(f"{key!r} is not a name that Python code could use; use letters, digits and _")
    if key.lower() in _SHORT_NAMES:
        raise ValueError(f"did you mean {_SHORT_NAMES[key.lower()]!r}?")
    if key.lower() in RESERVED_KEYS:
        raise ValueError("this name is taken by the run itself; choose another for your hyperparameter")
    if key in _OF_THE_CLASS or key.startswith("__"):
        raise ValueError("this name is taken by the config itself; choose another for your hyperparameter")
    if near := slip_of(key, TrainingConfig.model_fields):
        raise ValueError(f"did you mean {near!r}? Choose a name less like it for your own hyperparameter")
    check_json(key, value)
