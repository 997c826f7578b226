"""Notes on how a job was made, of two kinds: what is good to know, and what deserves attention."""


class Caution(str):
    """A note that somebody should read: what was asked for has no effect, or the run may go wrong."""
