"""A run's events in a store: one writer appends, any number of readers follow, each with one request per poll.

Under the run's prefix lie

    files_out/events/00000000.ndjson ...      segments: what one `append` brought, a line per event; never changed once announced
    files_out/events/pack-1-00000000.ndjson   a pack: the lines of 100 segments; pack-2-...: those of 100 packs
    files_out/latest.json                     {"state", "seq": events so far, "segments", "rounds": how many are over, "time",
                                               "packs", "swept": how many there are of each level, and without their parts,
                                               "sites": {site: its newest telemetry}, "tail": [the newest events]}

A reader asks for latest.json if it changed. It stays small however long the run is, and its tail holds what happens between two
looks of a reader that keeps up; one that joins late, or fell behind, reads the packs and the segments it has not seen. NaN and
infinities are written as Python's json does: a loss that became NaN must not arrive as null.
"""

from .format import Latest, latest_key, peek, segment_key
from .reader import EventLogReader
from .writer import EventLogWriter

__all__ = ["EventLogReader", "EventLogWriter", "Latest", "latest_key", "peek", "segment_key"]
