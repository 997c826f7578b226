"""Build the job, store it, run it, follow it."""
