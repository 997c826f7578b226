"""The runs that this machine knows, what made each, and what can be done with an old one: run it again, delete it."""
