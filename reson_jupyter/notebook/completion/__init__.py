"""What the Tab key offers on a line of `%reson` or of a cell magic."""
