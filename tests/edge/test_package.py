"""A packed project is one to Scaleout's own command line and client, of both releases."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import reson_jupyter as reson
from reson_jupyter import edge
from reson_jupyter.edge.project import Project, package, read_project
from reson_jupyter.errors import ProjectError
from tests.edge.conftest import RELEASES, Scaleout, scaleout_bin
from tests.edge.project_folders import DISPATCHER, IMPORTER, write

MORE = {".scaleoutignore": "*.csv\ndata\n", "nets/blocks.py": "", "x.csv": "1", "data/a.bin": b"\0", "nets/w.bin": b"\0\xff"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return read_project(write(tmp_path / "client", {**IMPORTER, **MORE}))


def contents_of(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as opened:
        return {member.name: opened.extractfile(member).read() for member in opened if member.isfile()}  # type: ignore[union-attr]


def command_line(release: str, *args: object, cwd: Path) -> str:
    done = subprocess.run(
        [scaleout_bin(release), "-W", "ignore", "-m", "scaleout", *map(str, args)],
        cwd=cwd,
        env={**os.environ, "HOME": str(cwd), "SCALEOUT_HOME_DIR": str(cwd), "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("release", RELEASES)
def test_scaleouts_own_package_holds_the_same_files(tmp_path: Path, project: Project, release: str) -> None:
    (tmp_path / "theirs").mkdir()
    said = command_line(release, "package", "create", "--path", project.folder, "-o", tmp_path / "theirs", cwd=tmp_path)
    assert "Created tar archive" in said
    ours = package(project, tmp_path)
    assert contents_of(ours) == contents_of(tmp_path / "theirs" / "package.tgz") == project.files()
    assert {"x.csv", "data/a.bin"}.isdisjoint(contents_of(ours))


_UNPACKED = """
import json, os, shutil, sys
from scaleout.client.{kind}_package_runtime import {name}PackageRuntime
archive, target = sys.argv[1:]
runtime = {name}PackageRuntime(target, os.path.dirname(archive))
runtime.pkg_name = os.path.basename(archive)
path = runtime._unpack_compute_package()
assert path and runtime.load_local_compute_package(path)
print(json.dumps(runtime.config["entry_points"]))
"""


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(("kind", "files"), [("importer", IMPORTER), ("dispatcher", DISPATCHER)])
def test_scaleouts_own_client_unpacks_and_loads_it(
    tmp_path: Path, scaleout: Scaleout, release: str, kind: str, files: dict[str, str]
) -> None:
    archive = package(read_project(write(tmp_path / "client", files)), tmp_path)
    script = _UNPACKED.format(kind=kind, name=kind.title())
    printed = scaleout(release, script, archive, tmp_path / "unpacked", cwd=tmp_path)
    assert sorted(json.loads(printed.splitlines()[-1])) == (
        ["build", "startup"] if kind == "importer" else ["build", "startup", "train", "validate"]
    )
    unpacked = {
        file.relative_to(tmp_path / "unpacked").as_posix() for file in (tmp_path / "unpacked").rglob("*") if file.is_file()
    }
    assert unpacked == set(files)


class _Controller(http.server.BaseHTTPRequestHandler):
    """As much of a controller as the upload of a package needs."""

    chunks: dict[int, bytes]
    named: str

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = type(self)
        if "/chunk" in self.path:
            kind.chunks[int(self.headers["X-Chunk-Index"])] = body
        elif self.path.rstrip("/").endswith("/packages"):
            kind.named = body.decode()
        answer = {"upload_id": "u1", "file_token": "f1", "success": True, "access_token": "a1", "expires_in": 3600}
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_PUT = do_POST

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def controller() -> Iterator[http.server.ThreadingHTTPServer]:
    handler = type("Controller", (_Controller,), {"chunks": {}, "named": ""})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("release", RELEASES)
def test_scaleouts_own_command_line_uploads_it(
    tmp_path: Path, project: Project, controller: http.server.ThreadingHTTPServer, release: str
) -> None:
    archive = package(project, tmp_path)
    address = ["-p", "http", "-H", "127.0.0.1", "-P", controller.server_port, "-t", "token"]
    said = command_line(release, "package", "set-active", *address, "-f", archive, "-n", "mine", cwd=tmp_path)
    handler = controller.RequestHandlerClass
    assert b"".join(data for _, data in sorted(handler.chunks.items())) == archive.read_bytes(), said  # type: ignore[attr-defined]
    assert "package.tgz" in handler.named  # type: ignore[attr-defined]
    assert ("set as active successfully" if release == "1.0" else "file_token: f1") in said


def test_the_same_files_give_the_same_bytes_wherever_and_whenever_they_were_written(tmp_path: Path, project: Project) -> None:
    again = read_project(write(tmp_path / "copy" / "client", {**IMPORTER, **MORE}))
    for file in again.folder.rglob("*"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
    digests = {
        hashlib.sha256(package(which, tmp_path / name).read_bytes()).hexdigest()
        for which, name in ((project, "one.tgz"), (again, "other.tar.gz"))
    }
    assert len(digests) == 1


def test_what_could_be_run_can_be_run_when_it_is_unpacked(tmp_path: Path, project: Project) -> None:
    script = write(project.folder, {"train.sh": "#!/bin/sh\n"}) / "train.sh"
    script.chmod(0o700)
    with tarfile.open(package(project, tmp_path)) as archive:
        modes = {member.name: member.mode for member in archive}
    assert modes.pop("train.sh") == 0o755
    assert set(modes.values()) == {0o644}


def test_long_and_foreign_names_are_packed(tmp_path: Path, project: Project) -> None:
    name = f"{'d' * 120}/{'日本' * 30}.txt"
    write(project.folder, {name: "x"})
    assert contents_of(package(project, tmp_path))[name] == b"x"


def test_an_earlier_package_is_replaced_and_nothing_else_is_left(tmp_path: Path, project: Project) -> None:
    (tmp_path / "out").mkdir()
    for _ in range(2):
        package(project, tmp_path / "out" / "mine.tgz")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.tgz"]


def test_without_a_place_it_is_package_tgz_where_the_notebook_is(
    tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert package(project) == tmp_path / "package.tgz"


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("mine.zip", "a package is called .tgz or .tar.gz, not 'mine.zip'"),
        ("nowhere/mine.tgz", "there is no folder {tmp}/nowhere"),
        ("client/package.tgz", "{tmp}/client/package.tgz lies in the project's own folder"),
        ("client", "{tmp}/client/package.tgz lies in the project's own folder"),
        ("client/nets/../p.tgz", "{tmp}/client/nets/../p.tgz lies in the project's own folder"),
        ("~nobody-there/p.tgz", "the path '~nobody-there/p.tgz' cannot be used"),
        ("a\0.tgz", "'a\\x00.tgz' is no path"),
    ],
)
def test_a_place_that_will_not_do_is_refused_and_nothing_is_written(
    tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch, out: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ProjectError) as caught:
        package(project, out)
    assert caught.value.message.startswith(message.replace("{tmp}", str(tmp_path)))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_secret_keeps_the_earlier_package(tmp_path: Path, project: Project) -> None:
    before = package(project, tmp_path).read_bytes()
    write(project.folder, {".env": "X=1"})
    with pytest.raises(ProjectError, match="is a file for secrets"):
        package(project, tmp_path)
    assert (tmp_path / "package.tgz").read_bytes() == before


def test_a_write_that_fails_keeps_the_earlier_package_and_leaves_nothing(
    tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    before = package(project, out).read_bytes()

    def full(file: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ProjectError, match=r"package\.tgz cannot be written: No space left on device"):
        package(project, out)
    assert [path.read_bytes() for path in out.iterdir()] == [before]


def test_the_public_call_packs_the_loaded_project(tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    session = reson.Session()
    monkeypatch.setattr(edge, "current_session", lambda: session)
    with pytest.raises(ProjectError) as caught:
        edge.package_project(tmp_path)
    assert caught.value.message == "no project is loaded"
    edge.load_project(project.folder)
    assert contents_of(edge.package_project(tmp_path)) == project.files()
