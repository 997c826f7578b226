"""What .scaleoutignore keeps at home: what git would ignore, and what no project means to ship."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reson_jupyter.edge.project import read_project
from reson_jupyter.edge.project.contents import list_files
from reson_jupyter.errors import ProjectError
from tests.edge.project_folders import IMPORTER, write


def shipped(folder: Path) -> set[str]:
    return {entry.path for entry in list_files(folder)}


def kept_by_git(folder: Path) -> set[str]:
    """What git sees of the folder with .scaleoutignore as its list of what to ignore."""
    scratch = folder.parent / "git"
    subprocess.run(["git", "init", "-q", scratch], check=True, capture_output=True)
    command = ["git", f"--git-dir={scratch}/.git", f"--work-tree={folder}", "-c", "core.excludesFile=", "ls-files", "-z"]
    options = ["--others", f"--exclude-from={folder / '.scaleoutignore'}"]
    found = subprocess.run([*command, *options], cwd=folder, check=True, capture_output=True)
    return set(found.stdout.decode().split("\0")) - {""}


@pytest.mark.parametrize(
    ("pattern", "stays"),
    [
        ("data/", {"data/x.bin", "data/deep/y.csv"}),
        ("data", {"data/x.bin", "data/deep/y.csv"}),
        ("/data", {"data/x.bin", "data/deep/y.csv"}),
        ("*.csv", {"a.csv", "data/deep/y.csv"}),
        ("/*.csv", {"a.csv"}),
        ("data/*.bin", {"data/x.bin"}),
        ("data/**", {"data/x.bin", "data/deep/y.csv"}),
        ("**/deep", {"data/deep/y.csv"}),
        ("data/*\n!data/x.bin", {"data/deep/y.csv"}),
        ("data/\n!data/x.bin", {"data/x.bin", "data/deep/y.csv"}),
        ("*.csv\n!a.csv", {"data/deep/y.csv"}),
        ("# *.csv", set()),
        ("a.csv   ", {"a.csv"}),
        ("a.csv\r", {"a.csv"}),
        ("\n\n", set()),
        ("A.CSV", set()),
        ("deep\n!data", {"data/deep/y.csv"}),
    ],
)
def test_a_line_means_what_it_means_in_a_gitignore(tmp_path: Path, pattern: str, stays: set[str]) -> None:
    every = {"a.csv", "data/x.bin", "data/deep/y.csv", ".scaleoutignore"}
    folder = write(tmp_path / "client", {**dict.fromkeys(every, "1"), ".scaleoutignore": f"{pattern}\n"})
    assert shipped(folder) == every - stays
    assert kept_by_git(folder) == every - stays


_NAME = st.sampled_from(["a", "b", "ab", "a.py", "b.csv", "da ta"])
_PATH = st.lists(_NAME, min_size=1, max_size=3).map("/".join)
_PATTERN = st.builds(
    lambda bang, slash, parts, end: f"{bang}{slash}{'/'.join(parts)}{end}",
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "/"]),
    st.lists(st.one_of(_NAME, st.sampled_from(["*", "**", "?", "a*", "*.csv", "[ab]", "[!a]*"])), min_size=1, max_size=3),
    st.sampled_from(["", "/"]),
    # pathspec takes "a/**/" for "a/**", which keeps more at home than git does.
).filter(lambda pattern: not pattern.endswith("**/"))


@settings(max_examples=60, deadline=None)
@given(paths=st.sets(_PATH, max_size=6), patterns=st.lists(_PATTERN, max_size=4))
def test_what_ships_is_what_git_would_not_ignore(paths: set[str], patterns: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        files = {path: "" for path in paths if not any(other.startswith(f"{path}/") for other in paths)}
        folder = write(Path(scratch, "client"), {**files, ".scaleoutignore": "\n".join(patterns)})
        assert shipped(folder) == kept_by_git(folder)


def test_what_tools_leave_behind_never_ships(tmp_path: Path) -> None:
    left = ["__pycache__/startup.pyc", "lib/__pycache__/x.pyc", "old.pyc", ".git/HEAD", ".ipynb_checkpoints/a.py", ".DS_Store"]
    folder = write(tmp_path, {**IMPORTER, **dict.fromkeys(left, "")})
    assert shipped(folder) == set(IMPORTER)


@pytest.mark.parametrize("name", [".venv", "env", "importer-client"])
def test_an_environment_that_was_made_in_the_folder_does_not_ship_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path, {**IMPORTER, f"{name}/pyvenv.cfg": "", f"{name}/lib/site.py": ""})
    assert shipped(folder) == set(IMPORTER)


def test_a_line_that_is_no_pattern_is_refused_with_its_number(tmp_path: Path) -> None:
    folder = write(tmp_path, {**IMPORTER, ".scaleoutignore": "data/\n\n!\n"})
    with pytest.raises(ProjectError) as caught:
        read_project(folder)
    assert caught.value.message == f"{folder / '.scaleoutignore'}, line 3: '!' is no pattern"


def test_an_ignore_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, {**IMPORTER, ".scaleoutignore": b"data/\n\xff\xfe\n"})
    with pytest.raises(ProjectError, match=r"\.scaleoutignore cannot be read"):
        read_project(folder)


def of_an_ignore_file(folder: Path) -> str:
    with pytest.raises(ProjectError) as caught:
        read_project(folder)
    return caught.value.message.replace(str(folder), "*")


def test_an_ignore_file_that_is_no_ordinary_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    folder = write(tmp_path, IMPORTER)
    (folder / ".scaleoutignore").symlink_to("/dev/zero")
    assert of_an_ignore_file(folder) == "*/.scaleoutignore is no ordinary file"
    (folder / ".scaleoutignore").unlink()
    os.mkfifo(folder / ".scaleoutignore")
    assert of_an_ignore_file(folder) == "*/.scaleoutignore is no ordinary file"


def test_an_ignore_file_without_end_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, IMPORTER)
    with (folder / ".scaleoutignore").open("wb") as file:
        file.truncate(200 << 30)  # a file with a hole, as big as no memory
    assert of_an_ignore_file(folder) == "*/.scaleoutignore is too big for a list of patterns"


@pytest.mark.parametrize("line", ["*a" * 14 + "*b", "**/a/" * 4 + "**/b"])
def test_a_line_that_would_take_minutes_to_match_is_refused(tmp_path: Path, line: str) -> None:
    folder = write(tmp_path, {**IMPORTER, "a" * 250: "", ".scaleoutignore": f"# {line}\n\n{line}\n"})
    assert of_an_ignore_file(folder) == f"*/.scaleoutignore, line 3: {line!r} has more than 4 stars"


def test_a_line_may_have_stars_in_each_part(tmp_path: Path) -> None:
    folder = write(tmp_path, {"a/b/c/d/e/f.csv": "", ".scaleoutignore": "*/*/*/*/**/*.c*v\n"})
    assert shipped(folder) == {".scaleoutignore"}


def test_an_ignore_file_with_a_byte_order_mark_counts_from_its_first_line(tmp_path: Path) -> None:
    folder = write(tmp_path, {"a.csv": "", ".scaleoutignore": b"\xef\xbb\xbfa.csv\r\n"})
    assert shipped(folder) == {".scaleoutignore"}


def test_a_file_that_ships_only_because_the_rules_are_gits_is_named(tmp_path: Path) -> None:
    files = {"data/a.csv": "1", "data/deep/b.csv": "1", ".scaleoutignore": "data/*.csv\n"}
    project = read_project(write(tmp_path, {**IMPORTER, **files}))
    assert "data/a.csv" not in project.files()
    assert "data/deep/b.csv" in project.files()
    assert project.notes() == (
        "data/deep/b.csv ships, though 'data/*.csv' of .scaleoutignore keeps it out of Scaleout's own packages; "
        "here the line means what it would in a .gitignore",
    )


def test_who_uses_what_only_git_knows_is_told_nothing(tmp_path: Path) -> None:
    files = {"a.csv": "1", "b.csv": "1", ".scaleoutignore": "*.csv\n!b.csv\n"}
    project = read_project(write(tmp_path, {**IMPORTER, **files}))
    assert "b.csv" in project.files()
    assert project.notes() == ()
