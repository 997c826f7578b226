"""Trains and validates an image classifier on a site's shard, for a user who gave only the model.

Images are read as decode.py says, resized to img_size x img_size, scaled to [0, 1] and normalised with ImageNet's mean and
standard deviation. They are decoded once and kept by image_cache.py. With exact_pixels=True they are, bit for bit, those of the
plain way to read them; else they are close to it, and sooner there. With augment=True each training image is mirrored or not, and
shifted by up to a sixteenth of its size, anew in every epoch.

If every sample has one label, the loss is cross entropy and accuracy counts samples; else (or with multi_label=True, which sites
that by chance have only single labels need) it is binary cross entropy and accuracy counts labels. About a tenth of the samples,
chosen by a hash of their id, is never trained on and validates the incoming global model.

This file and those that it needs travel to the sites below the user's model, as one text. So that neither disturbs the other,
every name at their top level but the two functions' starts with `_rt_`, and they use no builtin that `from torch import *`
replaces. What they import from each other goes by the same name in all of them.
"""

import builtins as _rt_py
import contextlib as _rt_contextlib
from typing import Any as _rt_Any

import torch as _rt_torch

from .shard import _rt_load_shard, _rt_seed


def rt_train_model(model: _rt_Any, env: dict[str, _rt_Any], out_dir: str, logger: _rt_Any) -> dict[str, _rt_Any]:
    """Trains on the site's training samples with Adam; the same site, round and epoch always shuffle alike."""
    shard, epochs = _rt_load_shard(env), env["local_epochs"]
    optimizer = _rt_torch.optim.Adam(model.parameters(), lr=env["learning_rate"])
    model.train()
    metrics: dict[str, _rt_Any] = {}
    for epoch in _rt_py.range(epochs):
        seed = _rt_seed(f"{env['SITE_NAME']} {env['CURRENT_ROUND']} {epoch}")
        _rt_torch.manual_seed(seed)  # for dropout
        random = _rt_torch.Generator().manual_seed(seed)
        order = _rt_torch.randperm(len(shard.train), generator=random).tolist()
        metrics = _rt_pass(model, shard, [shard.train[i] for i in order], env, logger, "train", optimizer, random)
        _rt_tell(shard, logger)
        logger.log_metric(metrics, step=env["CURRENT_ROUND"] * epochs + epoch)
    return {"weights": model.state_dict(), "samples": len(shard.train), **metrics}


def rt_validate_model(model: _rt_Any, env: dict[str, _rt_Any], out_dir: str, logger: _rt_Any) -> dict[str, _rt_Any]:
    """Loss and accuracy on the site's held-out samples; empty if the site has a single sample."""
    shard = _rt_load_shard(env)
    model.eval()
    if not shard.held_out:
        return {}
    with _rt_torch.no_grad():
        metrics = _rt_pass(model, shard, shard.held_out, env, logger, "val")
    _rt_tell(shard, logger)
    return metrics


def _rt_pass(
    model: _rt_Any,
    shard: _rt_Any,
    rows: "list[int]",
    env: dict[str, _rt_Any],
    logger: _rt_Any,
    stage: str,
    optimizer: _rt_Any = None,
    random: _rt_Any = None,
) -> dict[str, _rt_Any]:
    """One pass over the rows; with an optimizer it trains, on images changed by `random` if env asks for that.

    Returns mean loss and accuracy.
    """
    loss_sum = right_sum = 0.0
    multi_label = env.get("multi_label") or shard.multi_label
    size = env["img_size"]
    batches = _rt_batches(rows, env["batch_size"])
    largest = _rt_py.max(len(batch) for batch in batches)
    buffer = _rt_torch.empty((largest, 3, size, size), device=env["DEVICE"])
    with _rt_contextlib.closing(shard.batches(batches, buffer, logger.check_task_abort)) as loaded:
        for batch, images in _rt_py.zip(batches, loaded, strict=True):
            logger.check_task_abort()
            changed = _rt_augment(images, random) if random is not None and env.get("augment") else images
            logits = _rt_logits(model, changed)
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


def _rt_tell(shard: _rt_Any, logger: _rt_Any) -> None:
    while shard.news:
        logger.info(shard.news.pop(0))


def _rt_batches(rows: "list[int]", size: "int") -> "list[list[int]]":
    batches = [rows[start : start + size] for start in _rt_py.range(0, len(rows), size)]
    if size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
        last = batches.pop()  # BatchNorm cannot train on a batch of one
        batches[-1] = batches[-1] + last
    return batches


def _rt_augment(images: _rt_Any, random: _rt_Any) -> _rt_Any:
    """Images (B, 3, size, size) of which each is mirrored or not, and shifted in both directions; its edge fills what is free."""
    count, _, _, size = images.shape
    mirrored = _rt_torch.randint(2, (count, 1), generator=random) == 1
    shifts = _rt_torch.randint(-(size // 16), size // 16 + 1, (2, count, 1), generator=random)
    down, right = (_rt_torch.arange(size) - shifts).clamp(0, size - 1)  # where each line, each column comes from
    right = _rt_torch.where(mirrored, size - 1 - right, right)
    down, right = down.to(images.device)[:, None, :, None], right.to(images.device)[:, None, None, :]
    return images.gather(2, down.expand_as(images)).gather(3, right.expand_as(images))


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
