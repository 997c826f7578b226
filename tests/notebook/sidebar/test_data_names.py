"""What shards are called is told so that a page shows all of it: no mark turns a line around, none begins a new one."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

from PIL import Image

from reson_jupyter.session import Session

from .fake_page import FakePage


def write_shard(path: Path, label: int, called: str, colour: int) -> None:
    image = io.BytesIO()
    Image.new("RGB", (12, 12), (colour, 0, 0)).save(image, "PNG")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.png", image.getvalue())
        line = {"id": path.stem, "uri": "file://1.png", "y": [label], "meta": {"class": called}}
        archive.writestr("manifest.ndjson", json.dumps(line))


def test_marks_in_the_names_of_shards_are_escaped_in_the_list_and_in_warnings(
    page: FakePage, session: Session, tmp_path: Path
) -> None:
    write_shard(tmp_path / "a\u202egnp.zip", 0, "cat", 1)
    write_shard(tmp_path / "b\nhidden.zip", 0, "dog", 2)
    session.configure(shards_dir=str(tmp_path))
    page.ask("check_shards")
    data = page.seen["data"]
    assert [shard["name"] for shard in data["shards"]] == ["a\\u202egnp.zip", "b\\nhidden.zip"]
    warning = data["warnings"][0]
    assert warning.startswith("label 0 is the class 'cat' in a\\u202egnp.zip, but 'dog' in b\\nhidden.zip;")
