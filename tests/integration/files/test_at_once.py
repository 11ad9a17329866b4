"""Several do the same at once: uploads of the same bytes, deletions, completions, collections."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.files.conftest import FilesApi, OpenFiles

pytestmark = pytest.mark.anyio


async def consistent(api: FilesApi) -> None:
    """After a collection the storage holds exactly what records need."""
    await api.collect()
    assert await api.refs() == await api.recorded()
    for file in (await api.get("/file/", limit=1000)).json()["items"]:
        assert (await api.content(file["id"])).status_code == 200


async def test_bytes_that_are_shared_while_they_are_deleted_and_collected_are_never_missing(open_files: OpenFiles) -> None:
    async with open_files(deduplicate=True) as api:

        async def store_and_delete(number: int) -> None:
            stored = await api.send((f"{number}.txt", b"the same"))
            assert stored.status_code in (200, 409), stored.text
            if stored.status_code == 200 and number % 2:
                gone = await api.client.delete(f"/planar/v1/file/{stored.json()[0]['id']}")
                assert gone.status_code == 204, gone.text

        async def collect() -> None:
            for _ in range(5):
                await api.collect()

        await asyncio.gather(collect(), *[store_and_delete(number) for number in range(20)])
        await consistent(api)


async def test_a_file_is_deleted_once_however_many_ask(open_files: OpenFiles) -> None:
    async with open_files() as api:
        stored = await api.store()
        answers = await asyncio.gather(*[api.client.delete(f"/planar/v1/file/{stored['id']}") for _ in range(5)])
        assert {answer.status_code for answer in answers} <= {204, 404}
        assert await api.refs() == set()


async def test_an_upload_is_completed_once_however_many_ask(open_files: OpenFiles) -> None:
    async with open_files() as api:
        expected = (await api.post("/file/uploads", {"filename": "a.txt", "size": 4})).json()
        sent = await asyncio.gather(*[api.client.put(expected["upload_url"], content=b"data") for _ in range(3)])
        assert sorted(answer.status_code for answer in sent) == [204, 409, 409]
        answers = await asyncio.gather(*[api.client.post(expected["complete_url"]) for _ in range(5)])
        assert {answer.status_code for answer in answers} <= {200, 404, 409}
        assert (await api.client.post(expected["complete_url"])).json()["id"] == expected["id"]
        assert (await api.get("/file/")).json()["total"] == 1
        await consistent(api)


async def test_many_small_files_at_once_are_all_stored(open_files: OpenFiles) -> None:
    async with open_files() as api:
        answers = await asyncio.gather(*[api.send((f"{number}.txt", str(number).encode())) for number in range(60)])
        assert {answer.status_code for answer in answers} == {200}
        assert (await api.get("/file/")).json()["total"] == 60
        await consistent(api)
