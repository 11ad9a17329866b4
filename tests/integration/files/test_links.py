"""A signed link: for whom nobody knows, for one file, one method and a while. And direct uploads, which use one."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import uuid4

import pytest

from planar import PlanarApp
from planar.clock import Clock
from planar.files.storage.memory import MemoryStorage
from planar.security import Principal
from planar.security.actions import Action, FileAction
from planar.security.authorization import Decision
from planar.security.resources import ResourceDescriptor
from planar.testing import ManualClock
from tests.integration.files.conftest import FilesApi, OpenFiles
from tests.integration.http.conftest import problem_of

pytestmark = pytest.mark.anyio


class KnownOnly:
    """Allows everything to everybody who is somebody."""

    def decide(self, principal: Principal | None, action: Action, resource: ResourceDescriptor) -> Decision:
        return Decision(principal is not None and principal.sub != "developer")


def known_only(app: PlanarApp) -> None:
    app.use_authorizer(KnownOnly())


ANN = {"X-Planar-Dev-User": "ann"}


async def link_to(api: FilesApi, **options: Any) -> str:
    answer = await api.client.post("/planar/v1/file/upload", files=[("files", ("a.txt", b"hello", "text/plain"))], headers=ANN)
    (stored,) = answer.json()
    answer = await api.client.get(f"/planar/v1/file/{stored['id']}/link", params=options, headers=ANN)
    assert answer.status_code == 200, answer.text
    return answer.json()["url"]


async def test_whoever_has_a_link_needs_no_identity(open_files: OpenFiles) -> None:
    async with open_files(prepare=known_only) as api:
        url = await link_to(api)
        answer = await api.client.get(url)
        assert (answer.status_code, answer.content) == (200, b"hello")
        assert answer.headers["content-disposition"].startswith("attachment")
        assert (await api.client.head(url)).headers["content-length"] == "5"
        assert (await api.client.get(url, headers={"range": "bytes=1-2"})).content == b"el"
        # The file itself is as closed as before.
        assert (await api.client.get(url.replace("/signed", "/content"))).status_code in (401, 403)
        assert (await api.client.get(url.split("/signed")[0] + "/link")).status_code in (401, 403)


async def test_a_link_that_was_changed_opens_nothing(open_files: OpenFiles) -> None:
    async with open_files() as api:
        url = await link_to(api)
        other = await api.store("secret.txt", b"secret")
        path, query = url.split("?")
        base, file_id = path.removesuffix("/signed").rsplit("/", 1)
        parts = dict(pair.split("=") for pair in query.split("&"))
        forged = [
            f"{base}/{other['id']}/signed?{query}",
            f"{path}?expires={int(parts['expires']) + 1}&signature={parts['signature']}",
            f"{path}?{query}&inline=true",
            f"{path}?expires={parts['expires']}&signature={'0' * 64}",
            f"{path}?expires={parts['expires']}&signature=%F0%9F%98%80",
            f"{path}?expires={parts['expires']}&signature=",
        ]
        for link in forged:
            problem_of(await api.client.get(link), 403, "link_refused")
        assert (await api.client.get(f"{path}?expires={parts['expires']}")).status_code == 422
        # A link to read does not write, and says nothing of files that are not there.
        problem_of(await api.client.put(f"{base}/uploads/{file_id}/content?{query}", content=b"x"), 403, "link_refused")
        problem_of(await api.client.get(f"{base}/{uuid4()}/signed?{query}"), 403, "link_refused")
        assert (await api.client.delete(url)).status_code == 405


@pytest.mark.store_independent
async def test_a_link_ends_when_it_said(open_files: OpenFiles) -> None:
    clock = ManualClock()
    async with open_files(prepare=lambda app: app.services.add(Clock, clock), max_link_ttl_seconds=100) as api:
        url = await link_to(api, ttl_seconds=1000)
        await clock.advance(99)
        assert (await api.client.get(url)).status_code == 200
        await clock.advance(2)
        problem_of(await api.client.get(url), 403, "link_refused")


async def test_another_process_knows_the_links_of_this_one(open_files: OpenFiles) -> None:
    storage = MemoryStorage()
    async with open_files(storage=storage) as first:
        url = await link_to(first)
    async with open_files(storage=storage) as second:
        assert (await second.client.get(url)).content == b"hello"
    async with open_files(storage=storage, signing_key="k" * 32) as third:
        problem_of(await third.client.get(url), 403, "link_refused")


# -- direct uploads -------------------------------------------------------------------------------------------------------


async def announce(api: FilesApi, data: bytes, **claims: Any) -> dict[str, Any]:
    answer = await api.post("/file/uploads", {"filename": "../a.txt", "size": len(data), **claims})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_direct_upload_is_a_file_when_it_is_complete_and_not_before(open_files: OpenFiles) -> None:
    async with open_files() as api:
        data = b"direct" * 1000
        expected = await announce(api, data, sha256=hashlib.sha256(data).hexdigest().upper())
        problem_of(await api.client.post(expected["complete_url"]), 409, "upload_incomplete")
        problem_of(await api.get(f"/file/{expected['id']}/metadata"), 404, "file_not_found")
        answer = await api.client.put(expected["upload_url"], content=data, headers=expected["headers"])
        assert answer.status_code == 204
        problem_of(await api.client.put(expected["upload_url"], content=data), 409, "stored_file_exists")
        assert (await api.collect()).orphans == 0
        for _ in range(2):  # the answer may have been lost
            done = await api.client.post(expected["complete_url"])
            assert (done.status_code, done.json()["id"], done.json()["filename"]) == (200, expected["id"], "a.txt")
        assert (await api.content(expected["id"])).content == data
        assert await api.refs() == await api.recorded()
        problem_of(await api.client.put(expected["upload_url"], content=data), 404, "upload_not_found")


async def test_bytes_that_are_not_what_was_announced_are_no_file_and_right_ones_may_follow(open_files: OpenFiles) -> None:
    async with open_files() as api:
        data = b"right"
        expected = await announce(api, data, sha256=hashlib.sha256(data).hexdigest())
        for wrong in (b"", b"righ", b"right!"):
            problem_of(await api.client.put(expected["upload_url"], content=wrong), 422, "file_size_mismatch")
        assert (await api.client.put(expected["upload_url"], content=b"wrong")).status_code == 204
        problem_of(await api.client.post(expected["complete_url"]), 422, "file_checksum_mismatch")
        assert await api.refs() == set()
        assert (await api.client.put(expected["upload_url"], content=data)).status_code == 204
        assert (await api.client.post(expected["complete_url"])).status_code == 200


async def test_limits_hold_for_direct_uploads(open_files: OpenFiles) -> None:
    async with open_files(max_file_bytes=10, refused_types=["text/html"]) as api:
        problem_of(await api.post("/file/uploads", {"filename": "a", "size": 11}), 413, "file_too_large")
        problem_of(await api.post("/file/uploads", {"filename": "a.html", "size": 1}), 415, "file_type_refused")
        expected = await announce(api, b"<html>", content_type="text/plain")
        assert (await api.client.put(expected["upload_url"], content=b"<html>")).status_code == 204
        problem_of(await api.client.post(expected["complete_url"]), 415, "file_type_refused")
        assert await api.refs() == set()
        expected = await announce(api, b"x" * 10)
        answer = await api.client.put(expected["upload_url"], content=b"x" * 20)
        problem_of(answer, 413, "payload_too_large")


async def test_an_upload_is_completed_by_whoever_announced_it(open_files: OpenFiles) -> None:
    async with open_files() as api:
        ann, bob = {"X-Planar-Dev-User": "ann"}, {"X-Planar-Dev-User": "bob"}
        expected = (await api.post("/file/uploads", {"filename": "a.txt", "size": 4}, headers=ann)).json()
        assert (await api.client.put(expected["upload_url"], content=b"data")).status_code == 204
        for other in ({}, bob):
            problem_of(await api.client.post(expected["complete_url"], headers=other), 404, "upload_not_found")
        done = await api.client.post(expected["complete_url"], headers=ann)
        assert (done.status_code, done.json()["created_by"]) == (200, "ann")


async def test_completing_again_shows_no_file_that_the_caller_may_not_see(open_files: OpenFiles) -> None:
    hidden: set[str | None] = set()

    class Hiding:
        def decide(self, principal: Principal | None, action: Action, resource: ResourceDescriptor) -> Decision:
            return Decision(action is not FileAction.VIEW_DETAILS or resource.resource_id not in hidden)

    async with open_files(prepare=lambda app: app.use_authorizer(Hiding())) as api:
        stored = await api.store()
        assert (await api.post(f"/file/uploads/{stored['id']}/complete")).json()["id"] == stored["id"]
        hidden.add(stored["id"])
        problem_of(await api.post(f"/file/uploads/{stored['id']}/complete"), 404, "upload_not_found")


async def test_an_upload_that_nobody_completes_is_collected(open_files: OpenFiles) -> None:
    clock = ManualClock()
    async with open_files(prepare=lambda app: app.services.add(Clock, clock)) as api:
        expected = await announce(api, b"x")
        await api.client.put(expected["upload_url"], content=b"x")
        await clock.advance(3601)
        problem_of(await api.client.post(expected["complete_url"]), 404, "upload_not_found")
        await api.databases.ask(
            "update {planar}planar_file_upload set expires_at = '2020-01-01 00:00:00.000000+00:00'"
            if not api.databases.is_sqlite
            else "update planar_file_upload set expires_at = '2020-01-01 00:00:00.000000'"
        )
        report = await api.collect()
        assert (report.uploads, report.orphans) == (1, 1)
        assert await api.refs() == set()
