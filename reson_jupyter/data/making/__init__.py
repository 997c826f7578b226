"""Shards made of what the user has."""

from .make import make_shards

__all__ = ["make_shards"]
