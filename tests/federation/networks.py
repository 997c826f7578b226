"""Machines of one network that are none: namespaces of this machine, each with an address and names of its own.

They are joined by a bridge in a further namespace, so that this machine's own network is not touched.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

_NAMES = Path("/etc/netns")  # `ip netns exec NAME` lays what is in NAME there over /etc


class NotPermitted(Exception):
    """This machine does not let its user have such networks."""


class Network:
    """Some machines, each reached by the others by its name.

    Args:
        addresses: {machine's name: its address}, of one network of 24 bits.
    """

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._prefix = f"reson{os.getpid()}-"
        self._addresses = addresses
        self._switch = f"{self._prefix}switch"

    def build(self) -> None:
        """Makes the machines. Raises `NotPermitted` with ip's own words."""
        try:
            made = subprocess.run(["ip", "netns", "add", self._switch], capture_output=True, text=True)
        except FileNotFoundError:
            raise NotPermitted("there is no command `ip`") from None
        if made.returncode:
            raise NotPermitted(made.stderr.strip())
        self._ip(self._switch, "link add bridge type bridge")
        self._ip(self._switch, "link set bridge up")
        hosts = "".join(f"{address} {name}\n" for name, address in self._addresses.items())
        for number, (name, address) in enumerate(self._addresses.items()):
            space = self._space(name)
            subprocess.run(["ip", "netns", "add", space], check=True)
            (_NAMES / space).mkdir(parents=True)
            (_NAMES / space / "hosts").write_text(f"127.0.0.1 localhost\n{hosts}")
            self._ip(self._switch, f"link add port{number} type veth peer name eth0 netns {space}")
            self._ip(self._switch, f"link set port{number} master bridge up")
            self._ip(space, f"addr add {address}/24 dev eth0")
            self._ip(space, "link set lo up")
            self._ip(space, "link set eth0 up")

    def start(
        self, name: str, command: Sequence[str | Path], environment: Mapping[str, str], cwd: Path, log: Path
    ) -> subprocess.Popen[bytes]:
        """Starts a command on a machine; what it prints goes to a file."""
        line = ["ip", "netns", "exec", self._space(name), *map(str, command)]
        with log.open("wb") as file:
            return subprocess.Popen(
                line, env=dict(environment), cwd=cwd, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
            )

    def peers(self, name: str, port: int) -> set[str]:
        """The addresses from which a port of a machine is being used."""
        command = ["ss", "-Htn", "state", "established", f"( sport = :{port} )"]
        lines = subprocess.run(
            ["ip", "netns", "exec", self._space(name), *command], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        return {line.split()[3].rpartition(":")[0].removeprefix("[::ffff:").rstrip("]") for line in lines}

    def remove(self) -> None:
        """Ends all that runs on the machines, and takes everything away."""
        _remove([space for space in _spaces() if space.startswith(self._prefix)])

    def _space(self, name: str) -> str:
        return f"{self._prefix}{name.partition('.')[0]}"

    def _ip(self, space: str, what: str) -> None:
        subprocess.run(["ip", "-n", space, *what.split()], check=True)


@contextlib.contextmanager
def network(addresses: Mapping[str, str]) -> Iterator[Network]:
    """A network that goes with the block, whatever happens in it. Raises `NotPermitted` where there can be none."""
    # Of tests that were killed.
    _remove([space for space in _spaces() if (own := re.match(r"reson(\d+)-", space)) and not psutil.pid_exists(int(own[1]))])
    built = Network(addresses)
    try:
        built.build()
        yield built
    finally:
        built.remove()


def _spaces() -> list[str]:
    if shutil.which("ip") is None:
        return []
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True)
    return [line.split()[0] for line in listed.stdout.splitlines() if line]


def _pids(space: str) -> list[int]:
    return list(map(int, subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True).stdout.split()))


def _remove(spaces: Sequence[str]) -> None:
    until = time.monotonic() + 20
    while (pids := [pid for space in spaces for pid in _pids(space)]) and time.monotonic() < until:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    for space in spaces:
        subprocess.run(["ip", "netns", "del", space], check=True)
        shutil.rmtree(_NAMES / space, ignore_errors=True)
    with contextlib.suppress(OSError):
        _NAMES.rmdir()  # if nobody else uses it
    assert not pids
