"""The adapter decodes each image once for all rounds, processes and runs, ahead of the training, and augments on request."""

from __future__ import annotations

import ast
import builtins
import contextlib
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import reson_jupyter.worker
from reson_jupyter.worker import ADAPTER, adapter, source
from reson_jupyter.worker import shard as shard_module
from tests.patience import wait_for

from .images import Net, Quiet, entries_of, make_noisy

DIGEST = "0f" * 32


@pytest.fixture
def known(shard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The env of a run on a shard of 12 images whose digest is known, on a machine with a cache for all runs."""
    data = tmp_path / "data"
    (data / "site-1").mkdir(parents=True)
    env: dict[str, Any] = shard(
        entries_of(data / "site-1", 12), DATA_ROOT=str(data / "site-1"), STATE_DIR=str(tmp_path / "state")
    )
    (tmp_path / "manifest.ndjson").rename(data / "site-1" / "manifest.ndjson")
    (data / "site-1.sha256").write_text(DIGEST + "\n")
    monkeypatch.setenv("RESON_CACHE", str(tmp_path / "cache"))
    return env


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What has been decoded, in a list that grows."""
    found: list[Any] = []
    genuine = shard_module._rt_decode
    monkeypatch.setattr(shard_module, "_rt_decode", lambda file, *options: found.append(file) or genuine(file, *options))
    return found


def run(env: dict[str, Any]) -> list[str]:
    """Validates and trains in what might be a new process; returns what is said of the cache."""
    shard_module._rt_shards.clear()
    logger = Quiet()
    adapter.rt_validate_model(Net(), env, "", logger)
    adapter.rt_train_model(Net(), env, "", logger)
    return logger.lines


def cached(env: dict[str, Any]) -> list[str]:
    return sorted(path.name for path in Path(env["STATE_DIR"]).parent.glob("cache/*"))


# The cache


def test_a_shard_is_decoded_once_for_all_runs_and_the_log_says_how_large_that_is(
    known: dict[str, Any], decoded: list[Any]
) -> None:
    assert run(known) == ["image cache: 0.0 MB for 12 images, written"]
    assert len(decoded) == len(set(decoded)) == 12
    assert run(known) == run(known | {"CURRENT_ROUND": 1}) == ["image cache: 0.0 MB for 12 images, reused"]
    assert len(decoded) == 12
    (name,) = cached(known)
    assert name.startswith(f"{DIGEST}-8-") and name.endswith(".u8") and not Path(known["STATE_DIR"]).exists()


def test_without_a_place_for_all_runs_the_cache_lies_with_the_run(
    known: dict[str, Any], decoded: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RESON_CACHE")
    run(known)
    run(known)
    assert len(decoded) == 12 and cached(known) == []
    (name,) = [path.name for path in Path(known["STATE_DIR"], "images").iterdir()]
    assert name.startswith(f"{DIGEST}-8-")


@pytest.mark.parametrize("sidecar", [None, "", "no digest", DIGEST.upper(), f"{DIGEST}0", "../" * 20])
def test_a_shard_whose_digest_is_not_known_leaves_nothing_behind(
    known: dict[str, Any], decoded: list[Any], sidecar: str | None
) -> None:
    path = Path(known["DATA_ROOT"] + ".sha256")
    path.unlink() if sidecar is None else path.write_text(sidecar)
    assert run(known) == ["image cache: 0.0 MB for 12 images, written for this process only"]
    assert run(known) == ["image cache: 0.0 MB for 12 images, written for this process only"]
    assert len(decoded) == 24 and cached(known) == []
    assert [path for path in Path(known["STATE_DIR"]).rglob("*") if path.is_file()] == []


def test_whatever_changes_the_pixels_has_a_cache_of_its_own(
    known: dict[str, Any], decoded: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(known["DATA_ROOT"])
    (root / "few.ndjson").write_text("".join((root / "manifest.ndjson").read_text().splitlines(keepends=True)[:6]))
    for changes, count in (({}, 12), ({"img_size": 9}, 12), ({"exact_pixels": True}, 12), ({"manifest_file": "few.ndjson"}, 6)):
        before = len(decoded)
        run(known | changes)
        run(known | changes)
        assert len(decoded) == before + count
    monkeypatch.setattr(shard_module, "_rt_READING", "another Pillow")
    run(known)
    Path(f"{root}.sha256").write_text("ab" * 32)
    run(known)
    assert len(decoded) == 12 + 12 + 12 + 6 + 12 + 12
    assert Counter(name[:64] for name in cached(known)) == {DIGEST: 5, "ab" * 32: 1}
    assert len([name for name in cached(known) if name.startswith(f"{DIGEST}-8-exact-")]) == 1


def test_a_damaged_image_is_decoded_anew_and_trains_as_before(known: dict[str, Any], decoded: list[Any]) -> None:
    before = adapter.rt_train_model(Net(), known, "", Quiet())["weights"]
    run(known)
    (name,) = cached(known)
    with Path(known["STATE_DIR"]).with_name("cache").joinpath(name).open("r+b") as file:
        file.write(bytes(100))
    shard_module._rt_shards.clear()
    decoded.clear()
    logger = Quiet()
    after = adapter.rt_train_model(Net(), known, "", logger)["weights"]
    adapter.rt_validate_model(Net(), known, "", logger)
    assert len(decoded) == 1 and all(torch.equal(before[key], after[key]) for key in before)
    assert "image cache: some images in the file were damaged and are decoded anew" in logger.lines


def test_a_machine_without_room_says_so_and_decodes_each_time(
    known: dict[str, Any], decoded: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESON_CACHE_BYTES", "100")
    (line,) = run(known)
    assert line.startswith("image cache: none, as it takes 0.0 MB of 0.0 MB for all caches (RESON_CACHE_BYTES); images are dec")
    assert len(decoded) == 12 and cached(known) == []
    run(known)
    assert len(decoded) == 24


# Ahead of the training


@pytest.fixture
def blocked(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Has the decoding of every image wait."""
    gate, genuine = threading.Event(), shard_module._rt_decode
    monkeypatch.setattr(shard_module, "_rt_decode", lambda *options: gate.wait(20) and genuine(*options))
    yield gate
    gate.set()
    wait_for(lambda: not decoding())


def decoding() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("rt-images")]


def test_an_abort_is_obeyed_while_an_image_is_waited_for_and_the_threads_end(known: dict[str, Any], blocked: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        adapter.rt_train_model(Net(), known | {"local_epochs": 100}, "", Quiet(checks=1))
    assert not blocked.is_set() and decoding()
    blocked.set()
    wait_for(lambda: not decoding())


def test_only_so_many_batches_are_decoded_ahead(known: dict[str, Any], decoded: list[Any]) -> None:
    data = shard_module._rt_load_shard(known)
    batches = [[row, row + 1] for row in range(0, 12, 2)]
    with contextlib.closing(data.batches(batches, torch.empty(2, 3, 8, 8), lambda: None)) as loaded:
        for number in range(1, 5):
            next(loaded)
            wait_for(lambda number=number: len(decoded) == 2 * (number + 2))
    wait_for(lambda: not decoding())
    assert len(decoded) == 12


def test_no_thread_is_started_when_all_images_are_at_hand(known: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    run(known)
    wait_for(lambda: not decoding())
    data = next(iter(shard_module._rt_shards.values()))
    with contextlib.closing(data.batches([[0, 1], [2, 3]], torch.empty(2, 3, 8, 8), lambda: None)) as loaded:
        for _ in loaded:
            assert not decoding()


def test_the_failure_of_an_image_is_raised_in_its_turn_and_names_it(known: dict[str, Any]) -> None:
    Path(known["DATA_ROOT"], "images", "5.png").write_text("no image")
    data = shard_module._rt_load_shard(known)
    with contextlib.closing(data.batches([[0, 1], [4, 5], [6]], torch.empty(2, 3, 8, 8), lambda: None)) as loaded:
        assert next(loaded).shape == (2, 3, 8, 8)
        with pytest.raises(ValueError, match=r"sample 's5': images/5.png is no usable image: cannot identify image file"):
            next(loaded)
    wait_for(lambda: not decoding())


def test_a_batch_has_its_rows_images_in_order_however_they_come(known: dict[str, Any]) -> None:
    data = shard_module._rt_load_shard(known | {"img_size": 12})
    rows, random = list(range(12)), np.random.default_rng(0)
    for _ in range(4):
        random.shuffle(rows)
        batches = [rows[start : start + 5] for start in range(0, 12, 5)]
        expected = [shard_module._rt_decode(Path(data._root, data.samples[row][1]), 12) for row in rows]
        with contextlib.closing(data.batches(batches, torch.empty(5, 3, 12, 12), lambda: None)) as loaded:
            seen = torch.cat([images.clone() for images in loaded])
        assert torch.equal(seen, shard_module._rt_normalise(expected, torch.empty(12, 3, 12, 12)))


# Augmentation


def test_augmented_training_is_reproducible_differs_from_plain_and_leaves_validation_alone(known: dict[str, Any]) -> None:
    env = known | {"img_size": 32}
    make_noisy(Path(env["DATA_ROOT"]))

    def train(**changes: Any) -> torch.Tensor:
        return adapter.rt_train_model(Net(), env | changes, "", Quiet())["weights"]["head.weight"]

    augmented = train(augment=True)
    assert torch.equal(augmented, train(augment=True))
    assert not torch.equal(augmented, train())
    assert not torch.equal(augmented, train(augment=True, CURRENT_ROUND=1))
    assert not torch.equal(augmented, train(augment=True, SITE_NAME="site-2"))
    plain, changed = (adapter.rt_validate_model(Net(), env | {"augment": on}, "", Quiet()) for on in (False, True))
    assert plain == changed != {}


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 50), count=st.integers(1, 6), seed=st.integers(0, 2**32))
def test_an_augmented_image_is_mirrored_or_not_and_shifted_by_a_sixteenth_at_most(size: int, count: int, seed: int) -> None:
    images = torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))
    changed = adapter._rt_augment(images, torch.Generator().manual_seed(seed))
    most = size // 16
    for before, after in zip(images, changed, strict=True):
        padded = torch.nn.functional.pad(before[None], (most,) * 4, mode="replicate")[0] if most else before
        shifted = [
            padded[:, down : down + size, right : right + size] for down in range(2 * most + 1) for right in range(2 * most + 1)
        ]
        assert any(torch.equal(after, one) or torch.equal(after, one.flip(2)) for one in shifted)


def test_augmentation_does_both_and_each_image_its_own() -> None:
    images = torch.arange(64.0).expand(200, 3, 64, 64)
    changed = adapter._rt_augment(images, torch.Generator().manual_seed(0))
    mirrored = changed[:, 0, 0, 0] > changed[:, 0, 0, -1]
    assert 70 < mirrored.sum() < 130
    shifts = (changed[:, 0, 0, 32] - torch.where(mirrored, 31, 32)).unique().tolist()
    assert shifts == list(range(-4, 5))


# As one text below the user's model


def top_level(tree: ast.Module) -> set[str]:
    """The names that a module defines, not those that it imports."""
    defined = [node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    tops = {id(child) for node in tree.body if isinstance(node, (ast.Assign, ast.AnnAssign)) for child in ast.walk(node)}
    return {*defined, *(node.id for node in assigned if id(node) in tops and node.col_offset == 0)}


def test_no_file_uses_another_name_than_its_own_and_those_of_the_files_before_it() -> None:
    seen: set[str] = set()
    for file in ADAPTER:
        assert "from ." not in source(file)
        own = top_level(ast.parse(source(file)))
        assert not own & seen, "two files must not define the same name"
        assert {name for name in own if not name.startswith("_rt_")} <= {"rt_train_model", "rt_validate_model"}
        genuine = ast.parse(Path(reson_jupyter.worker.__file__).with_name(f"{file}.py").read_text())
        siblings = [node for node in ast.walk(genuine) if isinstance(node, ast.ImportFrom) and node.level]
        assert all(alias.name in seen and alias.asname is None for node in siblings for alias in node.names)
        seen |= own


def test_every_import_has_a_name_of_ours_and_the_same_one_in_all_files() -> None:
    meanings: dict[str, set[str]] = {}
    for file in ADAPTER:
        for node in ast.walk(ast.parse(source(file))):
            for alias in node.names if isinstance(node, (ast.Import, ast.ImportFrom)) else []:
                assert alias.asname and alias.asname.startswith("_rt_"), f"{file}: {alias.name}"
                meanings.setdefault(alias.asname, set()).add(f"{getattr(node, 'module', '')}.{alias.name}")
    assert {name: found for name, found in meanings.items() if len(found) > 1} == {}


def test_no_file_uses_a_builtin_that_a_star_import_replaces() -> None:
    replaced = {*torch.__all__, *np.__all__} & set(dir(builtins))
    for file in ADAPTER:
        tree = ast.parse(source(file))
        hints = {id(child) for node in ast.walk(tree) for hint in hints_of(node) for child in ast.walk(hint)}
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in hints}
        assert not used & replaced, file


def hints_of(node: ast.AST) -> list[ast.AST]:
    return [
        hint for hint in (getattr(node, "annotation", None), getattr(node, "returns", None)) if isinstance(hint, ast.Constant)
    ]
