"""What a user can set: five configs, each one pydantic schema from which every form is drawn.

All are immutable; `replace` gives a changed copy, so a refused value leaves the old config as it was. Bad values raise
`ConfigError` with one line per field.
"""

from .base import Config
from .connection import ResonTechConfig
from .federation import FederationConfig, ModelConfig
from .own import check_length
from .slips import fields_like, refuse_slip
from .submit import SubmitConfig
from .training import RESERVED_KEYS, TrainingConfig
from .urls import check_store, check_url

__all__ = [
    "RESERVED_KEYS",
    "Config",
    "FederationConfig",
    "ModelConfig",
    "ResonTechConfig",
    "SubmitConfig",
    "TrainingConfig",
    "check_length",
    "check_store",
    "check_url",
    "fields_like",
    "refuse_slip",
]
