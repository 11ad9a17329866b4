"""Which uploads to a bucket of S3 were begun and never completed? Listed, and aborted."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

from planar import lazy
from planar.clock import Clock
from planar.files.storage.checks import is_ref
from planar.files.storage.errors import StorageFailed
from planar.files.storage.signing import Signer
from planar.files.storage.translation import reason

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload in parts that has not ended."""

    key: str
    upload_id: str
    begun_at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """Some uploads, and the parameters that ask for the next ones; None after the last."""

    uploads: tuple[Upload, ...]
    following: dict[str, str] | None


async def abort_uploads(signer: Signer, clock: Clock, prefix: str, older_than: datetime) -> int:
    """Abort the uploads of files under *prefix* that began before *older_than*; how many."""
    aborted = 0
    async with lazy.httpx2().AsyncClient(timeout=TIMEOUT_SECONDS) as client:
        async for upload in _uploads(client, signer, clock, prefix):
            if upload.begun_at < older_than and is_ref(upload.key.removeprefix(prefix)):
                await _ask(client, "DELETE", *signer.request("DELETE", upload.key, clock.now(), {"uploadId": upload.upload_id}))
                aborted += 1
    return aborted


def parse_page(document: str) -> Page:
    """What the service answered to a question for uploads.

    Raises:
        StorageFailed: that is something else.
    """
    try:
        root = ElementTree.fromstring(document)
        uploads = tuple(
            Upload(_text(upload, "Key"), _text(upload, "UploadId"), _moment(_text(upload, "Initiated")))
            for upload in root.iterfind("{*}Upload")
        )
    except (ElementTree.ParseError, ValueError):
        raise StorageFailed("The bucket of files answered with something else than a list of uploads.") from None
    if _text(root, "IsTruncated") != "true":
        return Page(uploads, None)
    return Page(uploads, {"key-marker": _text(root, "NextKeyMarker"), "upload-id-marker": _text(root, "NextUploadIdMarker")})


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(f"{{*}}{name}") or ""


async def _uploads(client: Any, signer: Signer, clock: Clock, prefix: str) -> AsyncGenerator[Upload]:
    query: dict[str, str] | None = {}
    while query is not None:
        asked = {"uploads": "", "prefix": prefix, **query}
        page = parse_page(await _ask(client, "GET", *signer.request("GET", "", clock.now(), asked)))
        for upload in page.uploads:
            yield upload
        query = page.following


async def _ask(client: Any, method: str, url: str, headers: dict[str, str]) -> str:
    try:
        answer = await client.request(method, url, headers=headers)
    except lazy.httpx2().HTTPError:
        raise StorageFailed("The bucket of files could not be reached.") from None
    if answer.status_code >= 300 and not (method == "DELETE" and answer.status_code == 404):
        raise StorageFailed(reason(f"status code: {answer.status_code} {answer.text}"))
    return answer.text
