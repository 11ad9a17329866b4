"""HTTP for links to files: for whoever is not known here, the link is the permission."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import Query, Request, Response

from planar.files.request_parts import (
    CONTENT,
    MISFIT,
    NO_STORAGE,
    Expires,
    FileId,
    Inline,
    Signature,
    files_of_app,
    found_file,
    signer_of_app,
)
from planar.files.schemas import FileLink
from planar.files.serving import answer
from planar.files.signing import Grant
from planar.security.actions import FileAction, LinkAction
from planar.security.guard import InPath, requires
from planar.security.problem import Problem, problems
from planar.security.resources import FileResource
from planar.security.route_table import RouteTable

LINK_ROUTES: Final = RouteTable(prefix="/file", tags=["Files"], responses=MISFIT)


@LINK_ROUTES.get(
    "/{file_id}/link",
    dependencies=[requires(FileAction.SHARE, InPath(FileResource, "file_id"))],
    responses={**problems({404: "There is no such file."}), **NO_STORAGE},
)
async def get_file_link(
    request: Request,
    file_id: FileId,
    ttl_seconds: Annotated[int | None, Query(ge=1, le=366 * 24 * 3600, description="How long it is valid.")] = None,
    inline: Inline = False,
) -> FileLink:
    """A link to the content of a file for somebody who is not known here. The storage's own, where it signs addresses."""
    files, record = files_of_app(), await found_file(file_id)
    settings = files.config
    seconds = min(settings.link_ttl_seconds if ttl_seconds is None else ttl_seconds, settings.max_link_ttl_seconds)
    query, ends = await signer_of_app().sign("GET", record.id, seconds, inline=inline)
    url = None
    if settings.redirect_downloads and not inline:
        url = await files.storage.download_url(
            record.storage_ref, ttl_seconds=seconds, filename=record.filename, content_type=record.content_type
        )
    return FileLink(url=url or f"{request.url.path.removesuffix('/link')}/signed?{query}", expires_at=ends)


@LINK_ROUTES.get(
    "/{file_id}/signed",
    dependencies=[requires(LinkAction.FOLLOW)],
    response_class=Response,
    responses={**CONTENT, 403: {"model": Problem, "description": "The link was not signed here, or its time is over."}},
)
async def follow_file_link(request: Request, file_id: FileId, expires: Expires, signature: Signature, inline: Inline = False) -> Response:
    """The bytes of a file for whoever has a link to it. The link is the permission."""
    return await _followed(request, file_id, expires, signature, inline)


@LINK_ROUTES.head("/{file_id}/signed", dependencies=[requires(LinkAction.FOLLOW)], response_class=Response, include_in_schema=False)
async def head_file_link(request: Request, file_id: FileId, expires: Expires, signature: Signature, inline: Inline = False) -> Response:
    """What following the link would answer, without the bytes."""
    return await _followed(request, file_id, expires, signature, inline)


async def _followed(request: Request, file_id: UUID, expires: int, signature: str, inline: bool) -> Response:
    await signer_of_app().check(Grant("GET", file_id, expires, inline), signature)
    return await answer(files_of_app(), await found_file(file_id), request, inline=inline)
