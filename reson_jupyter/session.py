"""What this kernel has captured and configured: one object, one lock, and observers that hear of every change."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from .capture.across.inputs import Kernel
from .capture.capture import Capture
from .capture.secrets.scan import scan
from .capture.stale import Outdated
from .config import (
    Config,
    FederationConfig,
    ModelConfig,
    ResonTechConfig,
    SubmitConfig,
    TrainingConfig,
    check_length,
    refuse_slip,
)
from .errors import ConfigError

C = TypeVar("C", bound=Config)
Observer = Callable[["Session"], None]

SECRETS = MappingProxyType(
    {"password": "RESON_PASSWORD", "platform_api_key": "RESON_API_KEY", "s3_secret_access_key": "RESON_S3_SECRET"}
)

_CONFIGS: Mapping[str, type[Config]] = MappingProxyType(
    {
        "training": TrainingConfig,
        "federation": FederationConfig,
        "model_config": ModelConfig,
        "submission": SubmitConfig,
        "connection": ResonTechConfig,
    }
)
# Their unset fields come from the environment as it is whenever they are used.
_OF_THE_ENVIRONMENT = ("submission", "connection")
_OWNER = {field: part for part, config in _CONFIGS.items() for field in config.model_fields}

# A cell that asks for it keeps no trace of it.
_OF_THE_PLATFORM = (
    "Set RESON_API_KEY before the kernel starts; or here: import os, getpass; os.environ['RESON_API_KEY'] = getpass.getpass()"
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refusal:
    """A cell that was to give something and could not be captured, and why."""

    key: str
    cell: str
    message: str
    hint: str


class Session:
    """The kernel's state. Safe to use from any thread; every config in it is immutable, so what is read stays as it was.

    Attributes:
        kernel: What captures are held against; None outside of a notebook.
    """

    kernel: Kernel | None = None

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._configs: dict[str, Config] = {
            part: config() for part, config in _CONFIGS.items() if part not in _OF_THE_ENVIRONMENT
        }
        self._set: dict[str, dict[str, Any]] = {part: {} for part in _OF_THE_ENVIRONMENT}
        self._captures: dict[str, Capture] = {}
        self._refusals: dict[str, Refusal] = {}
        self._outdated: dict[str, Outdated] = {}
        self._observers: list[Observer] = []

    @property
    def training(self) -> TrainingConfig:
        """How each site trains."""
        return self._config("training", TrainingConfig)

    @property
    def federation(self) -> FederationConfig:
        """How the rounds run."""
        return self._config("federation", FederationConfig)

    @property
    def model_config(self) -> ModelConfig:
        """Which class is the model and what its constructor gets."""
        return self._config("model_config", ModelConfig)

    @property
    def submission(self) -> SubmitConfig:
        """Which run is submitted, and where it goes; built anew on each use, so that the environment counts as it is now.

        Raises:
            ConfigError: the environment cannot be used.
        """
        return SubmitConfig(**self._set_fields("submission"))

    @property
    def connection(self) -> ResonTechConfig:
        """Where the platform and the bucket are; built anew on each use, as `submission` is.

        Raises:
            ConfigError: the environment or a configured field cannot be used.
        """
        return ResonTechConfig(**self._set_fields("connection"))

    @property
    def store(self) -> str:
        """URL of the store; "" when nobody chose one. Raises `ConfigError` as `submission` does."""
        return self.submission.store

    @property
    def target(self) -> str:
        """Where runs go: "local", "flare" or "reson". Raises `ConfigError` as `submission` does."""
        return self.submission.target

    @property
    def captures(self) -> Mapping[str, Capture]:
        """What is captured, by role; commands by "command" and their name."""
        with self._lock:
            return MappingProxyType(dict(self._captures))

    @property
    def refusals(self) -> Mapping[str, Refusal]:
        """What could not be captured when its cell ran last, by what it was to be, as `captures` has it."""
        with self._lock:
            return MappingProxyType(dict(self._refusals))

    @property
    def outdated(self) -> Mapping[str, Outdated]:
        """Which captures, by key, were other than what the kernel has when somebody looked last."""
        with self._lock:
            return MappingProxyType(dict(self._outdated))

    @property
    def has_own_training(self) -> bool:
        """Whether something that was captured takes the place of the default training."""
        captures = self.captures
        functions = (function for capture in captures.values() for function in capture.functions)
        return "executor" in captures or any(function.purpose == "train" for function in functions)

    def capture(self, key: str) -> Capture | None:
        """Returns the capture of a role ("model", "train", "executor", "persistor"), or of "command NAME", if there is one."""
        return self.captures.get(key)

    def set_capture(self, capture: Capture) -> None:
        """Takes `capture` in place of the earlier one of its key; a model that brings its train function replaces that, too."""
        with self._lock:
            self._captures[capture.key] = capture
            self._refusals.pop(capture.key, None)
            self._outdated.pop(capture.key, None)
            if capture.role == "model" and any(function.purpose == "train" for function in capture.functions):
                self._captures.pop("train", None)
                self._outdated.pop("train", None)
        self._notify()

    def set_refusal(self, refusal: Refusal) -> None:
        """Remembers that a cell could not be captured; what was captured before stays."""
        with self._lock:
            self._refusals[refusal.key] = refusal
        self._notify()

    def set_outdated(self, outdated: Mapping[str, Outdated], captures: Mapping[str, Capture]) -> None:
        """Remembers which of the captures are other than what the kernel has; of those that were replaced meanwhile nothing."""
        with self._lock:
            still = {key: found for key, found in outdated.items() if self._captures.get(key) is captures[key]}
            if still == self._outdated:
                return
            self._outdated = still
        self._notify()

    def forget(self, key: str) -> tuple[Capture, ...]:
        """Drops the capture of a role or of "command NAME", or with "command" all commands; returns what was dropped."""
        with self._lock:
            dropped = [capture for known, capture in self._captures.items() if key in (known, capture.role)]
            for capture in dropped:
                del self._captures[capture.key]
                self._outdated.pop(capture.key, None)
            for known in [known for known in self._refusals if known == key or known.startswith(f"{key} ")]:
                del self._refusals[known]
        self._notify()
        return tuple(dropped)

    def configure(self, /, **fields: Any) -> None:
        """Sets fields of any of the five configs; other names become hyperparameters of the user's own; None puts a field back.

        Either all of them are set, or none.

        Raises:
            ConfigError: a value cannot be used, a name is nearly that of a known field, or a field is a secret.
        """
        self._configure(fields)
        self._notify()

    def configure_rows(self, field: str, entries: Mapping[str, Any], drop: Iterable[str] = ()) -> None:
        """Sets some entries that have names of the user's own, and drops some; the others stay, whoever set them meanwhile.

        Args:
            field: The field that holds them, "model_args"; "" for hyperparameters.
            entries: What is set, by name.
            drop: Names of those that go.

        Raises:
            ConfigError: as `configure`; or a hyperparameter is None, which would drop it.
        """
        if not field:
            for name in (name for name, value in entries.items() if value is None):
                why = "a hyperparameter cannot be null; remove it instead"
                raise ConfigError(f"{name}: {why}", fields={name: why})
            self._configure({**dict.fromkeys(drop), **entries})
        elif field == "model_args":
            gone = set(drop)
            with self._lock:
                kept = {name: value for name, value in self.model_config.model_args.items() if name not in gone}
                self._configure({field: {**kept, **entries}})
        else:
            raise ConfigError(f"{field[:40]!r} holds no entries of the user's own.")
        self._notify()

    def _configure(self, fields: Mapping[str, Any]) -> None:
        parts: dict[str, dict[str, Any]] = {}
        for name, value in fields.items():
            part = parts.setdefault(_route(name), {})
            part[name] = value
        with self._lock:
            environment = {name: _changed(self._set[name], parts.pop(name)) for name in _OF_THE_ENVIRONMENT if name in parts}
            for name, values in environment.items():
                if values != self._set[name]:
                    _CONFIGS[name](**values)
            configs = {part: self._configs[part].replace(**changes) for part, changes in parts.items()}
            for name, value in fields.items():  # of which the configs know that they have an end
                _refuse_secret(name, value)
            self._configs.update(configs)
            self._set.update(environment)

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Has `observer(session)` called after every change, on the thread that made it; returns the call that ends this."""
        with self._lock:
            self._observers.append(observer)

        def stop() -> None:
            with self._lock:
                if observer in self._observers:
                    self._observers.remove(observer)

        return stop

    def __repr__(self) -> str:
        captures = ", ".join(f"{capture.title} of {capture.cell}" for capture in self.captures.values())
        return f"Session({captures or 'nothing captured'})"

    def _repr_html_(self) -> str:
        from .session_card import session_card

        return session_card(self).html()

    def _set_fields(self, part: str) -> dict[str, Any]:
        with self._lock:
            return dict(self._set[part])

    def _config(self, part: str, kind: type[C]) -> C:
        with self._lock:
            config = self._configs[part]
        assert isinstance(config, kind)
        return config

    def _notify(self) -> None:
        with self._lock:
            observers = tuple(self._observers)
        for observer in observers:
            try:
                observer(self)
            except Exception:
                _log.exception("an observer of the session failed; the change itself is made")


def _changed(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Fields with changes, of which None puts one back."""
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


def _route(name: str) -> str:
    if name in SECRETS:
        raise ConfigError(
            f"{name} is a secret and is not set here, where notebooks and their history would keep it.",
            f"Set {SECRETS[name]} before the kernel starts; or here: "
            f"import os, getpass; os.environ[{SECRETS[name]!r}] = getpass.getpass()",
        )
    if name in _OWNER:
        return _OWNER[name]
    check_length(name)
    refuse_slip(name, _OWNER)
    return "training"


def _refuse_secret(name: str, value: Any) -> None:
    for key, text in dict.fromkeys(_texts(name, value)):
        found = [finding for finding in scan(f"{key} = {text!r}") if finding.blocks]
        if found:
            raise ConfigError(
                f"{name} holds {found[0].kind}; a field of a config ships, and is shown.",
                _OF_THE_PLATFORM
                if text.startswith("rsk_")
                else f"Set an environment variable on each site, and read it where it is needed: os.environ[{key.upper()!r}].",
            )


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every string in a value, with the nearest name for it; the names in a dict are shown, too."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield "name", str(name)
            # As a name in Python: "api-key" is none.
            yield from _texts(re.sub(r"\W", "_", str(name)), item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _texts(key, item)


_current = Session()


def current_session() -> Session:
    """Returns the kernel's one session."""
    return _current
