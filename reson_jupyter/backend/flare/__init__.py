"""Runs on an NVFlare federation, which is reached with the startup kit of one of its users."""
