"""What ships of a project folder: never a secret, never what lies elsewhere, never a disk; anything else byte for byte."""

from __future__ import annotations

import codecs
import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reson_jupyter.edge.project import contents, read_project
from reson_jupyter.errors import ProjectError
from tests.edge.project_folders import IMPORTER, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "client", IMPORTER)


def refused(folder: Path) -> ProjectError:
    with pytest.raises(ProjectError) as caught:
        read_project(folder)
    return caught.value


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\x01\xff" * 1_000, "naïve – ☃".encode(), b"\xff\xfe not utf-8", b"\xef\xbb\xbfx\r\n"],
    ids=["empty", "binary", "utf-8", "latin", "crlf"],
)
def test_any_bytes_ship_as_they_are(folder: Path, content: bytes) -> None:
    write(folder, {"assets/weights.bin": content})
    assert read_project(folder).files()["assets/weights.bin"] == content


@pytest.mark.parametrize("name", ["a file.txt", "größe.py", "日本.txt", "-rf", "#x#", "a'b\"c", ".hidden", "x" * 255])
def test_odd_names_ship_as_they_are(folder: Path, name: str) -> None:
    write(folder, {f"more/{name}": "x"})
    assert read_project(folder).files()[f"more/{name}"] == b"x"


@pytest.mark.parametrize(
    ("name", "shown", "reason"),
    [
        (b"caf\xe9.txt", r"caf\xe9.txt", "it is not valid Unicode"),
        (b"a\nb.txt", r"a\nb.txt", "it has a backslash or a control character"),
        (b"a\\b.txt", r"a\b.txt", "it has a backslash or a control character"),
        ("e\u0301.txt".encode(), "e\u0301.txt", "it is not in Unicode normal form C"),
    ],
)
def test_names_that_no_store_takes_are_refused_in_one_line(folder: Path, name: bytes, shown: str, reason: str) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(b"")
    error = refused(folder)
    assert error.message == f"{shown} cannot ship under this name: {reason}"
    str(error).encode()


@settings(max_examples=150, deadline=None)
@given(name=st.one_of(st.binary(min_size=1, max_size=12), st.text(min_size=1, max_size=12).map(os.fsencode)))
def test_any_name_that_a_file_can_have_ships_as_it_is_or_is_refused_in_one_line(name: bytes) -> None:
    assume(not {b"/", b"\0"} & {bytes([byte]) for byte in name} and name not in (b".", b".."))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(os.fsdecode(os.fsencode(scratch) + b"/" + name))
        path.write_bytes(b"x")
        try:
            assert contents.read_files(Path(scratch)) in ({os.fsdecode(name): b"x"}, {})
        except ProjectError as error:
            assert error.message.isprintable()


@pytest.mark.parametrize(
    "path",
    [
        *(
            ".env",
            "config/.env.production",
            ".netrc",
            "id_rsa",
            "keys/id_ed25519",
            ".ssh/config",
            ".aws/credentials",
            "store.P12",
        ),
        *("id_rsa.bak", ".netrc.bak", ".env~", "id_ed25519.old.1", ".vault-token", "credentials.json", "client_secret.json"),
    ],
)
def test_files_for_secrets_are_refused_by_name_whatever_is_in_them(folder: Path, path: str) -> None:
    write(folder, {path: "DEBUG=1"})
    error = refused(folder)
    assert error.message == f"{path} is a file for secrets, which must not leave {folder}"
    assert "List it in .scaleoutignore" in str(error.hint)


@pytest.mark.parametrize(
    "path", [".env.example", ".env.template", "environment.py", "id_rsa.pub", "token.py", "ca.pem", "steps.py.bak"]
)
def test_files_that_only_sound_like_it_ship(folder: Path, path: str) -> None:
    write(folder, {path: "x = 1\n"})
    assert path in read_project(folder).files()


def test_a_secret_that_is_listed_stays_at_home(folder: Path) -> None:
    write(folder, {".env": "API_KEY=rsk_live_4f9a8b7c6d5e", ".scaleoutignore": ".env\n"})
    assert ".env" not in read_project(folder).files()


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("startup.py", "def startup(client):\n    client.token = 'ghp_0123456789abcdefghijABCDEFGHIJ4567'\n", 2),
        ("conf/login.yaml", "user: me\npassword: hunter2-and-more\n", 2),
        ("python_env.yaml", "dependencies:\n  - 'x @ git+https://me:gh0stwriter@git.example/x.git'\n", 2),
    ],
)
def test_a_secret_in_a_file_is_refused_by_its_place_and_never_shown(folder: Path, path: str, text: str, line: int) -> None:
    write(folder, {path: text})
    error = refused(folder)
    assert f"{path}, line {line}: " in error.message
    assert not [part for part in ("ghp_", "hunter2", "gh0st") if part in str(error)]


TOKEN = "ghp_" + "0123456789abcdefghijABCDEFGHIJ4567"


@pytest.mark.parametrize(
    ("path", "data", "found"),
    [
        ("notes.txt", f"one\ntoken {TOKEN}\n".encode("utf-16"), "notes.txt, line 2: a GitHub token"),
        ("notes.txt", codecs.BOM_UTF16_BE + "password: hunter2-and-more\n".encode("utf-16-be"), "notes.txt, line 1: a password"),
        ("state.bin", b"\0\1\xff" + TOKEN.encode() + b"\0\2", "state.bin: a GitHub token"),
        ("state.bin", b"\0\1\xff" + TOKEN.encode("utf-16-le") + b"\2", "state.bin: a GitHub token"),
        ("state.bin", b"\0\1\xff" + TOKEN.encode("utf-16-be") + b"\2", "state.bin: a GitHub token"),
        (f"runs/{TOKEN}/log.txt", b"", "runs/(...)/log.txt: a GitHub token in its name"),
    ],
    ids=["utf-16", "utf-16-be", "binary", "wide", "wide-be", "name"],
)
def test_a_secret_is_found_in_any_encoding_in_binary_files_and_in_names(folder: Path, path: str, data: bytes, found: str) -> None:
    write(folder, {path: data})
    error = refused(folder)
    assert error.message == f"these must not leave {folder}:\n  {found}"
    assert TOKEN not in str(error)


def test_every_secret_is_named_at_once(folder: Path) -> None:
    write(folder, {"a.py": "password = 'hunter2-and-more'\n", "b.py": "\npassword = 'hunter2-and-more'\n"})
    assert refused(folder).message == (f"these must not leave {folder}:\n  a.py, line 1: a password\n  b.py, line 2: a password")


def test_a_file_that_gets_a_secret_is_looked_at_again(folder: Path) -> None:
    project = read_project(folder)
    project.files()
    write(folder, {"steps.py": IMPORTER["steps.py"] + "password = 'hunter2-and-more'\n"})
    with pytest.raises(ProjectError, match=r"steps\.py, line 3: a password"):
        project.files()


def test_a_secret_that_came_after_the_project_was_read_is_refused_as_well(folder: Path) -> None:
    project = read_project(folder)
    write(folder, {".env": ""})
    for use in (project.files, project.digest):
        with pytest.raises(ProjectError, match="is a file for secrets"):
            use()


def test_a_link_within_the_folder_ships_as_the_file_it_leads_to(folder: Path) -> None:
    (folder / "again.py").symlink_to("steps.py")
    assert read_project(folder).files()["again.py"] == IMPORTER["steps.py"].encode()


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (".env", ".env, a file for secrets, which must not leave {folder}"),
        ("data/patients.csv", "data/patients.csv, which .scaleoutignore keeps at home"),
        ("models/deep/big.bin", "models/deep/big.bin, which .scaleoutignore keeps at home"),
        ("venv/lib/site.py", "venv/lib/site.py, which .scaleoutignore keeps at home"),
    ],
)
def test_what_is_kept_at_home_does_not_ship_through_a_link_either(folder: Path, target: str, why: str) -> None:
    write(folder, {".scaleoutignore": ".env\ndata/\n*.bin\n", "venv/pyvenv.cfg": "", target: "x"})
    (folder / "notes.txt").symlink_to(target)
    assert refused(folder).message == f"notes.txt is a link to {why.replace('{folder}', str(folder))}"
    write(folder, {".scaleoutignore": ".env\ndata/\n*.bin\nnotes.txt\n"})
    assert sorted(read_project(folder).files()) == sorted({*IMPORTER, ".scaleoutignore"})


def test_links_that_lead_out_of_the_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "passwd"
    secret.write_text("x")
    (folder / "notes.txt").symlink_to(secret)
    assert refused(folder).message == f"notes.txt is a link to {secret}, outside of {folder}"


def test_links_to_folders_are_refused_and_may_be_listed_as_folders(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "big", {"x.bin": "x"})
    (folder / "data").symlink_to(tmp_path / "big", target_is_directory=True)
    assert refused(folder).message == f"data is a link to a folder, {tmp_path / 'big'}"
    write(folder, {".scaleoutignore": "data/\n"})
    assert sorted(read_project(folder).files()) == sorted({*IMPORTER, ".scaleoutignore"})


@pytest.mark.parametrize("target", ["nowhere.py", "loop"])
def test_links_that_lead_nowhere_are_refused(folder: Path, target: str) -> None:
    (folder / "loop").symlink_to(target)
    assert refused(folder).message == "loop is no ordinary file"


def test_a_link_around_in_a_circle_ends(folder: Path) -> None:
    (folder / "self").symlink_to(".", target_is_directory=True)
    assert refused(folder).message == f"self is a link to a folder, {folder}"


def test_what_is_no_file_is_refused_without_waiting_for_it(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert refused(folder).message == "pipe is no ordinary file"


def test_a_project_that_is_reached_over_a_link_is_read_where_it_lies(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    assert read_project(tmp_path / "link").folder == folder


def test_what_may_not_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(file: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(Path, "read_bytes", denied)
    assert refused(folder).message == f"{folder / 'build.py'} cannot be read: Permission denied"


def test_too_much_is_refused_before_it_is_read_and_the_biggest_files_are_named(folder: Path) -> None:
    write(folder, {"data/small.csv": "1,2"})
    with (folder / "data" / "big.bin").open("wb") as file:
        file.truncate(200 << 30)  # a file with a hole, as big as no memory
    error = refused(folder)
    assert error.message == f"the files of {folder} are 215 GB; at most 100 MB ship"
    assert "the biggest files: data/big.bin (215 GB), " in str(error.hint)


def test_too_many_files_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MOST_FILES", 20)
    write(folder, {f"data/{number}.txt": "" for number in range(16)})
    assert refused(folder).message == f"{folder} has more than 20 files"
    write(folder, {".scaleoutignore": "data/\n"})
    assert len(read_project(folder).files()) == len(IMPORTER) + 1


def test_reading_a_project_leaves_the_folder_as_it_was(folder: Path) -> None:
    def listed() -> str:
        return subprocess.run(
            ["find", folder, "-newermt", "1970-01-02", "-printf", "%p %T@ %m\n"], capture_output=True, text=True
        ).stdout

    before = listed()
    project = read_project(folder)
    project.digest()
    assert listed() == before
