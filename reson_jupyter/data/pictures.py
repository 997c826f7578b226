"""Pictures that a model is to be tried on: of an unpacked shard, of a folder, of a folder for each class, or in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ShardError
from ..paths import expanded
from .classes import SUFFIXES, all_numbers, labels_of, visible_files
from .manifest import member_of, scan_manifest
from .problems import Problems

if TYPE_CHECKING:
    from PIL.Image import Image

    Data = str | Path | Image | Iterable[str | Path | Image]

_TAKEN = "Pass a shard, a folder of images, a folder with one folder for each class, or a list of images or of their paths."


@dataclass(frozen=True)
class Picture:
    """One image, what it is called, and its labels if they are known."""

    name: str
    image: Path | Image
    labels: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Pictures:
    """Images; either all of them have labels or none. `classes` are the names of the labels, where folders name them."""

    items: tuple[Picture, ...]
    classes: tuple[str, ...] = ()

    @property
    def labelled(self) -> bool:
        """Whether it is known what is on them."""
        return self.items[0].labels is not None


def path_of(data: Data) -> Path | None:
    """Returns the file or folder that `data` names; None if it is images.

    Raises:
        ShardError: there is no such file.
    """
    if not isinstance(data, str | Path):
        return None
    path = expanded(data, ShardError)
    if not path.exists():
        raise ShardError(f"there is no file or folder {data}", _TAKEN)
    return path


def holds_pictures(folder: Path) -> bool:
    """Whether there is nothing but images in a folder, and in the folders in it."""
    files = [path for path in _visible(folder) if path.is_file()]
    files += [path for inner in _visible(folder) if inner.is_dir() for path in _visible(inner)]
    return bool(files) and all(_is_picture(path) for path in files)


def pictures_of(data: Data, manifest_file: str = "manifest.ndjson") -> Pictures:
    """Returns the images that `data` means, without reading them.

    Args:
        data: A folder with a manifest, a folder of images, a folder with one folder for each class, an image, or some of these.
            Class folders called 0, 1, ... have these labels; others have their place in the order of their names.
        manifest_file: The manifest's name.

    Raises:
        ShardError: it means no image.
    """
    path = path_of(data)
    if path and path.is_dir():
        found = _of_manifest(path, manifest_file) if (path / manifest_file).is_file() else _of_folder(path)
    elif path or not isinstance(data, Iterable):
        found = Pictures((_picture(data, 1),))
    else:
        found = Pictures(tuple(_picture(one, number) for number, one in enumerate(data, 1)))
    if not found.items:
        raise ShardError("there is no image to evaluate", _TAKEN)
    return found


def _of_manifest(folder: Path, file: str) -> Pictures:
    problems = Problems()
    with (folder / file).open("rb") as lines:
        samples = list(scan_manifest(lines, problems))
    problems.raise_if_any(f"{folder / file} cannot be used", "Correct these lines.")
    return Pictures(tuple(Picture(one.id, folder / member_of(one.uri), tuple(one.labels)) for one in samples))


def _of_folder(folder: Path) -> Pictures:
    images = list(filter(_is_picture, _visible(folder)))
    if images:
        return Pictures(tuple(Picture(path.name, path) for path in images))
    names = [name for name in visible_files(str(folder)) if name.lower().endswith(SUFFIXES)]
    if not names:
        zips = [path for path in _visible(folder) if path.suffix.lower() == ".zip"]
        raise ShardError(f"there is no JPEG or PNG in {folder}", f"Pass one shard of it, such as {zips[0]}" if zips else _TAKEN)
    labels = labels_of(name.partition("/")[0] for name in names)
    items = (Picture(name, folder / name, (labels[name.partition("/")[0]],)) for name in names)
    return Pictures(tuple(items), () if all_numbers(labels) else tuple(labels))


def _picture(one: object, number: int) -> Picture:
    from PIL.Image import Image

    if isinstance(one, Image):
        return Picture(Path(getattr(one, "filename", "") or f"image {number}").name, one)
    if isinstance(one, str | Path):
        path = expanded(one, ShardError)
        if not path.is_file():
            raise ShardError(f"there is no image {one}", _TAKEN)
        return Picture(path.name, path)
    raise ShardError(f"a {type(one).__name__} is no image", f"{_TAKEN} Of an array: PIL.Image.fromarray(array).")


def _visible(folder: Path) -> Iterator[Path]:
    return iter(sorted(path for path in folder.iterdir() if not path.name.startswith(".")))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()
