"""Failures told in the words of the notebook: the cell and line, the cause, the fix."""
