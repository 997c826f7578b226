"""A site's shard: its manifest, which of its samples validate, and its images, batch by batch.

A shard is a folder with images and a manifest: one JSON object a line, {"id": text, "uri": image, "y": label or [labels]}.
`uri` is a path inside the folder, plain or as file://path, or an https address on a host that the run allows.

This file travels to the sites, as adapter.py does; its names follow the same rules.
"""

import builtins as _rt_py
import concurrent.futures as _rt_futures
import hashlib as _rt_hashlib
import io as _rt_io
import json as _rt_json
import os as _rt_os
import re as _rt_re
from collections import deque as _rt_deque
from collections.abc import Callable as _rt_Callable
from collections.abc import Iterator as _rt_Iterator
from typing import Any as _rt_Any

import numpy as _rt_numpy
import torch as _rt_torch

from .decode import _rt_decode, _rt_READING
from .download import _rt_fetch, _rt_fetch_parts, _rt_fetch_shown
from .image_cache import _rt_ImageCache, _rt_megabytes, _rt_NoCache

_rt_HELD_OUT = 0.1  # share of the samples that validate
_rt_AHEAD = 2  # batches that are decoded while another is trained on
_rt_MIN_THREADS = 2  # the training waits for images in its first epoch, so its own thread is free for them as well
_rt_MAX_THREADS = 8
_rt_PATIENCE = 0.2  # seconds between two looks whether the task was aborted, while an image is waited for
_rt_MEAN = _rt_numpy.array([0.485, 0.456, 0.406], "float32").reshape(3, 1, 1)
_rt_STD = _rt_numpy.array([0.229, 0.224, 0.225], "float32").reshape(3, 1, 1)
_rt_SCALE, _rt_SHIFT = 1 / (255 * _rt_STD), _rt_MEAN / _rt_STD  # pixels * scale - shift
_rt_shards: dict[str, _rt_Any] = {}  # the shard that was read last, for all rounds of this process


def _rt_load_shard(env: dict[str, _rt_Any]) -> _rt_Any:
    """The shard of a site; read again only if its manifest, or what is to be made of its images, has changed."""
    manifest = _rt_os.path.join(env["DATA_ROOT"], env["manifest_file"])
    if not _rt_os.path.isfile(manifest):
        raise FileNotFoundError(f"there is no {env['manifest_file']} at the root of the shard ({env['DATA_ROOT']})")
    stat = _rt_os.stat(manifest)
    options = [env["img_size"], env.get("exact_pixels"), env.get("image_hosts"), _rt_digest(env["DATA_ROOT"])]
    key = f"{manifest} {stat.st_mtime_ns} {stat.st_size} {options}"
    if key not in _rt_shards:
        _rt_shards.clear()
        _rt_shards[key] = _rt_Shard(env)
    return _rt_shards[key]


class _rt_Shard:
    """The samples of one site.

    Attributes:
        samples: All of them, as (id, path in the shard or https address, labels).
        train: The rows to train on.
        held_out: The rows that validate.
        multi_label: Whether any sample has not exactly one label.
        news: What is to be told of the image cache, in lines; whoever tells it empties the list.
    """

    def __init__(self, env: dict[str, _rt_Any]) -> None:
        self._hosts = sorted(env.get("image_hosts") or ())
        self.samples = _rt_read_manifest(env["DATA_ROOT"], env["manifest_file"], self._hosts)
        self.multi_label = not _rt_py.all(len(labels) == 1 for _, _, labels in self.samples)
        self.train, self.held_out = _rt_split([name for name, _, _ in self.samples])
        self._root = _rt_os.path.realpath(env["DATA_ROOT"])
        self._size, self._exact = env["img_size"], _rt_py.bool(env.get("exact_pixels"))
        self.news: list[str] = []
        self._told: set[str] = set()
        self._cache = self._open_cache(env)
        self._tell()

    def batches(self, batches: "list[list[int]]", buffer: _rt_Any, check_abort: _rt_Callable[[], None]) -> _rt_Iterator[_rt_Any]:
        """Yields the normalised images of one batch after the other, in the buffer: each is gone when the next is asked for.

        Images that are not in the cache are decoded by threads, at most so many batches ahead; an image's failure is raised when
        it is the image's turn. Close the iterator, whatever happens: then the threads end as soon as each has finished its image.

        Args:
            batches: Rows.
            buffer: float32 (B, 3, size, size), as large as the largest batch.
            check_abort: Raises if the task was aborted.
        """
        threads = _rt_py.min(_rt_py.max(_rt_torch.get_num_threads(), _rt_MIN_THREADS), _rt_MAX_THREADS)
        pool = _rt_futures.ThreadPoolExecutor(threads, "rt-images")
        try:
            begun = _rt_deque(self._begin(pool, rows) for rows in batches[:_rt_AHEAD])
            for number in _rt_py.range(len(batches)):
                images = [self._wait(image, check_abort) for image in begun.popleft()]
                filled = _rt_normalise(images, buffer[: len(images)])
                if number + _rt_AHEAD < len(batches):
                    begun.append(self._begin(pool, batches[number + _rt_AHEAD]))
                yield filled
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            self._tell()

    def _begin(self, pool: _rt_Any, rows: "list[int]") -> list[_rt_Any]:
        """Of each row its number, if its image is at hand, or the future of it."""
        return [row if self._cache and self._cache.trusted[row] else pool.submit(self._image, row) for row in rows]

    def _wait(self, image: _rt_Any, check_abort: _rt_Callable[[], None]) -> _rt_Any:
        if isinstance(image, _rt_py.int):
            return self._cache.rows[image]
        while not image.done():
            _rt_futures.wait([image], _rt_PATIENCE)
            check_abort()
        return image.result()

    def _image(self, row: "int") -> _rt_Any:
        if self._cache and self._cache.holds(row):
            return self._cache.rows[row]
        pixels = self._decode(row)
        if self._cache:
            self._cache.put(row, pixels)
        return pixels

    def _decode(self, row: "int") -> _rt_Any:
        name, member, _ = self.samples[row]
        if _rt_is_web(member):
            try:
                file, shown = _rt_io.BytesIO(_rt_fetch(member, self._hosts)), _rt_fetch_shown(member)
            except ValueError as exc:
                raise ValueError(f"sample {name!r}: {exc}") from exc
        else:
            file, shown = _rt_os.path.realpath(_rt_os.path.join(self._root, member)), member
            if not file.startswith(self._root + _rt_os.sep):
                raise ValueError(f"sample {name!r}: {member} is a link to a place outside the shard")
        try:
            return _rt_decode(file, self._size, self._exact)
        except Exception as exc:
            raise ValueError(f"sample {name!r}: {shown} is no usable image: {exc}") from exc

    # The cache

    def _open_cache(self, env: dict[str, _rt_Any]) -> _rt_Any:
        """The cache: of all runs if RESON_CACHE says where and the shard's digest is known, else of this run or process."""
        digest, state = _rt_digest(env["DATA_ROOT"]), env.get("STATE_DIR")
        folder = (digest and _rt_os.path.expanduser(_rt_os.environ.get("RESON_CACHE", ""))) or (
            state and _rt_os.path.join(state, "images")
        )
        made_of = _rt_json.dumps([_rt_READING, self._hosts, [member for _, member, _ in self.samples]])
        recipe = _rt_hashlib.sha256(made_of.encode()).hexdigest()[:12]
        name = f"{digest}-{self._size}{'-exact' if self._exact else ''}-{recipe}.u8" if digest and folder else ""
        self._written = "written" if name else "written for this process only"
        try:
            return _rt_ImageCache(folder, name, len(self.samples), self._size)
        except _rt_NoCache as exc:
            self.news.append(f"image cache: none, as {exc}; images are decoded each time")
            return None

    def _tell(self) -> None:
        """Adds to the news what has happened to the cache."""
        if not self._cache:
            return
        lines = [self._cache.trouble] if self._cache.trouble else []
        if self._cache.complete:
            size, count = _rt_megabytes(self._cache.bytes), len(self.samples)
            lines.append(f"{size} for {count:,} images, {'reused' if self._cache.reused else self._written}")
        self.news += [f"image cache: {line}" for line in lines if line not in self._told]
        self._told.update(lines)


def _rt_digest(root: str) -> str:
    """The SHA-256 of the shard that was unpacked to a folder, as its sidecar has it; "" if there is none."""
    try:
        with open(root.rstrip(_rt_os.sep) + ".sha256", encoding="ascii") as file:
            text = file.read(100).strip()
    except (OSError, ValueError):
        return ""
    return text if _rt_re.fullmatch("[0-9a-f]{64}", text) else ""


def _rt_normalise(images: _rt_Any, buffer: _rt_Any) -> _rt_Any:
    """Fills the buffer, float32 (B, 3, size, size), with the images, uint8 (3, size, size) each, scaled and normalised."""
    if buffer.device.type != "cpu":  # one transfer, of bytes
        pixels = _rt_torch.from_numpy(_rt_numpy.stack(images)).to(buffer.device)
        scale, shift = _rt_torch.from_numpy(_rt_SCALE).to(buffer.device), _rt_torch.from_numpy(_rt_SHIFT).to(buffer.device)
        return buffer.copy_(pixels).mul_(scale).sub_(shift)
    # One by one, so that each stays in the processor's cache meanwhile; by numpy, as torch would share such small work among
    # threads, which on a busy machine takes a hundred times as long.
    for place, image in _rt_py.zip(buffer.numpy(), images, strict=True):
        _rt_numpy.copyto(place, image)
        place *= _rt_SCALE
        place -= _rt_SHIFT
    return buffer


def _rt_split(names: list[str]) -> "tuple[list[int], list[int]]":
    """Rows to train on and rows held out; a sample is in the same part in every round."""
    place = [_rt_seed(name) / 2**48 for name in names]
    order = sorted(_rt_py.range(len(names)), key=place.__getitem__)
    count = len([value for value in place if value < _rt_HELD_OUT])
    count = _rt_py.min(_rt_py.max(count, 1), len(names) - 1)
    return sorted(order[count:]), sorted(order[:count])


def _rt_read_manifest(root: str, manifest: str, hosts: _rt_Any) -> list[_rt_Any]:
    """The samples as (id, path in the shard, labels)."""
    samples, names = [], set()
    with open(_rt_os.path.join(root, manifest), encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                name, member, labels = _rt_sample(_rt_json.loads(line), hosts)
                if name in names:
                    raise ValueError(f"the id {name!r} is there twice")
            except (ValueError, RecursionError) as exc:
                raise ValueError(f"{manifest}, line {number}: {exc}") from exc
            names.add(name)
            samples.append((name, member, labels))
    if not samples:
        raise ValueError(f"{manifest} has no samples")
    return samples


def _rt_sample(entry: _rt_Any, hosts: _rt_Any) -> tuple[str, str, list[_rt_Any]]:
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or not entry["id"]:
        raise ValueError("not an object with an `id` that is a text")
    y = entry.get("y")
    labels = y if isinstance(y, list) else [y]
    for label in labels:
        if not isinstance(label, _rt_py.int) or label is True or label is False or label < 0:
            raise ValueError(f"sample {entry['id']!r}: y must be a label, 0 or above, or a list of labels; it is {y!r}")
    return entry["id"], _rt_member(entry.get("uri"), hosts), labels


def _rt_member(uri: _rt_Any, hosts: _rt_Any) -> str:
    """The path in the shard or the address that a uri means; ValueError for whatever could mean a place that is not allowed."""
    if not isinstance(uri, str) or not uri:
        raise ValueError("`uri` is missing")
    if _rt_is_web(uri):
        _rt_fetch_parts(uri, hosts)
        return uri
    path = uri[7:] if uri.startswith("file://") else uri
    parts = path.split("/")
    if not path.isprintable() or ".." in parts or path[:1] in ("/", "") or _rt_py.any(mark in path for mark in "\\%:"):
        raise ValueError(f"{uri[:200]!r} is no path inside the shard, such as images/a.png")
    return path


def _rt_is_web(uri: str) -> "bool":
    return uri.lower().startswith(("http://", "https://"))


def _rt_seed(text: str) -> "int":
    """A number that depends on the text alone, below 2**48."""
    return _rt_py.int.from_bytes(_rt_hashlib.sha256(text.encode()).digest()[:6], "big")
