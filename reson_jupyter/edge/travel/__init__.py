"""The package `reson_edge`, which travels to the sites; it imports nothing of reson_jupyter."""
