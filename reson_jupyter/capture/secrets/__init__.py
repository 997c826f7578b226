"""Refuses to ship credentials."""
