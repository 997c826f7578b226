"""Trains and validates an image classifier on a site's shard, for a user who gave only the model.

A shard is a folder with images and a manifest: one JSON object a line, {"id": text, "uri": image, "y": label or [labels]}.
`uri` is a path inside the folder, plain or as file://path. JPEG and PNG are read; EXIF orientation is applied, grey becomes RGB,
16-bit grey is scaled to 8 bits, an alpha channel is dropped. Images are resized to img_size x img_size, scaled to [0, 1] and
normalised with ImageNet's mean and standard deviation.

If every sample has one label, the loss is cross entropy and accuracy counts samples; else (or with multi_label=True, which sites
that by chance have only single labels need) it is binary cross entropy and accuracy counts labels. About a tenth of the samples,
chosen by a hash of their id, is never trained on and validates the incoming global model.

This file travels to the sites below the user's model. So that neither disturbs the other, every name at its top level but the two
functions' starts with `_rt_`, and it uses no builtin that `from torch import *` replaces.
"""

import builtins as _rt_py
import hashlib as _rt_hashlib
import json as _rt_json
import os as _rt_os
import warnings as _rt_warnings
from typing import Any as _rt_Any

import numpy as _rt_numpy
import torch as _rt_torch
from PIL import Image as _rt_Image

_rt_MAX_PIXELS = 4096 * 4096  # of one image file
_rt_MAX_CACHE = 1 << 30  # bytes of decoded images that stay in memory
_rt_HELD_OUT = 0.1  # share of the samples that validate
_rt_MEAN = (0.485, 0.456, 0.406)
_rt_STD = (0.229, 0.224, 0.225)
_rt_TURN = {  # EXIF orientation: how to undo it
    2: _rt_Image.Transpose.FLIP_LEFT_RIGHT,
    3: _rt_Image.Transpose.ROTATE_180,
    4: _rt_Image.Transpose.FLIP_TOP_BOTTOM,
    5: _rt_Image.Transpose.TRANSPOSE,
    6: _rt_Image.Transpose.ROTATE_270,
    7: _rt_Image.Transpose.TRANSVERSE,
    8: _rt_Image.Transpose.ROTATE_90,
}
_rt_shards: dict[str, _rt_Any] = {}  # the shard in memory, for all rounds of this process


def rt_train_model(model: _rt_Any, env: dict[str, _rt_Any], out_dir: str, logger: _rt_Any) -> dict[str, _rt_Any]:
    """Trains on the site's training samples with Adam; the same site, round and epoch always shuffle alike."""
    shard, epochs = _rt_load_shard(env), env["local_epochs"]
    optimizer = _rt_torch.optim.Adam(model.parameters(), lr=env["learning_rate"])
    model.train()
    metrics: dict[str, _rt_Any] = {}
    for epoch in _rt_py.range(epochs):
        seed = _rt_seed(f"{env['SITE_NAME']} {env['CURRENT_ROUND']} {epoch}")
        _rt_torch.manual_seed(seed)  # for dropout
        order = _rt_torch.randperm(len(shard.train), generator=_rt_torch.Generator().manual_seed(seed)).tolist()
        metrics = _rt_pass(model, shard, [shard.train[i] for i in order], env, logger, "train", optimizer)
        logger.log_metric(metrics, step=env["CURRENT_ROUND"] * epochs + epoch)
    return {"weights": model.state_dict(), "samples": len(shard.train), **metrics}


def rt_validate_model(model: _rt_Any, env: dict[str, _rt_Any], out_dir: str, logger: _rt_Any) -> dict[str, _rt_Any]:
    """Loss and accuracy on the site's held-out samples; empty if the site has a single sample."""
    shard = _rt_load_shard(env)
    model.eval()
    with _rt_torch.no_grad():
        return _rt_pass(model, shard, shard.held_out, env, logger, "val") if shard.held_out else {}


def _rt_pass(
    model: _rt_Any,
    shard: _rt_Any,
    rows: "list[int]",
    env: dict[str, _rt_Any],
    logger: _rt_Any,
    stage: str,
    optimizer: _rt_Any = None,
) -> dict[str, _rt_Any]:
    """One pass over the rows; with an optimizer it trains. Returns mean loss and accuracy."""
    loss_sum = right_sum = 0.0
    multi_label = env.get("multi_label") or shard.multi_label
    size = env["img_size"]
    batches = _rt_batches(rows, env["batch_size"])
    largest = _rt_py.max(len(batch) for batch in batches)
    buffer = _rt_torch.empty((largest, 3, size, size), device=env["DEVICE"])
    for batch in batches:
        logger.check_task_abort()
        logits = _rt_logits(model, shard.load(batch, buffer[: len(batch)]))
        samples = [shard.samples[row] for row in batch]
        _rt_check_labels(samples, logits.shape[1], env["num_classes"])
        loss, right = (_rt_multi_label if multi_label else _rt_single_label)(logits, [labels for _, _, labels in samples])
        if optimizer is not None:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        loss_sum += loss.item() * len(batch)
        right_sum += right.item()
    return {f"{stage}_loss": loss_sum / len(rows), f"{stage}_accuracy": right_sum / len(rows)}


def _rt_batches(rows: "list[int]", size: "int") -> "list[list[int]]":
    batches = [rows[start : start + size] for start in _rt_py.range(0, len(rows), size)]
    if size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
        last = batches.pop()  # BatchNorm cannot train on a batch of one
        batches[-1] = batches[-1] + last
    return batches


def _rt_logits(model: _rt_Any, images: _rt_Any) -> _rt_Any:
    shape = tuple(images.shape)
    try:
        logits = model(images)
    except _rt_torch.cuda.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError) as exc:
        raise RuntimeError(
            f"the model failed on images of the shape {shape}, which is (B, 3, img_size, img_size): {exc}"
        ) from exc
    if not isinstance(logits, _rt_torch.Tensor) or logits.ndim != 2 or len(logits) != shape[0]:
        what = f"shape {tuple(logits.shape)}" if isinstance(logits, _rt_torch.Tensor) else f"type {type(logits).__name__}"
        raise ValueError(f"the model must return logits of the shape (B, classes), here ({shape[0]}, ...); it returned {what}")
    return logits


def _rt_check_labels(samples: list[_rt_Any], width: "int", num_classes: "int") -> None:
    if width < num_classes:
        raise ValueError(f"the model returns {width} logits, but num_classes is {num_classes}")
    for name, _, labels in samples:
        for label in labels:
            if label >= width:
                raise ValueError(
                    f"sample {name!r} has the label {label}, but the model returns {width} logits (0 to {width - 1})"
                )


def _rt_single_label(logits: _rt_Any, labels: list[_rt_Any]) -> tuple[_rt_Any, _rt_Any]:
    target = _rt_torch.tensor([label for (label,) in labels], device=logits.device)
    return _rt_torch.nn.functional.cross_entropy(logits, target), (logits.argmax(1) == target).sum()


def _rt_multi_label(logits: _rt_Any, labels: list[_rt_Any]) -> tuple[_rt_Any, _rt_Any]:
    target = _rt_torch.zeros_like(logits)
    for row, present in enumerate(labels):
        target[row, present] = 1.0
    loss = _rt_torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
    return loss, ((logits > 0) == (target > 0)).float().mean(1).sum()


def _rt_seed(text: str) -> "int":
    return _rt_py.int.from_bytes(_rt_hashlib.sha256(text.encode()).digest()[:6], "big")


def _rt_load_shard(env: dict[str, _rt_Any]) -> _rt_Any:
    manifest = _rt_os.path.join(env["DATA_ROOT"], env["manifest_file"])
    if not _rt_os.path.isfile(manifest):
        raise FileNotFoundError(f"there is no {env['manifest_file']} at the root of the shard ({env['DATA_ROOT']})")
    stat = _rt_os.stat(manifest)
    key = f"{manifest} {stat.st_mtime_ns} {stat.st_size} {env['img_size']}"
    if key not in _rt_shards:
        _rt_shards.clear()
        _rt_shards[key] = _rt_Shard(env["DATA_ROOT"], env["manifest_file"], env["img_size"])
    return _rt_shards[key]


class _rt_Shard:
    """The samples of one site. Every image is decoded once, when it is first needed, unless all are too many for the memory."""

    def __init__(self, root: str, manifest: str, size: "int") -> None:
        self.samples = _rt_read_manifest(root, manifest)
        self.multi_label = not _rt_py.all(len(labels) == 1 for _, _, labels in self.samples)
        self.train, self.held_out = _rt_split([name for name, _, _ in self.samples])
        self._root = _rt_os.path.realpath(root)
        self._size = size
        shape = (len(self.samples), 3, size, size)
        self._decoded: set[int] = set()
        self._cache = _rt_numpy.empty(shape, "uint8") if _rt_numpy.prod(shape) <= _rt_MAX_CACHE else None

    def load(self, rows: "list[int]", buffer: _rt_Any) -> _rt_Any:
        """Fills the buffer, float32 (B, 3, size, size), with the normalised images of the rows."""
        if self._cache is None:
            pixels = _rt_numpy.stack([self._decode(row) for row in rows])
        else:
            for row in rows:
                if row not in self._decoded:
                    self._cache[row] = self._decode(row)
                    self._decoded.add(row)
            pixels = self._cache[rows]
        return _rt_normalise(pixels, buffer)

    def _decode(self, row: "int") -> _rt_Any:
        name, member, _ = self.samples[row]
        path = _rt_os.path.realpath(_rt_os.path.join(self._root, member))
        if not path.startswith(self._root + _rt_os.sep):
            raise ValueError(f"sample {name!r}: {member} is a link to a place outside the shard")
        try:
            return _rt_decode(path, self._size)
        except Exception as exc:
            raise ValueError(f"sample {name!r}: {member} is no usable image: {exc}") from exc


def _rt_normalise(pixels: _rt_Any, buffer: _rt_Any) -> _rt_Any:
    """Fills the buffer with the pixels of a batch, scaled and normalised."""
    mean = _rt_torch.tensor(_rt_MEAN, device=buffer.device).view(3, 1, 1)
    std = _rt_torch.tensor(_rt_STD, device=buffer.device).view(3, 1, 1)
    return buffer.copy_(_rt_torch.from_numpy(pixels)).mul_(1 / (255 * std)).sub_(mean / std)


def _rt_split(names: list[str]) -> "tuple[list[int], list[int]]":
    """Rows to train on and rows held out; a sample is in the same part in every round."""
    place = [_rt_seed(name) / 2**48 for name in names]
    order = sorted(_rt_py.range(len(names)), key=place.__getitem__)
    count = len([value for value in place if value < _rt_HELD_OUT])
    count = _rt_py.min(_rt_py.max(count, 1), len(names) - 1)
    return sorted(order[count:]), sorted(order[:count])


def _rt_read_manifest(root: str, manifest: str) -> list[_rt_Any]:
    """The samples as (id, path in the shard, labels)."""
    samples, names = [], set()
    with open(_rt_os.path.join(root, manifest), encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                name, member, labels = _rt_sample(_rt_json.loads(line))
                if name in names:
                    raise ValueError(f"the id {name!r} is there twice")
            except (ValueError, RecursionError) as exc:
                raise ValueError(f"{manifest}, line {number}: {exc}") from exc
            names.add(name)
            samples.append((name, member, labels))
    if not samples:
        raise ValueError(f"{manifest} has no samples")
    return samples


def _rt_sample(entry: _rt_Any) -> tuple[str, str, list[_rt_Any]]:
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or not entry["id"]:
        raise ValueError("not an object with an `id` that is a text")
    y = entry.get("y")
    labels = y if isinstance(y, list) else [y]
    for label in labels:
        if not isinstance(label, _rt_py.int) or label is True or label is False or label < 0:
            raise ValueError(f"sample {entry['id']!r}: y must be a label, 0 or above, or a list of labels; it is {y!r}")
    return entry["id"], _rt_member(entry.get("uri")), labels


def _rt_member(uri: _rt_Any) -> str:
    """The path in the shard that a uri means; ValueError for whatever could mean a place outside it."""
    if not isinstance(uri, str) or not uri:
        raise ValueError("`uri` is missing")
    if uri.lower().startswith(("http://", "https://")):
        raise ValueError(f"{uri[:200]!r}: downloading images is switched off; put the image into the shard")
    path = uri[7:] if uri.startswith("file://") else uri
    parts = path.split("/")
    if not path.isprintable() or ".." in parts or path[:1] in ("/", "") or _rt_py.any(mark in path for mark in "\\%:"):
        raise ValueError(f"{uri[:200]!r} is no path inside the shard, such as images/a.png")
    return path


def _rt_decode(path: _rt_Any, size: "int") -> _rt_Any:
    """One image file, by path or open, as uint8 (3, size, size)."""
    with _rt_warnings.catch_warnings():
        _rt_warnings.simplefilter("error", _rt_Image.DecompressionBombWarning)
        image = _rt_Image.open(path, formats=("JPEG", "PNG"))
    with image:
        if image.width * image.height > _rt_MAX_PIXELS:
            raise ValueError(f"it has {image.width} x {image.height} pixels; the limit is {_rt_MAX_PIXELS}")
        turn = _rt_TURN.get(image.getexif().get(0x0112, 1))
        image.draft(None, (size, size))  # lets the JPEG decoder skip detail that is resized away
        if image.mode.startswith("I"):
            pixels = _rt_Image.fromarray((_rt_numpy.asarray(image) // 256).astype("uint8"))
        else:
            pixels = image if image.mode in ("RGB", "L") else image.convert("RGB")
        pixels = pixels.resize((size, size), _rt_Image.Resampling.BILINEAR, reducing_gap=2.0)
    if turn is not None:
        pixels = pixels.transpose(turn)
    array = _rt_numpy.asarray(pixels)
    return _rt_numpy.broadcast_to(array, (3, size, size)) if array.ndim == 2 else array.transpose(2, 0, 1)
