"""Carries out one local run and outlives the kernel: `carry` is its process, `watchdog` finds what stops in it."""
