"""Every fault that a run must survive or name: real runs, each with one thing that goes wrong."""
