"""How is a file answered so that it harms nobody? As an attachment that a browser neither guesses at nor executes, whole or in part."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from planar.db.session import get_session
from planar.files.content_types import SAFE_INLINE, bare
from planar.files.errors import FileDamaged
from planar.files.filenames import content_disposition
from planar.files.models import PlanarFileMetadata
from planar.files.ranges import NotModified, Part, Unsatisfiable, Validators, wanted
from planar.files.service import FileService
from planar.files.storage.base import ByteRange
from planar.files.verifying import peeked

HARMLESS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "Referrer-Policy": "no-referrer",
}
"""A browser does not guess what a file is, and what it shows of it may load and execute nothing."""

REDIRECT_SECONDS: Final = 300
"""How long the storage's address is valid to which a download is sent on."""


async def answer(files: FileService, record: PlanarFileMetadata, request: Request, *, inline: bool = False) -> Response:
    """The content of a file, as *request* asks for it: 200, 206, 304, or 307 to the storage where that signs addresses.

    Args:
        files: the app's files.
        record: the file.
        request: its method and its headers ``Range``, ``If-Range`` and ``If-None-Match`` count.
        inline: whether a browser may show it in place, if it is of a type that executes nothing.

    Raises:
        FileContentMissing, FileDamaged, StorageFailed: the bytes cannot be had.
        HTTPException: 416, the range lies outside of the file.
    """
    # The bytes may take long, and no transaction is to stay open meanwhile.
    await get_session().commit()
    validators = Validators(f'"{record.sha256}"', record.created_at)
    headers = {
        **HARMLESS,
        "ETag": validators.etag,
        "Last-Modified": validators.last_modified,
        "Cache-Control": "private, no-cache",
        "Accept-Ranges": "bytes",
    }
    asked = request.headers.get
    part = wanted(record.size, validators, range_=asked("range"), if_range=asked("if-range"), if_none_match=asked("if-none-match"))
    if isinstance(part, NotModified):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if isinstance(part, Unsatisfiable):
        outside = f"The file has {record.size} bytes; the range lies outside of it."
        raise HTTPException(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, outside, {"Content-Range": f"bytes */{record.size}"})
    is_shown = inline and bare(record.content_type) in SAFE_INLINE
    headers["Content-Disposition"] = content_disposition(record.filename, inline=is_shown)
    if request.method == "GET" and not is_shown and (elsewhere := await _elsewhere(files, record)) is not None:
        return RedirectResponse(elsewhere, HTTPStatus.TEMPORARY_REDIRECT, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
    return await _here(files, record, request.method, part if isinstance(part, Part) else None, headers)


async def _elsewhere(files: FileService, record: PlanarFileMetadata) -> str | None:
    if not files.config.redirect_downloads:
        return None
    return await files.storage.download_url(
        record.storage_ref, ttl_seconds=REDIRECT_SECONDS, filename=record.filename, content_type=record.content_type
    )


async def _here(files: FileService, record: PlanarFileMetadata, method: str, part: Part | None, headers: dict[str, str]) -> Response:
    status, length = HTTPStatus.OK, record.size
    if part is not None:
        status, length = HTTPStatus.PARTIAL_CONTENT, part.end - part.start
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{record.size}"
    headers["Content-Length"] = str(length)
    headers["Content-Type"] = record.content_type  # as it is: a charset that nobody stated is not to be added
    if method == "HEAD":
        return Response(status_code=status, headers=headers)
    stream = await files.read(record, None if part is None else ByteRange(part.start, part.end))
    # The first chunk comes before the status: what is missing altogether is still a 404.
    _, whole = await peeked(stream, 1)
    return StreamingResponse(_unhidden(whole), status, headers)


async def _unhidden(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The server would take an ``OSError`` of the storage for a client that left."""
    try:
        async for chunk in stream:
            yield chunk
    except OSError as error:
        raise FileDamaged("The storage failed in the middle of a file.") from error
