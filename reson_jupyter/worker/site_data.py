"""Where a site's data is: at a place that the site has set, else in its shard, else where the job says.

This file travels to the sites below the executor's module, as zip_rules.py does; its names follow the same rules.
"""

import json as _reson_json
import os as _reson_os
from typing import Any as _reson_Any

from .agent import _reson_own_folder

_reson_SITE_FILE = "reson.json"  # in the folder `local` of the site's workspace: {"data_root": "/data/clinic"}


class _reson_BadSetting(Exception):
    """What the site has set leads nowhere; the message says what."""


def _reson_set_place(local: str, site: str) -> "tuple[str, str]":
    """The folder that a site has set for its data, and where that is said; "" and "" if it has set none.

    Args:
        local: The folder of the site's own settings.
        site: The site's name; the data may be in a folder of that name.

    Raises:
        _reson_BadSetting: it has set one that is not there.
    """
    path = _reson_os.path.join(local, _reson_SITE_FILE)
    root, said = _reson_os.environ.get("RESON_DATA_ROOT", ""), "RESON_DATA_ROOT"
    if not root and _reson_os.path.exists(path):
        root, said = _reson_read_setting(path), path
    if not root:
        return "", ""
    root = _reson_os.path.expanduser(root)
    if not _reson_os.path.isabs(root) or not _reson_os.path.isdir(root):
        raise _reson_BadSetting(f"{said} says that the data is in {root!r}, which is no folder of this site")
    return _reson_own_folder(root, site), said


def _reson_read_setting(path: str) -> str:
    try:
        with open(path, encoding="utf-8-sig") as file:
            content = _reson_json.load(file)
        root: _reson_Any = content.get("data_root", "") if isinstance(content, dict) else None
    except (OSError, ValueError, RecursionError) as exc:
        raise _reson_BadSetting(f"{path} cannot be read: {type(exc).__name__}") from None
    if not isinstance(root, str):
        raise _reson_BadSetting(f'{path} is not of the form {{"data_root": "/data/clinic"}}')
    return root


def _reson_given_place(root: str, site: str) -> str:
    """The folder that the job says, if there is anything in it; "" if not."""
    place = _reson_own_folder(root, site)
    try:
        return place if _reson_os.listdir(place) else ""
    except OSError:
        return ""
