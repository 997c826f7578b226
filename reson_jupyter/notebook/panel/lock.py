"""One lock for all panels: an edit in one is shown by the others, and edits come on whichever threads serve their pages."""

from __future__ import annotations

from threading import RLock

lock = RLock()
