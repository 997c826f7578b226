"""A federation of this machine, as a user holds it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

from ...card import html_root
from ...data.report import counted
from ...table import html_table, text_table
from .kits import SERVER, data_root, kit_of_user, site_names
from .nodes import is_connected, running_nodes

_TITLES = ("", "state", "data")


@dataclass(frozen=True)
class Federation:
    """A server and some sites on this machine, as separate processes that talk to each other over TLS.

    Attributes:
        folder: Where all that belongs to it lies.
        sites: The sites' names.
    """

    folder: Path
    sites: tuple[str, ...]

    @classmethod
    def at(cls, folder: Path, sites: int) -> Federation:
        """The federation of so many sites in this folder."""
        return cls(folder, site_names(sites))

    @property
    def startup_kit(self) -> Path:
        """The folder with which jobs are submitted; it holds a private key."""
        return kit_of_user(self.folder)

    @property
    def states(self) -> dict[str, str]:
        """What the server and each site do now: "running" or "connected", "starting", or "not running"."""
        running = running_nodes(self.folder)
        return {name: self._state(name, running) for name in (SERVER, *self.sites)}

    @property
    def data(self) -> dict[str, Path | None]:
        """Where each site has its data; None for one that has none."""
        return {site: data_root(self.folder / site) for site in self.sites}

    @property
    def is_complete(self) -> bool:
        """Whether the server and all sites run, and are connected."""
        return {*self.states.values()} == {"running", "connected"}

    def stop(self) -> None:
        """Ends all its processes, with those of runs in progress, and deletes its folder; nothing to do if it is stopped."""
        from .start import stop_federation_at

        stop_federation_at(self.folder)

    def __repr__(self) -> str:
        return "\n".join([self._headline(), text_table(_TITLES, self._rows()), *self._notes()])

    def _repr_html_(self) -> str:
        notes = "".join(f"<div>{escape(note)}</div>" for note in self._notes())
        return html_root(f"<b>{escape(self._headline())}</b>{html_table(_TITLES, self._rows())}{notes}")

    def _headline(self) -> str:
        return f"A federation on this machine: a server and {counted(len(self.sites), 'site')}"

    def _rows(self) -> list[tuple[str, ...]]:
        data = self.data
        return [(name, state, str(data.get(name) or "")) for name, state in self.states.items()]

    def _notes(self) -> list[str]:
        return [
            f"submit to it: %reson config target=flare startup_kit={self.startup_kit}",
            "stop it: %reson federation stop, or reson.stop_federation()",
        ]

    def _state(self, name: str, running: set[str]) -> str:
        if name not in running:
            return "not running"
        if not is_connected(self.folder, name):
            return "starting"
        return "running" if name == SERVER else "connected"
