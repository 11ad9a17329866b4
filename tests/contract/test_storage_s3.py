"""What a bucket promises beside what every storage does: addresses that anybody can use, few requests, no secret anywhere."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx2
import obstore
import pytest
from obstore.exceptions import GenericError

from planar.files.storage import s3
from planar.files.storage.errors import StorageFailed, StoredFileExists, StoredFileNotFound
from planar.files.storage.s3 import S3Storage
from tests.contract.storage_world import KEYS, MIB, InBucket, InObstore, chunks, content, digest, listed

pytestmark = pytest.mark.anyio

NO_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@pytest.fixture
async def bucket(s3_address: str) -> AsyncIterator[InBucket]:
    opened = InBucket(s3_address)
    yield opened
    await opened.close()


@pytest.fixture
async def anybody() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient() as client:
        yield client


def requests_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the server says that it was asked, as ``PUT /bucket/key?...``."""
    lines = [record.getMessage() for record in caplog.records if record.name == "werkzeug"]
    return [line.split('"')[1].replace("\x1b[35m\x1b[1m", "").rsplit(" HTTP", 1)[0] for line in lines]


async def test_anybody_can_download_by_a_signed_address(bucket: InBucket, anybody: httpx2.AsyncClient) -> None:
    ref = await bucket.storage.put_bytes(b"content", "text/html")
    plain = await bucket.storage.download_url(ref, ttl_seconds=60)
    assert plain is not None
    answer = await anybody.get(plain)
    assert (answer.status_code, answer.content) == (200, b"content")
    named = await bucket.storage.download_url(ref, ttl_seconds=60, filename='Größe "1".pdf', content_type="application/pdf")
    assert named is not None
    answer = await anybody.get(named)
    assert answer.content == b"content"
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == "attachment; filename=\"Gr__e _1_.pdf\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20_1_.pdf"


async def test_anybody_can_upload_by_a_signed_address(bucket: InBucket, anybody: httpx2.AsyncClient) -> None:
    ref = str(uuid4())
    address = await bucket.storage.upload_url(ref, ttl_seconds=60, content_type="image/png")
    assert address is not None
    assert "X-Amz-SignedHeaders=content-type%3Bhost" in address
    assert (await anybody.put(address, content=b"pixels", headers={"content-type": "image/png"})).status_code == 200
    assert await bucket.storage.get_bytes(ref) == (b"pixels", "image/png")


async def test_an_upload_address_is_signed_for_the_size_that_was_announced(bucket: InBucket, anybody: httpx2.AsyncClient) -> None:
    ref = str(uuid4())
    address = await bucket.storage.upload_url(ref, ttl_seconds=60, content_type="image/png", size=6)
    assert address is not None
    assert "X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost" in address
    assert (await anybody.put(address, content=b"pixels", headers={"content-type": "image/png"})).status_code == 200
    assert await bucket.storage.get_bytes(ref) == (b"pixels", "image/png")
    unlike = await bucket.storage.upload_url(ref, ttl_seconds=60, content_type="image/png", size=7)
    assert unlike is not None
    assert unlike.rpartition("=")[2] != address.rpartition("=")[2]


async def test_the_address_for_applications_lives_as_long_as_configured(s3_address: str) -> None:
    storage = S3Storage("bucket", "us-east-1", s3_address, **KEYS, presigned_url_ttl=17)
    assert "X-Amz-Expires=17&" in (await storage.external_url(str(uuid4())) or "")


@pytest.mark.parametrize("ttl", [0, -1, 7 * 24 * 3600 + 1])
async def test_no_address_lives_for_longer_than_the_service_allows(bucket: InBucket, ttl: int) -> None:
    with pytest.raises(ValueError, match="1 to 604800 seconds"):
        await bucket.storage.download_url(str(uuid4()), ttl_seconds=ttl)
    with pytest.raises(ValueError, match="1 to 604800 seconds"):
        await bucket.storage.upload_url(str(uuid4()), ttl_seconds=ttl)
    with pytest.raises(ValueError, match="1 to 604800 seconds"):
        S3Storage("bucket", presigned_url_ttl=ttl)


@pytest.mark.parametrize("ref", ["../x", "a/b", ""])
async def test_addresses_are_signed_for_references_only(bucket: InBucket, ref: str) -> None:
    for attempt in (bucket.storage.download_url(ref, ttl_seconds=1), bucket.storage.upload_url(ref, ttl_seconds=1)):
        with pytest.raises(ValueError, match="is a UUID"):
            await attempt


async def test_by_a_role_nothing_is_signed_with_a_name_and_nothing_swept(
    bucket: InBucket, s3_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NO_KEYS:
        monkeypatch.delenv(name, raising=False)
    storage = S3Storage(bucket.bucket, "us-east-1", s3_address)
    bucket.abandon()
    assert await storage.download_url(str(uuid4()), ttl_seconds=60, filename="a.txt") is None
    assert await storage.sweep(datetime.now(UTC)) == 0
    assert len(bucket.leftovers()) == 1


async def test_the_environment_may_have_the_keys(s3_address: str, bucket: InBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(NO_KEYS, (KEYS["access_key_id"], KEYS["secret_access_key"], "a/token="), strict=True):
        monkeypatch.setenv(name, value)
    storage = S3Storage(bucket.bucket, endpoint_url=s3_address)
    ref = await storage.put_bytes(b"x")
    address = await storage.download_url(ref, ttl_seconds=60, filename="a.txt") or ""
    assert "X-Amz-Security-Token=a%2Ftoken%3D&" in address


async def test_a_small_file_is_one_request_each_way(bucket: InBucket, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "werkzeug"):
        ref = await bucket.storage.put_bytes(b"x" * MIB, "text/plain")
        await bucket.storage.get_bytes(ref)
    assert [request.split()[0] for request in requests_in(caplog)[-2:]] == ["PUT", "GET"]
    assert len([request for request in requests_in(caplog) if ref in request]) == 2


async def test_a_large_file_under_a_taken_reference_is_refused_before_a_part_is_sent(
    bucket: InBucket, caplog: pytest.LogCaptureFixture
) -> None:
    ref = await bucket.storage.put_bytes(b"first")
    with caplog.at_level(logging.INFO, "werkzeug"), pytest.raises(StoredFileExists):
        await bucket.storage.write(chunks(b"x" * (20 * MIB)), ref=ref)
    assert not [request for request in requests_in(caplog) if request.startswith(("POST", "PUT")) and "uploads" in request]


async def test_a_large_file_whose_reference_is_taken_meanwhile_is_refused(bucket: InBucket) -> None:
    ref = str(uuid4())

    async def overtaken() -> AsyncIterator[bytes]:
        yield b"x" * (20 * MIB)
        await bucket.storage.write(chunks(b"first"), ref=ref)

    with pytest.raises(StoredFileExists):
        await bucket.storage.write(overtaken(), ref=ref)
    assert await content(bucket.storage, ref) == b"first"
    assert bucket.leftovers() == []


async def test_objects_that_are_no_files_are_neither_listed_nor_swept(bucket: InBucket) -> None:
    ref = await bucket.storage.put_bytes(b"x")
    for key in (f"{uuid4()}", f"other/{uuid4()}", f"files/testing/{uuid4()}", "files/test/notes.txt", f"files/test/deeper/{uuid4()}"):
        bucket.client.put_object(Bucket=bucket.bucket, Key=key, Body=b"theirs")
        bucket.client.create_multipart_upload(Bucket=bucket.bucket, Key=key)
    assert (await listed(bucket.storage)).keys() == {ref}
    assert await bucket.storage.sweep(datetime.now(UTC)) == 0
    assert len(bucket.leftovers()) == 5


async def test_a_bucket_that_does_not_exist_is_not_a_missing_file(s3_address: str) -> None:
    storage = S3Storage("nobodys-bucket", "us-east-1", s3_address, **KEYS)
    attempts = [
        storage.put_bytes(b"x"), storage.put_bytes(b"x" * (9 * MIB)), storage.read(str(uuid4())), listed(storage),
        storage.sweep(datetime.now(UTC)),
    ]  # fmt: skip
    for attempt in attempts:
        with pytest.raises(StorageFailed):
            await attempt


@pytest.mark.parametrize("size", [1, 9 * MIB])
async def test_a_service_that_cannot_be_reached_is_an_error_without_secrets(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    monkeypatch.setattr(s3, "RETRIES", {"max_retries": 0})
    storage = S3Storage("bucket", "us-east-1", "http://me:geheim@127.0.0.1:9", **KEYS)
    with caplog.at_level(logging.DEBUG):
        for attempt in (
            storage.write(chunks(b"x" * size)), storage.read(str(uuid4())), storage.stat(str(uuid4())), listed(storage),
            storage.delete(str(uuid4())), storage.sweep(datetime.now(UTC)),
        ):  # fmt: skip
            with pytest.raises(StorageFailed, match="could not be reached") as caught:
                await attempt
            assert caught.value.__cause__ is None
            assert caught.value.__suppress_context__
            assert "geheim" not in str(caught.value)
    assert "geheim" not in caplog.text
    assert "geheim" not in repr(storage)
    assert "geheim" not in repr(vars(storage))


async def test_what_is_logged_while_uploads_are_swept_allows_nothing(bucket: InBucket, caplog: pytest.LogCaptureFixture) -> None:
    bucket.abandon()
    with caplog.at_level(logging.DEBUG):
        assert await bucket.storage.sweep(datetime.now(UTC)) == 1
    assert "ignature" not in caplog.text
    assert "geheim" not in caplog.text


def answers_lost(monkeypatch: pytest.MonkeyPatch, storage: Any, *, stored: bytes | None) -> None:
    """From now on the answer to a put does not arrive, and *stored* is what the service has made of it."""

    async def put_async(store: Any, ref: str, _data: bytes, **_options: Any) -> None:
        if stored is not None:
            await obstore.put_async(store, ref, stored)
        raise GenericError("Generic S3 error: connection closed before message completed")

    names = {name: getattr(obstore, name) for name in ("get_async", "head_async", "delete_async", "list")}
    monkeypatch.setattr(storage, "_obstore", SimpleNamespace(**names, put_async=put_async))


async def test_a_write_whose_answer_was_lost_has_succeeded_if_the_file_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = InObstore().storage
    answers_lost(monkeypatch, storage, stored=b"all")
    ref = await storage.put_bytes(b"all")
    assert (await listed(storage)).keys() == {ref}


@pytest.mark.parametrize("stored", [None, b"al"])
async def test_a_write_whose_answer_was_lost_leaves_nothing_else(monkeypatch: pytest.MonkeyPatch, stored: bytes | None) -> None:
    storage = InObstore().storage
    answers_lost(monkeypatch, storage, stored=stored)
    with pytest.raises(StorageFailed):
        await storage.put_bytes(b"all")
    assert await listed(storage) == {}


async def test_under_a_reference_that_somebody_else_may_have_written_nothing_is_concluded(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = InObstore().storage
    answers_lost(monkeypatch, storage, stored=b"all")
    ref = str(uuid4())
    with pytest.raises(StorageFailed):
        await storage.write(chunks(b"all"), ref=ref)
    assert (await listed(storage)).keys() == {ref}


async def test_ten_parts_arrive_in_their_order(bucket: InBucket) -> None:
    parts = [bytes([number]) * (8 * MIB - 1) for number in range(10)]
    stored = await bucket.storage.write(chunks(*parts))
    assert stored.sha256 == digest(b"".join(parts)) == digest(await content(bucket.storage, stored.ref))


async def test_an_object_of_another_program_without_a_type_has_none(bucket: InBucket) -> None:
    ref = str(uuid4())
    bucket.client.put_object(Bucket=bucket.bucket, Key=f"files/test/{ref}", Body=b"x")
    assert await bucket.storage.get_bytes(ref) == (b"x", None)
    bucket.client.delete_object(Bucket=bucket.bucket, Key=f"files/test/{ref}")
    with pytest.raises(StoredFileNotFound, match=ref):
        await bucket.storage.read(ref)


def test_what_boto3_was_told_is_ignored_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="boto_config has no effect"):
        S3Storage("bucket", "us-east-1", None, "key", "secret", None, object(), 60)


@pytest.mark.parametrize("half", [{"access_key_id": "x"}, {"secret_access_key": "x"}])
def test_half_a_key_is_refused(half: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="together"):
        S3Storage("bucket", **half)  # type: ignore[arg-type]  # what is tried


@pytest.mark.parametrize("prefix", ["..", "a/../b", "a//b", "a b", "a\n", "ä"])
def test_a_prefix_is_a_path_of_plain_names(prefix: str) -> None:
    with pytest.raises(ValueError, match="plain names"):
        S3Storage("bucket", prefix=prefix)
