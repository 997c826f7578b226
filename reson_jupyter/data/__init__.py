"""Shards and their manifests."""
