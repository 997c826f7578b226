"""Values of the user's own as text: what people write, and what they are shown, so that it comes back as it was."""

from __future__ import annotations

import json
from typing import Any

from ..errors import ConfigError

_PYTHON = {"True": True, "False": False, "None": None}


def value_of(text: str) -> Any:
    """Returns a value that somebody wrote: JSON; what is none is text, so that names need no quotes.

    Raises:
        ConfigError: it is nested too deep, or a number is too long, to be read at all.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return _PYTHON.get(text, text)
    except ValueError:  # of which Python's own text names its settings
        raise ConfigError("This whole number has too many digits.", "Put it into quotes, as text.") from None
    except RecursionError:
        raise ConfigError("The value is nested too deep.", "Write flatter lists and dicts.") from None


def text_of(value: Any) -> str:
    """Returns a value as it would be written: JSON to the last digit, and text without quotes where it is read as that text."""
    if isinstance(value, str) and value.isprintable() and value == value.strip() and value_of(value) == value:
        return value
    text = json.dumps(value, ensure_ascii=False, default=dict)
    # What nobody sees, or UTF-8 cannot hold, is shown as \u202e.
    return text if text.isprintable() else json.dumps(value, default=dict)
