"""Scaleout Edge projects and their callbacks, on NVFlare."""
