"""What both ends of a run use: the process's own log file, and web addresses that are secrets.

This file travels to the sites below the messenger and to the server below the reporter. So that they do not disturb each other,
every name at its top level starts with `_reson_`, and it uses no builtin that `from torch import *` replaces.
"""

import logging as _reson_logging
import os as _reson_os
import re as _reson_re

_reson_LOG_BYTES = 256 << 10  # that are read at once


def _reson_log_beyond(offset: "int") -> str:
    """The whole lines that NVFlare's log of this process has beyond so many bytes; some of them, if they are many.

    The text has as many bytes in UTF-8 as the file, so that their number tells where to go on.

    Raises:
        OSError: there is no log that can be read.
    """
    handlers = [handler for handler in _reson_logging.getLogger().handlers if isinstance(handler, _reson_logging.FileHandler)]
    paths = [handler.baseFilename for handler in handlers if _reson_os.path.basename(handler.baseFilename) == "log.txt"]
    if not paths:
        raise FileNotFoundError("it writes no log.txt")
    with open(paths[0], "rb") as file:
        file.seek(offset)
        data = file.read(_reson_LOG_BYTES)
    whole = data[: data.rfind(b"\n") + 1] or data * (len(data) == _reson_LOG_BYTES)
    # Every byte that is no character becomes one "?".
    return whole.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode()


class _reson_NoQueries(_reson_logging.Filter):
    """Takes out of what is logged all that stands behind the "?" of an address: there are the signatures."""

    def filter(self, record: _reson_logging.LogRecord) -> "bool":
        record.msg, record.args = _reson_re.sub(r"\?[^\s\"']+", "?...", record.getMessage()), ()
        return True


def _reson_hide_queries() -> None:
    """Has urllib3, at any level, log no query; filters stay where levels are set anew."""
    logger = _reson_logging.getLogger("urllib3.connectionpool")
    if not [one for one in logger.filters if type(one).__name__ == "_reson_NoQueries"]:
        logger.addFilter(_reson_NoQueries())
