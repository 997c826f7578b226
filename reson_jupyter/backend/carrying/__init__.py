"""What every process that carries a run does, wherever the run runs."""
