"""`%reson shards` and `%reson federation`: data, and sites on this machine to try it on."""

from __future__ import annotations

from .federation import add_federation_verbs
from .parser import Parser
from .shards import add_shards_verbs


def add_data_verbs(parser: Parser) -> None:
    """Adds the verbs to the parser of `%reson`."""
    add_shards_verbs(parser.add_verb("shards", None, "make shards of data, check them, or show the cache of their images"))
    add_federation_verbs(parser.add_verb("federation", None, "start, stop or show an NVFlare federation on this machine"))
