"""HTTP for files. Each route names its action; what is uploaded is read as it arrives, by the route itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from planar.context import current_services
from planar.db.session import get_session
from planar.files import direct
from planar.files.errors import FileInUse, FileNotKnown
from planar.files.forms import FormReader
from planar.files.links import LinkSigner
from planar.files.models import PlanarFile, PlanarFileMetadata
from planar.files.queries import FileFilter
from planar.files.queries import list_files as find_files
from planar.files.removing import remove
from planar.files.schemas import (
    ExpectedUpload,
    FileDetails,
    FileLink,
    FileList,
    FileReference,
    PartialUpload,
    UploadedFile,
    UploadRequest,
)
from planar.files.service import FileService
from planar.files.serving import answer
from planar.files.signing import Grant
from planar.files.uploading import Outcome, receive_all
from planar.files.uses import FileUses, Reference, visible
from planar.security.actions import FileAction, LinkAction
from planar.security.authorization import filter_allowed
from planar.security.guard import InPath, requires
from planar.security.problem import Problem, ValidationProblem, problems
from planar.security.resources import FileResource
from planar.security.route_table import RouteTable

MAX_OFFSET: Final = 2**31 - 1
BINARY: Final = {"schema": {"type": "string", "format": "binary"}}

FileId = Annotated[UUID, Path(description="The file's id.")]
UploadId = Annotated[UUID, Path(description="The id that announcing the upload gave.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET, description="How many to leave out. Pages by `after` stay stable under inserts.")]
WithTotal = Annotated[bool, Query(description="`false` leaves the total out, which costs a count.")]
Inline = Annotated[bool, Query(description="`true` lets a browser show it in place, if it is of a type that executes nothing.")]
Expires = Annotated[int, Query(ge=0, le=2**40, description="The end of the link, in seconds since 1970.")]
Signature = Annotated[str, Query(max_length=200, description="The proof that the link was given by this app.")]

_MISFIT: Final[dict[int | str, dict[str, Any]]] = {
    422: {"model": ValidationProblem, "description": "Something in the request does not fit."}
}
_BAD_FILE: Final[dict[int | str, dict[str, Any]]] = {
    422: {"model": Problem | ValidationProblem, "description": "The request does not fit, or the bytes are not what was announced."}
}
FILE_ROUTES: Final = RouteTable(prefix="/file", tags=["Files"], responses=_MISFIT)


def create_files_router() -> APIRouter:
    """The routes of files, below ``/file``. Fixed paths come before those with parameters."""
    return FILE_ROUTES.router()


_NO_STORAGE: Final = problems({503: "The app has no storage, or the storage failed."})
_NO_FILE: Final = problems({404: "There is no such file."})
_CONTENT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"*/*": BINARY}, "description": "The whole file. Its type is the one that was recorded."},
    206: {"content": {"*/*": BINARY}, "description": "The part that `Range` asked for."},
    304: {"description": "The client has it: `If-None-Match` names its ETag."},
    307: {"description": "The storage has it: `Location` is an address that is valid for a short while."},
    **problems({404: "There is no such file, or its bytes are gone.", 416: "The range lies outside of the file."}),
    **_NO_STORAGE,
}


# -- uploads --------------------------------------------------------------------------------------------------------------


@FILE_ROUTES.post(
    "/upload",
    dependencies=[requires(FileAction.UPLOAD)],
    responses={
        207: {"model": PartialUpload, "description": "Some files were not taken; the entry of each says why. The others are stored."},
        **problems(
            {
                400: "The body is not a form with files.",
                409: "The storage was cleaned meanwhile: send the files again.",
                413: "A file is too large, or there are too many. Nothing is stored.",
                415: "Files of that type are not taken. Nothing is stored.",
            }
        ),
        **_NO_STORAGE,
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["files"],
                        "properties": {"files": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}},
                    }
                }
            },
        }
    },
)
async def upload_files(request: Request) -> list[PlanarFile]:
    """Store files. If all are taken, the answer is the list of them, in their order; if none is, it is the error of the first."""
    reader = FormReader(request.headers.get("content-type", ""), request.stream())
    outcomes = await receive_all(_files(), reader.parts())
    if not outcomes:
        raise RequestValidationError([{"type": "missing", "loc": ("body", "files"), "msg": "Send at least one file in the field `files`."}])
    stored = [outcome.file for outcome in outcomes if outcome.file is not None]
    if not stored and outcomes[0].error is not None:
        raise outcomes[0].error
    if len(stored) < len(outcomes):
        content = PartialUpload(items=[_uploaded(outcome) for outcome in outcomes])
        return JSONResponse(content.model_dump(mode="json"), 207)  # type: ignore[return-value] - FastAPI sends it as it is
    return stored


@FILE_ROUTES.post(
    "/uploads",
    status_code=201,
    dependencies=[requires(FileAction.UPLOAD)],
    responses={
        **problems({400: "The body is not text.", 413: "It is larger than allowed.", 415: "Files of that type are not taken."}),
        **_NO_STORAGE,
    },
)
async def announce_upload(request: Request, body: UploadRequest) -> ExpectedUpload:
    """Announce a file whose bytes are then sent to a signed address: the storage's own, where it has one."""
    files = _files()
    announced = await direct.announce(files, body.filename, body.content_type, body.size, body.sha256 and body.sha256.lower())
    upload, below = announced.upload, f"{request.url.path}/{announced.upload.id}"
    url = announced.url
    if url is None:
        query, _ = await _signer().sign("PUT", upload.id, files.config.upload_ttl_seconds)
        url = f"{below}/content?{query}"
    headers = {"Content-Type": upload.content_type}
    return ExpectedUpload(id=upload.id, upload_url=url, headers=headers, complete_url=f"{below}/complete", expires_at=upload.expires_at)


@FILE_ROUTES.put(
    "/uploads/{upload_id}/content",
    status_code=204,
    dependencies=[requires(LinkAction.FOLLOW)],
    responses={
        **problems(
            {
                403: "The link was not signed here, or its time is over.",
                404: "No such upload is expected.",
                409: "The bytes have arrived already.",
                413: "The body is larger than this app allows.",
            }
        ),
        **_BAD_FILE,
        **_NO_STORAGE,
    },
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": BINARY}}},
)
async def send_upload(request: Request, upload_id: UploadId, expires: Expires, signature: Signature) -> None:
    """Send the bytes of an announced upload. The link is the permission."""
    await _signer().check(Grant("PUT", upload_id, expires), signature)
    await direct.receive(_files(), upload_id, request.stream())


@FILE_ROUTES.post(
    "/uploads/{upload_id}/complete",
    dependencies=[requires(FileAction.UPLOAD)],
    responses={
        **problems(
            {
                404: "No such upload is expected, or somebody else announced it.",
                409: "The bytes have not arrived, or the storage was cleaned meanwhile.",
                413: "It is larger than allowed.",
                415: "Files of that type are not taken.",
            }
        ),
        **_BAD_FILE,
        **_NO_STORAGE,
    },
)
async def complete_upload(upload_id: UploadId) -> FileDetails:
    """Make a file of an upload whose bytes have arrived: they are counted and hashed, and must be what was announced."""
    return FileDetails.of(await direct.complete(_files(), upload_id))


# -- files ----------------------------------------------------------------------------------------------------------------


@FILE_ROUTES.get("/", dependencies=[requires(FileAction.LIST)])
async def list_files(
    request: Request,
    response: Response,
    name: Annotated[str | None, Query(max_length=255, description="Only files whose name contains this, in any case.")] = None,
    content_type: Annotated[
        str | None, Query(max_length=255, description="Only files of this type (`image/png`) or kind (`image/*`).")
    ] = None,
    created_by: Annotated[str | None, Query(max_length=255, description="Only files that this principal stored.")] = None,
    run_id: Annotated[UUID | None, Query(description="Only files that this run stored.")] = None,
    after: Annotated[UUID | None, Query(description="Only files older than this one: the next page.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
    total: WithTotal = True,
) -> FileList:
    """Files, newest first; those that the caller may not see are left out of the page. `Link` has the next page."""
    which = FileFilter(name, content_type, created_by, run_id)
    # One more than was asked for tells whether there is a next page.
    found = await find_files(get_session(), which, limit=limit + 1, offset=offset, after=after, total=total)
    if len(found.items) > limit:
        response.headers["Link"] = _next_page(request, found.items[limit - 1].id)
    shown = filter_allowed(found.items[:limit], FileAction.VIEW_DETAILS, lambda file: FileResource(str(file.id)))
    return FileList(items=[FileDetails.of(file) for file in shown], total=found.total, offset=offset, limit=limit)


@FILE_ROUTES.get(
    "/{file_id}/content",
    dependencies=[requires(FileAction.DOWNLOAD, InPath(FileResource, "file_id"))],
    response_class=Response,
    responses=_CONTENT,
)
async def get_file_content(request: Request, file_id: FileId, inline: Inline = False) -> Response:
    """The bytes of a file, whole or in part (`Range`, `If-Range`, `If-None-Match`), as an attachment."""
    return await answer(_files(), await _found(file_id), request, inline=inline)


@FILE_ROUTES.head(
    "/{file_id}/content",
    dependencies=[requires(FileAction.DOWNLOAD, InPath(FileResource, "file_id"))],
    response_class=Response,
    include_in_schema=False,
)
async def head_file_content(request: Request, file_id: FileId, inline: Inline = False) -> Response:
    """What a GET would answer, without the bytes."""
    return await answer(_files(), await _found(file_id), request, inline=inline)


@FILE_ROUTES.get(
    "/{file_id}/metadata", dependencies=[requires(FileAction.VIEW_DETAILS, InPath(FileResource, "file_id"))], responses=_NO_FILE
)
async def get_file_metadata(file_id: FileId) -> FileDetails:
    """What is recorded of a file."""
    return FileDetails.of(await _found(file_id))


@FILE_ROUTES.get(
    "/{file_id}/references", dependencies=[requires(FileAction.VIEW_DETAILS, InPath(FileResource, "file_id"))], responses=_NO_FILE
)
async def list_file_references(file_id: FileId) -> list[FileReference]:
    """Who uses a file: rows of entities, tasks, runs that were started with it over HTTP, and the run that stored it; up to 100 of each.

    What the caller may not see is left out.
    """
    found = await current_services().get(FileUses).of(get_session(), await _found(file_id))
    return [FileReference.of(each) for each in visible(found)]


@FILE_ROUTES.delete(
    "/{file_id}",
    status_code=204,
    dependencies=[requires(FileAction.DELETE, InPath(FileResource, "file_id"))],
    responses={**problems({404: "There is no such file.", 409: "It is in use."}), **_NO_STORAGE},
)
async def delete_file(
    file_id: FileId, force: Annotated[bool, Query(description="`true` deletes it also if something refers to it.")] = False
) -> None:
    """Delete a file: its record, then its bytes. One that an entity, a task or a run that has not ended refers to is kept."""
    files, record = _files(), await _found(file_id)
    storage = files.storage
    users = [] if force else [each for each in await current_services().get(FileUses).of(get_session(), record) if each.in_use]
    if users:
        raise FileInUse(f"The file is in use by {_named(users)}. With ?force=true it is deleted all the same.")
    await remove(get_session(), storage, record.id)


# -- links ----------------------------------------------------------------------------------------------------------------


@FILE_ROUTES.get(
    "/{file_id}/link",
    dependencies=[requires(FileAction.SHARE, InPath(FileResource, "file_id"))],
    responses={**problems({404: "There is no such file."}), **_NO_STORAGE},
)
async def get_file_link(
    request: Request,
    file_id: FileId,
    ttl_seconds: Annotated[int | None, Query(ge=1, le=366 * 24 * 3600, description="How long it is valid.")] = None,
    inline: Inline = False,
) -> FileLink:
    """A link to the content of a file for somebody who is not known here. The storage's own, where it signs addresses."""
    files, record = _files(), await _found(file_id)
    settings = files.config
    seconds = min(settings.link_ttl_seconds if ttl_seconds is None else ttl_seconds, settings.max_link_ttl_seconds)
    query, ends = await _signer().sign("GET", record.id, seconds, inline=inline)
    url = None
    if settings.redirect_downloads and not inline:
        url = await files.storage.download_url(
            record.storage_ref, ttl_seconds=seconds, filename=record.filename, content_type=record.content_type
        )
    return FileLink(url=url or f"{request.url.path.removesuffix('/link')}/signed?{query}", expires_at=ends)


@FILE_ROUTES.get(
    "/{file_id}/signed",
    dependencies=[requires(LinkAction.FOLLOW)],
    response_class=Response,
    responses={**_CONTENT, 403: {"model": Problem, "description": "The link was not signed here, or its time is over."}},
)
async def follow_file_link(request: Request, file_id: FileId, expires: Expires, signature: Signature, inline: Inline = False) -> Response:
    """The bytes of a file for whoever has a link to it. The link is the permission."""
    return await _followed(request, file_id, expires, signature, inline)


@FILE_ROUTES.head("/{file_id}/signed", dependencies=[requires(LinkAction.FOLLOW)], response_class=Response, include_in_schema=False)
async def head_file_link(request: Request, file_id: FileId, expires: Expires, signature: Signature, inline: Inline = False) -> Response:
    """What following the link would answer, without the bytes."""
    return await _followed(request, file_id, expires, signature, inline)


# -- parts ----------------------------------------------------------------------------------------------------------------


async def _followed(request: Request, file_id: UUID, expires: int, signature: str, inline: bool) -> Response:
    await _signer().check(Grant("GET", file_id, expires, inline), signature)
    return await answer(_files(), await _found(file_id), request, inline=inline)


def _files() -> FileService:
    return current_services().get(FileService)


def _signer() -> LinkSigner:
    return current_services().get(LinkSigner)


async def _found(file_id: UUID) -> PlanarFileMetadata:
    record = await _files().find(file_id)
    if record is None:
        raise FileNotKnown("File not found")
    return record


def _named(users: Sequence[Reference]) -> str:
    """Some of *users*, and that there are others; not which, if the caller may not see them."""
    shown = [f"{each.kind.value} {each.name} {each.id}" for each in visible(users)[:5]]
    others = len(users) - len(shown)
    return " and ".join([*([", ".join(shown)] if shown else []), *([f"{others} others" if others > 1 else "another"] if others else [])])


def _uploaded(outcome: Outcome) -> UploadedFile:
    error = outcome.error
    problem = None if error is None else Problem(detail=error.message, code=error.code)
    return UploadedFile(index=outcome.index, filename=outcome.filename, file=outcome.file, error=problem)


def _next_page(request: Request, after: UUID) -> str:
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in ("after", "offset")]
    return f'<{request.url.path}?{urlencode([*kept, ("after", str(after))])}>; rel="next"'
