"""What this kernel has captured and configured: one object, one lock, and observers that hear of every change."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from .capture.across.inputs import Kernel
from .capture.capture import Capture
from .capture.stale import Outdated
from .config import Config, FederationConfig, ModelConfig, ResonTechConfig, SubmitConfig, TrainingConfig
from .configuring import CONFIGS, OF_THE_ENVIRONMENT, Mistakes, routed, with_changes
from .errors import ConfigError
from .secret_fields import refuse_secret

if TYPE_CHECKING:
    from .edge.project import Project

C = TypeVar("C", bound=Config)
Observer = Callable[["Session"], None]

# What trains instead of each other: a model of the user's own, or the callbacks that a startup registers.
_OF_A_MODEL = ("model", "train", "executor", "persistor")

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
        self._configs: dict[str, Config] = {part: config() for part, config in CONFIGS.items() if part not in OF_THE_ENVIRONMENT}
        self._set: dict[str, dict[str, Any]] = {part: {} for part in OF_THE_ENVIRONMENT}
        self._captures: dict[str, Capture] = {}
        self._refusals: dict[str, Refusal] = {}
        self._outdated: dict[str, Outdated] = {}
        self._project: Project | None = None
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
    def project(self) -> Project | None:
        """The Scaleout Edge project that was loaded, if it is what trains."""
        with self._lock:
            return self._project

    @property
    def has_startup(self) -> bool:
        """Whether callbacks of Scaleout Edge train: those of a project, or of a captured startup."""
        return self.project is not None or "startup" in self.captures

    @property
    def has_own_training(self) -> bool:
        """Whether something that was captured takes the place of the default training."""
        if self.has_startup:
            return True
        captures = self.captures
        functions = (function for capture in captures.values() for function in capture.functions)
        return "executor" in captures or any(function.purpose == "train" for function in functions)

    def capture(self, key: str) -> Capture | None:
        """Returns the capture of a role, such as "model", or of "command NAME", if there is one."""
        return self.captures.get(key)

    def set_capture(self, capture: Capture) -> None:
        """Takes `capture` in place of the earlier one of its key; a model that brings its train function replaces that, too.

        A startup and what belongs to a model take each other's place, see `displaced_by`.
        """
        with self._lock:
            for key in self.displaced_by(capture.role):
                self._drop(key)
            if capture.role == "model" and any(function.purpose == "train" for function in capture.functions):
                self._drop("train")
            self._captures[capture.key] = capture
            self._refusals.pop(capture.key, None)
            self._outdated.pop(capture.key, None)
        self._notify()

    def set_project(self, project: Project) -> None:
        """Takes a project in place of an earlier one, and of all that `displaced_by` names."""
        with self._lock:
            for key in self.displaced_by("project"):
                self._drop(key)
            self._project = project
        self._notify()

    def displaced_by(self, role: str) -> tuple[str, ...]:
        """Returns what goes when something of this role comes, because only one of them can train: keys, or "project"."""
        with self._lock:
            there = (*self._captures, *(["project"] if self._project else []))
        others = {"project": (*_OF_A_MODEL, "startup"), "startup": (*_OF_A_MODEL, "project")}
        gone = others.get(role, ("startup", "project") if role in _OF_A_MODEL else ())
        return tuple(key for key in there if key in gone)

    def _drop(self, key: str) -> None:
        if key == "project":
            self._project = None
        self._captures.pop(key, None)
        self._outdated.pop(key, None)

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
        """Drops the capture of a role or of "command NAME", with "command" all commands; or the "project".

        Returns:
            The captures that were dropped.
        """
        with self._lock:
            dropped = [capture for known, capture in self._captures.items() if key in (known, capture.role)]
            for known in [key, *(capture.key for capture in dropped)]:
                self._drop(known)
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
        told = Mistakes()
        parts = routed(fields, told)
        configs: dict[str, Config] = {}
        environment: dict[str, dict[str, Any]] = {}
        with self._lock:
            for part, changes in parts.items():
                with told:
                    if part in OF_THE_ENVIRONMENT:
                        environment[part] = with_changes(part, self._set[part], changes)
                    else:
                        configs[part] = self._configs[part].replace(**changes)
            told.raise_all()
            for name, value in fields.items():  # of which the configs know that they have an end
                refuse_secret(name, value)
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
        from .session_card import held

        return f"Session({', '.join(held(self).values()) or 'nothing captured'})"

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


_current = Session()


def current_session() -> Session:
    """Returns the kernel's one session."""
    return _current
