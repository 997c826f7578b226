"""Scaleout's logger, whose lines are lines of a site's log here."""

from __future__ import annotations

import logging


class ScaleoutLogger:
    """Writes to the logger "scaleout", whose level and handlers are those of the site."""

    def __init__(self) -> None:
        self.logger = logging.getLogger("scaleout")
        self.debug = self.logger.debug
        self.info = self.logger.info
        self.warning = self.logger.warning
        self.error = self.logger.error
        self.critical = self.logger.critical
