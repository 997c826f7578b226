"""What this kernel has captured and configured: one object, one lock, and observers that hear of every change."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from .capture.across.inputs import Kernel
from .capture.capture import Capture
from .capture.secrets.scan import scan
from .config import Config, FederationConfig, ModelConfig, ResonTechConfig, TrainingConfig, refuse_slip
from .errors import ConfigError

C = TypeVar("C", bound=Config)
Observer = Callable[["Session"], None]

TARGETS = ("local", "flare", "reson")
# What a submit does with a capture that the kernel has left behind.
STALE = ("recapture", "refuse")
SECRETS = MappingProxyType(
    {"password": "RESON_PASSWORD", "platform_api_key": "RESON_API_KEY", "s3_secret_access_key": "RESON_S3_SECRET"}
)

_CONFIGS: Mapping[str, type[Config]] = MappingProxyType(
    {"training": TrainingConfig, "federation": FederationConfig, "model_config": ModelConfig, "connection": ResonTechConfig}
)
_OWNER = {field: part for part, config in _CONFIGS.items() for field in config.model_fields}
_CHOICES = {"target": TARGETS, "stale_captures": STALE}
_KNOWN = (*_OWNER, "store", *_CHOICES)

# A cell that asks for it keeps no trace of it.
_OF_THE_PLATFORM = (
    "Set RESON_API_KEY before the kernel starts; or here: import os, getpass; os.environ['RESON_API_KEY'] = getpass.getpass()"
)

_log = logging.getLogger(__name__)


class Session:
    """The kernel's state. Safe to use from any thread; every config in it is immutable, so what is read stays as it was.

    Attributes:
        kernel: What captures are held against; None outside of a notebook.
    """

    kernel: Kernel | None = None

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._configs: dict[str, Config] = {
            "training": TrainingConfig(),
            "federation": FederationConfig(),
            "model_config": ModelConfig(),
        }
        self._connection: dict[str, Any] = {}
        self._places: dict[str, str] = {}
        self._captures: dict[str, Capture] = {}
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
    def connection(self) -> ResonTechConfig:
        """Where the platform and the bucket are; built anew on each use, so that the environment counts as it is now.

        Raises:
            ConfigError: the environment or a configured field cannot be used.
        """
        with self._lock:
            fields = dict(self._connection)
        return ResonTechConfig(**fields)

    @property
    def store(self) -> str:
        """URL of the store; "" when nobody chose one."""
        with self._lock:
            return self._places.get("store") or os.environ.get("RESON_STORE", "")

    @property
    def target(self) -> str:
        """Where runs go: "local", "flare" or "reson".

        Raises:
            ConfigError: RESON_TARGET names none of them.
        """
        with self._lock:
            return self._places.get("target") or _check_choice("target", os.environ.get("RESON_TARGET", "") or "local")

    @property
    def stale_captures(self) -> str:
        """What a submit does with a capture when the kernel has something else by now: "recapture" or "refuse"."""
        with self._lock:
            return self._places.get("stale_captures", "recapture")

    @property
    def captures(self) -> Mapping[str, Capture]:
        """What is captured, by role; commands by "command" and their name."""
        with self._lock:
            return MappingProxyType(dict(self._captures))

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
            if capture.role == "model" and any(function.purpose == "train" for function in capture.functions):
                self._captures.pop("train", None)
        self._notify()

    def forget(self, key: str) -> tuple[Capture, ...]:
        """Drops the capture of a role or of "command NAME", or with "command" all commands; returns what was dropped."""
        with self._lock:
            dropped = [capture for known, capture in self._captures.items() if key in (known, capture.role)]
            for capture in dropped:
                del self._captures[capture.key]
        self._notify()
        return tuple(dropped)

    def configure(self, **fields: Any) -> None:
        """Sets fields of any of the four configs, the store or the target; other names become hyperparameters of the user's own.

        Either all of them are set, or none.

        Raises:
            ConfigError: a value cannot be used, a name is nearly that of a known field, or a field is a secret.
        """
        parts: dict[str, dict[str, Any]] = {}
        for name, value in fields.items():
            part = parts.setdefault(_route(name), {})
            _refuse_secret(name, value)
            part[name] = value
        with self._lock:
            places = _changed(self._places, _check_places(parts.pop("places", {})))
            connection = _changed(self._connection, parts.pop("connection", {}))
            if connection != self._connection:
                ResonTechConfig(**connection)
            configs = {part: self._configs[part].replace(**changes) for part, changes in parts.items()}
            self._configs.update(configs)
            self._connection, self._places = connection, places
        self._notify()

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Has `observer(session)` called after every change, on the thread that made it; returns the call that ends this."""
        with self._lock:
            self._observers.append(observer)

        def stop() -> None:
            with self._lock:
                if observer in self._observers:
                    self._observers.remove(observer)

        return stop

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
    if name == "store" or name in _CHOICES:
        return "places"
    if name in _OWNER:
        return _OWNER[name]
    refuse_slip(name, _KNOWN)
    return "training"


def _refuse_secret(name: str, value: Any) -> None:
    found = [finding for finding in scan(f"{name} = {value!r}") if finding.blocks] if isinstance(value, str) else []
    if found:
        raise ConfigError(
            f"{name} holds {found[0].kind}; a field of a config ships, and is shown.",
            _OF_THE_PLATFORM
            if value.startswith("rsk_")
            else f"Set an environment variable on each site, and read it where it is needed: os.environ[{name.upper()!r}].",
        )


def _check_places(places: dict[str, Any]) -> dict[str, str]:
    for name, value in places.items():
        if value is None:
            continue
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{name}: give text, not {value!r}.")
        if name in _CHOICES:
            _check_choice(name, value)
    return places


def _check_choice(field: str, value: str) -> str:
    if value not in _CHOICES[field]:
        raise ConfigError(f"{field}: there is no {value!r}.", f"Choose one of {', '.join(_CHOICES[field])}.")
    return value


_current = Session()


def current_session() -> Session:
    """Returns the kernel's one session."""
    return _current
