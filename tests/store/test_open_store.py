"""Which store a URL opens, and which one is used when nobody names one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reson_jupyter.backend.store import DirectoryStore, default_store_url, open_store
from reson_jupyter.config import ResonTechConfig
from reson_jupyter.errors import StoreError

KEYS = {"s3_access_key_id": "key", "s3_secret_access_key": "secret", "s3_bucket": "my-bucket"}


def test_a_file_url_opens_a_folder_even_with_spaces_and_accents(tmp_path: Path) -> None:
    store = open_store((tmp_path / "my störe #1").as_uri())
    assert isinstance(store, DirectoryStore)
    assert store.root == tmp_path / "my störe #1"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://my-bucket", "s3://my-bucket"),
        ("s3://my-bucket/", "s3://my-bucket"),
        ("s3://my-bucket/team/a/", "s3://my-bucket/team/a"),
    ],
)
def test_an_s3_url_opens_a_bucket_and_perhaps_a_prefix(url: str, shown: str) -> None:
    assert open_store(url, ResonTechConfig(s3_endpoint="http://127.0.0.1:9", **KEYS)).url == shown


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gs://bucket",
        "http://127.0.0.1",
        "s3://",
        "s3:bucket",
        "s3://key:secret@bucket",
        "s3://bucket?x=1",
        "s3://my-bucket/a/../b",
        "file://host/data",
        "file:",
        "file:relative",
        "file:///a%00b",
        "http://[",
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(StoreError):
        open_store(url, ResonTechConfig(s3_endpoint="http://127.0.0.1:9", **KEYS))


def test_a_path_instead_of_a_url_is_answered_with_the_url() -> None:
    with pytest.raises(StoreError) as caught:
        open_store("/data/my runs")
    assert caught.value.hint is not None and "file:///data/my%20runs" in caught.value.hint


def test_nobody_named_a_store_so_it_is_a_folder_under_home(tmp_path: Path) -> None:
    assert default_store_url(None, tmp_path) == default_store_url(ResonTechConfig(), tmp_path) == (tmp_path / "store").as_uri()


def test_a_bucket_with_keys_is_the_default_store(tmp_path: Path) -> None:
    assert default_store_url(ResonTechConfig(**KEYS), tmp_path) == "s3://my-bucket"


def test_the_environment_names_the_store_before_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESON_STORE", "file:///elsewhere")
    assert default_store_url(ResonTechConfig(**KEYS), tmp_path) == "file:///elsewhere"


def test_a_folder_store_does_not_wait_for_boto3(tmp_path: Path) -> None:
    code = "import sys; from reson_jupyter.backend import store; store.open_store(sys.argv[1]); sys.exit('boto3' in sys.modules)"
    subprocess.run([sys.executable, "-c", code, tmp_path.as_uri()], check=True, cwd=Path(__file__).parents[2])
