"""The live view of a run, and the static report that takes its place."""
