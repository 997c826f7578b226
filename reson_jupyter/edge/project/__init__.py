"""Project folders of Scaleout Edge."""
