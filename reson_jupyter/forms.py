"""The configs as forms: what a user can set, drawn from the schemas, for the sidebar, the panel and `%reson config`.

No secret is ever in one: of a key there is only whether it is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .config import Config, FederationConfig, ModelConfig, ResonTechConfig, SubmitConfig, TrainingConfig
from .config.written import text_of
from .errors import ConfigError
from .secret_fields import SECRETS
from .session import Session

# Of both halves of a pair of keys, a form says only whether they are there.
_KEYS = {**SECRETS, "s3_access_key_id": "RESON_S3_KEY"}
_S3 = ("s3_endpoint", "s3_bucket", "s3_region")
_PLATFORM = tuple(name for name in ResonTechConfig.model_fields if name not in (*_KEYS, *_S3, "startup_kit", "allow_http"))
# Which fields matter where.
_BY_TARGET: Mapping[str, tuple[str, ...]] = {"local": _S3, "flare": ("startup_kit", *_S3), "reson": (*_PLATFORM, *_S3)}
# Fields of the federation that may be left open, and what counts then.
UNSET = {"min_clients": "every site", "job_name": "the run's name"}
# Fields that are for the default training on images, and do nothing by themselves where callbacks train.
_OF_IMAGES = ("num_classes", "img_size", "augment", "exact_pixels")


@dataclass(frozen=True)
class Key:
    """A secret that comes from the environment: its field, its variable, and whether it is set."""

    name: str
    variable: str
    is_set: bool


@dataclass(frozen=True)
class Rows:
    """Entries with names of the user's own and values of JSON.

    Attributes:
        field: The config's field that holds them all; "" if each is a field of its own; see `session.configure_rows`.
        texts: Their values as they would be written, see `text_of`: a page's numbers are not Python's.
    """

    title: str
    help: str
    field: str
    texts: Mapping[str, str]


@dataclass(frozen=True)
class Form:
    """Fields that are edited together.

    Attributes:
        schema: A JSON schema of an object with a property for each field, in the order in which they are shown. A property has
            "env" if the field comes from that environment variable where nobody sets it, "chosen" with it if somebody has set it
            here, and "unset" if it may be left open.
        values: The fields' values; of one that was left open there is none.
        problem: Why what the environment says cannot be used; "" if it can.
    """

    id: str
    title: str
    schema: Mapping[str, Any]
    values: Mapping[str, Any]
    rows: Rows | None = None
    keys: tuple[Key, ...] = ()
    problem: str = field(default="")


def forms_of(session: Session) -> tuple[Form, ...]:
    """Returns the session as forms: "training", "federation", "model", "target", "data" and "run", each with its present values.

    A field is set by `session.configure(**{name: value})`; None puts it back.
    """
    return (
        Form("training", "Training", _training_schema(session), _values(session.training), rows=_hyperparameters(session)),
        Form("federation", "Federation", _federation_schema(), _federation_values(session.federation)),
        Form("model", "Model", _schema(ModelConfig, ("model_class",)), _values(session.model_config, ("model_class",)),
             rows=_model_args(session)),
        _target_form(session),
        _submission_form(session, "data", "Data", "shards_dir"),
        _submission_form(session, "run", "Run", "name"),
    )  # fmt: skip


def _training_schema(session: Session) -> dict[str, Any]:
    schema = _schema(TrainingConfig)
    for name in _OF_IMAGES if session.has_startup else ():
        schema["properties"][name]["description"] += " Of no use now, unless your train callback reads it in its settings."
    return schema


def _hyperparameters(session: Session) -> Rows:
    about = "They reach your train function in env, and an executor of your own by name."
    if session.has_startup:
        about = "They reach your train callback in its settings, as the fields above do."
    if not session.has_own_training:
        about += " The default training, which is used now, does not read them."
    return Rows("Hyperparameters of your own", about, "", _texts(session.training.extra))


def _model_args(session: Session) -> Rows:
    texts = _texts(session.model_config.model_args)
    about = "Keyword arguments of the model's constructor."
    if session.has_startup:
        about += " Nothing reads them now: the seed model is the model."
    return Rows("Model arguments", about, "model_args", texts)


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: text_of(value) for name, value in values.items()}


def _federation_schema() -> dict[str, Any]:
    schema = _schema(FederationConfig)
    for name, meaning in UNSET.items():
        del schema["properties"][name]["default"]
        schema["properties"][name]["unset"] = meaning
    return schema


def _federation_values(config: FederationConfig) -> dict[str, Any]:
    values = _values(config)
    return {name: value for name, value in values.items() if name not in UNSET or is_given(config, name)}


def is_given(config: Config, name: str) -> bool:
    """Whether somebody has set a field, and not to nothing."""
    return name in config.model_fields_set and getattr(config, name) != ""


def _target_form(session: Session) -> Form:
    problem, target = "", "local"
    places: dict[str, Any] = {}
    connection: dict[str, Any] = {}
    chosen: set[str] = set()
    keys: tuple[Key, ...] = ()
    try:
        submission = session.submission
        places, target = _values(submission), submission.target
        known = session.connection
        connection = _values(known)
        chosen = submission.model_fields_set | known.model_fields_set
        keys = tuple(Key(name, variable, _is_set(known, name)) for name, variable in _KEYS.items())
    except ConfigError as error:
        problem = str(error)
    own = ("target", "store")
    others = (*_BY_TARGET[target], "allow_http")
    properties = {
        **_schema(SubmitConfig, own)["properties"],
        **_schema(ResonTechConfig, others)["properties"],
        **_schema(SubmitConfig, ("stale_captures",))["properties"],
    }
    for name in chosen & properties.keys():
        if "env" in properties[name]:
            properties[name] = {**properties[name], "chosen": True}
    values = {**places, **connection}
    return Form(
        "target", "Target & storage", {"type": "object", "properties": properties},
        {name: values[name] for name in properties if name in values}, keys=keys, problem=problem,
    )  # fmt: skip


def _submission_form(session: Session, form: str, title: str, name: str) -> Form:
    try:
        values = _values(session.submission, (name,))
    except ConfigError:  # told by the form of the target
        values = {}
    return Form(form, title, _schema(SubmitConfig, (name,)), values)


def _schema(config: type[Config], names: tuple[str, ...] = ()) -> dict[str, Any]:
    known = config.model_json_schema(mode="validation")["properties"]
    # The name that magics and Python use is the one to show.
    return {"type": "object", "properties": {name: {**known[name], "title": name} for name in names or known}}


def _values(config: Config, names: tuple[str, ...] = ()) -> dict[str, Any]:
    known = {name for name in type(config).model_fields if name not in _KEYS}
    return config.model_dump(mode="json", include=known & set(names) if names else known)


def _is_set(connection: ResonTechConfig, name: str) -> bool:
    value = getattr(connection, name)
    return bool(value.get_secret_value() if name in SECRETS else value)
