"""A project as the archive that Scaleout's command line takes: the same files always give the same bytes."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ...errors import ProjectError
from ...paths import expanded
from .contents import list_files
from .project import Project

NAME = "package.tgz"
_ENDINGS = (".tgz", ".tar.gz")


def package(project: Project, out: str | Path = NAME) -> Path:
    """Writes a project's files into an archive, in the place of an earlier one.

    Args:
        project: The project.
        out: The archive, whose name ends in .tgz or .tar.gz; or a folder, in which it is called package.tgz.

    Returns:
        The archive, by its full path.

    Raises:
        ProjectError: a file cannot ship, or the archive cannot be written there.
    """
    path = _place(project, expanded(out, ProjectError).absolute())
    data = _packed(project.files(), _executables(project))
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as part:
            written = Path(part.name)
            try:
                part.write(data)
                written.chmod(0o644)
                written.replace(path)
            except BaseException:
                written.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise ProjectError(f"{path} cannot be written: {error.strerror}", "Name another place.") from None
    return path


def _place(project: Project, path: Path) -> Path:
    path = path / NAME if path.is_dir() else path
    if not path.name.endswith(_ENDINGS):
        raise ProjectError(
            f"a package is called .tgz or .tar.gz, not {path.name!r}", f"Write it to {path.name}.tgz, or name a folder."
        )
    if not path.parent.is_dir():
        raise ProjectError(f"there is no folder {path.parent}", "Make it first, or name another.")
    if path.resolve().is_relative_to(project.folder.resolve()):
        raise ProjectError(
            f"{path} lies in the project's own folder, so that the next package would contain this one",
            f"Write it beside the folder: {project.folder.parent / path.name}",
        )
    return path


def _executables(project: Project) -> frozenset[str]:
    return frozenset(entry.path for entry in list_files(project.folder) if entry.file.stat().st_mode & 0o100)


def _packed(files: Mapping[str, bytes], executables: frozenset[str]) -> bytes:
    """The archive's bytes: without times and owners, so that they depend on the files alone."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), 0o755 if path in executables else 0o644
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()
