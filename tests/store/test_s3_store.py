"""What is particular to a store in an S3 bucket."""

from __future__ import annotations

import logging
import pickle
import socket
import threading
from pathlib import Path

import pytest
from boto3.s3.transfer import TransferConfig

from reson_jupyter.backend.store import Store, open_store, s3
from reson_jupyter.config import ResonTechConfig
from reson_jupyter.errors import ConfigError, NotFound, StoreError
from tests.servers import S3Endpoint, client_of, failing_server

from .conftest import use

SECRET = "canary-4f1e9b"


def connection(url: str, **changes: str) -> ResonTechConfig:
    keys = {"s3_access_key_id": "key", "s3_secret_access_key": SECRET, "s3_bucket": "bucket", "s3_region": "garage"}
    return ResonTechConfig(s3_endpoint=url, **{**keys, **changes})


def test_objects_lie_under_the_prefix_with_their_content_type(moto_http: S3Endpoint, s3_store: Store, tmp_path: Path) -> None:
    (tmp_path / "shard.zip").write_bytes(b"x" * (20 << 20))
    s3_store.put("configs/meta.json", b"{}", content_type="application/json")
    s3_store.put_file("shards/shard.zip", tmp_path / "shard.zip", content_type="application/zip")
    prefix = s3_store.url.removeprefix(f"s3://{moto_http.bucket}/")
    client = client_of(moto_http)
    types = {
        item["Key"]: client.head_object(Bucket=moto_http.bucket, Key=item["Key"])["ContentType"]
        for item in client.list_objects_v2(Bucket=moto_http.bucket, Prefix=prefix)["Contents"]
    }
    assert types == {f"{prefix}/configs/meta.json": "application/json", f"{prefix}/shards/shard.zip": "application/zip"}


@pytest.mark.parametrize("in_parts", [False, True])
def test_a_copy_is_made_by_the_server_and_a_large_one_in_parts(
    moto_http: S3Endpoint, s3_store: Store, monkeypatch: pytest.MonkeyPatch, in_parts: bool
) -> None:
    if in_parts:
        small = TransferConfig(multipart_threshold=6 << 20, multipart_chunksize=5 << 20, preferred_transfer_client="classic")
        monkeypatch.setattr(s3, "_COPY", small)
    data = bytes(range(256)) * (44 << 10)
    s3_store.put("shards/a.zip", data, content_type="application/zip")
    asked: list[str] = []
    client = vars(s3_store)["_client"]
    client.meta.events.register("before-send.s3.*", lambda event_name, **_: asked.append(event_name.rpartition(".")[2]))
    s3_store.copy("shards/a.zip", "again/a.zip")
    assert set(asked) == (
        {"HeadObject", "CreateMultipartUpload", "UploadPartCopy", "CompleteMultipartUpload"}
        if in_parts
        else {"HeadObject", "CopyObject"}
    ), "no byte comes here"
    assert s3_store.get("again/a.zip") == data


def test_a_bucket_without_a_prefix_is_a_store(moto_http: S3Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(f"s3://{moto_http.bucket}", use(moto_http, monkeypatch))
    store.put("at-the-root/a", b"x")
    assert client_of(moto_http).get_object(Bucket=moto_http.bucket, Key="at-the-root/a")["Body"].read() == b"x"
    assert [info.key for info in store.list("at-the-root/")] == ["at-the-root/a"]


def test_listing_goes_on_after_the_first_thousand(s3_store: Store) -> None:
    names = [f"{number:05d}" for number in range(1_005)]
    for name in names:
        s3_store.put(f"many/{name}", b"")
    assert [info.key for info in s3_store.list("many/")] == [f"many/{name}" for name in names]


@pytest.mark.parametrize(
    ("status", "code", "reason", "hint"),
    [
        (403, "AccessDenied", "denies access", "RESON_S3_KEY"),
        (403, "InvalidAccessKeyId", "does not know the access key", "RESON_S3_KEY"),
        (403, "SignatureDoesNotMatch", "does not belong to the access key", "RESON_S3_SECRET"),
        (404, "NoSuchBucket", "there is no bucket my-bucket", "RESON_S3_BUCKET"),
        (400, "AuthorizationHeaderMalformed", "another region", "RESON_S3_REGION"),
        (403, "RequestTimeTooSkewed", "clock", "Set the clock"),
        (400, "SomethingNew", "SomethingNew", "operator"),
    ],
)
def test_an_error_of_the_server_says_what_to_do(status: int, code: str, reason: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with failing_server(status, code) as url:
        store = open_store("s3://my-bucket", connection(url))
        for attempt in (
            lambda: store.put("a", b"x"),
            lambda: store.put_file("a", tmp_path / "file"),
            lambda: store.get("a"),
            lambda: store.get_if_changed("a", '"etag"'),
            lambda: list(store.list("")),
        ):
            with pytest.raises(StoreError, match=reason) as caught:
                attempt()
            assert not isinstance(caught.value, NotFound)
            assert caught.value.hint is not None and hint in caught.value.hint
            assert SECRET not in str(caught.value)


def test_denied_access_to_one_object_is_not_taken_for_a_missing_one() -> None:
    with failing_server(403, "AccessDenied") as url, pytest.raises(StoreError, match="denies access"):
        open_store("s3://my-bucket", connection(url)).stat("a")


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(StoreError, match=f"127.0.0.1:{port} cannot be reached") as caught:
        open_store("s3://my-bucket", connection(f"http://127.0.0.1:{port}")).get("a")
    assert caught.value.hint is not None and "RESON_S3_ENDPOINT" in caught.value.hint


def test_a_certificate_of_an_unknown_authority_is_refused_and_says_how_to_trust_it(
    moto_https: S3Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = use(moto_https, monkeypatch)
    monkeypatch.delenv("AWS_CA_BUNDLE")
    with pytest.raises(StoreError, match="certificate") as caught:
        open_store("s3://my-bucket", used).get("a")
    assert caught.value.hint is not None and "AWS_CA_BUNDLE" in caught.value.hint


def test_plain_http_to_another_machine_is_refused_before_any_request() -> None:
    with pytest.raises(ConfigError, match="use https"):
        connection("http://10.0.0.1:3900")


def test_without_keys_the_aws_configuration_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StoreError, match="no keys are set"):
        open_store("s3://my-bucket", ResonTechConfig(s3_endpoint="http://127.0.0.1:9")).get("a")


def test_the_secret_stays_out_of_texts_logs_and_copies(moto_http: S3Endpoint, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        store = open_store(f"s3://{moto_http.bucket}", connection(moto_http.url))
        store.put("secret-test/a", b"x")
    assert caplog.records
    assert SECRET not in caplog.text
    assert SECRET not in repr(store)
    assert SECRET not in repr(vars(store))
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(store)


@pytest.mark.parametrize("bucket", ["Bucket", "ab", "a_b", "-abc", "a" * 64])
def test_a_name_no_bucket_can_have_is_refused(bucket: str) -> None:
    with pytest.raises(StoreError, match="cannot be a bucket's name"):
        open_store(f"s3://{bucket}", connection("https://s3.example.org"))


def test_threads_share_one_store(s3_store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * (20 << 20))

    def work(number: int) -> None:
        s3_store.put(f"{number}/a", b"%d" % number)
        s3_store.put_file(f"{number}/b", tmp_path / "file")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(info.key, info.bytes) for info in s3_store.list("")] == [
        item for number in range(4) for item in ((f"{number}/a", 1), (f"{number}/b", 20 << 20))
    ]
