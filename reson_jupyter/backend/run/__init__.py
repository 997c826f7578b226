"""The handle of a run (`handle`) and what it can do: follow, wait, control, tell, give back the model and evaluate it."""
