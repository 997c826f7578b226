"""`%reson` and its subcommands, each a thin skin over the Python call of the same name."""
