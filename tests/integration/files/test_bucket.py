"""Files in a bucket: what goes past the app, and what goes through it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import httpx2 as httpx
import pytest

from tests.contract.storage_world import InBucket, s3_server
from tests.integration.files.conftest import OpenFiles
from tests.integration.http.conftest import problem_of

pytestmark = [pytest.mark.anyio, pytest.mark.store_independent]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with s3_server() as running:
        yield running


async def test_downloads_and_links_lead_to_the_bucket_by_their_name_and_type(open_files: OpenFiles, address: str) -> None:
    bucket = InBucket(address)
    async with open_files(storage=bucket.storage) as api, httpx.AsyncClient() as anybody:
        stored = await api.store("Größe.html", b"<!doctype html>", "text/html")
        link = (await api.get(f"/file/{stored['id']}/link")).json()["url"]
        redirect = await api.content(stored["id"])
        assert redirect.status_code == 307
        for url in (redirect.headers["location"], link):
            answer = await anybody.get(url)
            assert (answer.status_code, answer.content) == (200, b"<!doctype html>")
            assert answer.headers["content-type"] == "text/html"
            assert answer.headers["content-disposition"].startswith("attachment;")
        assert (await api.content(stored["id"], "HEAD")).headers["content-length"] == "15"


async def test_a_bucket_can_be_hidden_behind_the_app(open_files: OpenFiles, address: str) -> None:
    bucket = InBucket(address)
    async with open_files(storage=bucket.storage, redirect_downloads=False) as api:
        stored = await api.store(data=b"0123456789")
        assert (await api.content(stored["id"], range="bytes=2-4")).content == b"234"
        assert (await api.content(stored["id"])).content == b"0123456789"
        assert "/planar/v1/file/" in (await api.get(f"/file/{stored['id']}/link")).json()["url"]


async def test_a_direct_upload_goes_to_the_bucket_and_cannot_be_changed_once_it_is_a_file(open_files: OpenFiles, address: str) -> None:
    bucket = InBucket(address)
    data = b"direct" * 1000
    async with open_files(storage=bucket.storage) as api, httpx.AsyncClient() as anybody:
        claims = {"filename": "a.bin", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        expected = (await api.post("/file/uploads", claims)).json()
        assert expected["upload_url"].startswith(address)
        problem_of(await api.client.post(expected["complete_url"]), 409, "upload_incomplete")
        for sent in (b"x", data):
            assert (await anybody.put(expected["upload_url"], content=sent, headers=expected["headers"])).status_code == 200
        assert (await api.client.post(expected["complete_url"])).status_code == 200
        # The signed address is still valid; what it leads to is not the file any more.
        await anybody.put(expected["upload_url"], content=b"changed", headers=expected["headers"])
        redirect = await api.content(expected["id"])
        assert (await anybody.get(redirect.headers["location"])).content == data
        assert (await api.collect()).orphans == 1
        assert await api.refs() == await api.recorded()
