"""HTTP for files that are there, and all routes of files. Each route names its action."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from planar.clock import utc_now
from planar.context import current_services
from planar.db.session import get_session
from planar.files.errors import FileInUse
from planar.files.link_router import LINK_ROUTES
from planar.files.models import PlanarFileMetadata
from planar.files.queries import FileFilter
from planar.files.queries import list_files as find_files
from planar.files.removing import remove
from planar.files.request_parts import CONTENT, MISFIT, NO_FILE, NO_STORAGE, FileId, Inline, files_of_app, found_file
from planar.files.schemas import FileDetails, FileList, FileReference
from planar.files.serving import answer
from planar.files.upload_router import UPLOAD_ROUTES
from planar.files.uses import FileUses, Reference, visible
from planar.modeling.texts import Storable
from planar.security.actions import FileAction
from planar.security.authorization import filter_allowed
from planar.security.guard import InPath, requires
from planar.security.problem import problems
from planar.security.resources import FileResource
from planar.security.route_table import RouteTable

MAX_OFFSET: Final = 2**31 - 1
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET, description="How many to leave out. Pages by `after` stay stable under inserts.")]
WithTotal = Annotated[bool, Query(description="`false` leaves the total out, which costs a count.")]

FILE_ROUTES: Final = RouteTable(prefix="/file", tags=["Files"], responses=MISFIT)

FILE_TABLES: Final = (UPLOAD_ROUTES, FILE_ROUTES, LINK_ROUTES)
"""The routes of uploads, of files and of links to them. Fixed paths come before those with parameters."""


def create_files_router() -> APIRouter:
    """All routes of files, below ``/file``."""
    router = APIRouter()
    for table in FILE_TABLES:
        router.include_router(table.router())
    return router


@FILE_ROUTES.get("/", dependencies=[requires(FileAction.LIST)])
async def list_files(
    request: Request,
    response: Response,
    name: Annotated[Storable | None, Query(max_length=255, description="Only files whose name contains this, in any case.")] = None,
    content_type: Annotated[
        Storable | None, Query(max_length=255, description="Only files of this type (`image/png`) or kind (`image/*`).")
    ] = None,
    created_by: Annotated[Storable | None, Query(max_length=255, description="Only files that this principal stored.")] = None,
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
    responses=CONTENT,
)
async def get_file_content(request: Request, file_id: FileId, inline: Inline = False) -> Response:
    """The bytes of a file, whole or in part (`Range`, `If-Range`, `If-None-Match`), as an attachment."""
    return await answer(files_of_app(), await found_file(file_id), request, inline=inline)


@FILE_ROUTES.head(
    "/{file_id}/content",
    dependencies=[requires(FileAction.DOWNLOAD, InPath(FileResource, "file_id"))],
    response_class=Response,
    include_in_schema=False,
)
async def head_file_content(request: Request, file_id: FileId, inline: Inline = False) -> Response:
    """What a GET would answer, without the bytes."""
    return await answer(files_of_app(), await found_file(file_id), request, inline=inline)


@FILE_ROUTES.get(
    "/{file_id}/metadata", dependencies=[requires(FileAction.VIEW_DETAILS, InPath(FileResource, "file_id"))], responses=NO_FILE
)
async def get_file_metadata(file_id: FileId) -> FileDetails:
    """What is recorded of a file."""
    return FileDetails.of(await found_file(file_id))


@FILE_ROUTES.get(
    "/{file_id}/references", dependencies=[requires(FileAction.VIEW_DETAILS, InPath(FileResource, "file_id"))], responses=NO_FILE
)
async def list_file_references(file_id: FileId) -> list[FileReference]:
    """Who uses a file: rows of entities, tasks, runs that were started with it over HTTP, and the run that stored it; up to 100 of each.

    What the caller may not see is left out.
    """
    found = await current_services().get(FileUses).of(get_session(), await found_file(file_id))
    return [FileReference.of(each) for each in visible(found)]


@FILE_ROUTES.delete(
    "/{file_id}",
    status_code=204,
    dependencies=[requires(FileAction.DELETE, InPath(FileResource, "file_id"))],
    responses={**problems({404: "There is no such file.", 409: "It is in use."}), **NO_STORAGE},
)
async def delete_file(
    file_id: FileId, force: Annotated[bool, Query(description="`true` deletes it also if something refers to it.")] = False
) -> None:
    """Delete a file: its record, then its bytes. One that an entity, a task or a run that has not ended refers to is kept."""
    files, record = files_of_app(), await found_file(file_id)
    storage = files.storage
    began = utc_now()
    if not force:
        await _refuse_used(record)
    await remove(get_session(), storage, record.id, None if force else lambda: _refuse_used(record, since=began))


async def _refuse_used(record: PlanarFileMetadata, *, since: datetime | None = None) -> None:
    found = await current_services().get(FileUses).of(get_session(), record, since=since)
    users = [each for each in found if each.in_use]
    if users:
        raise FileInUse(f"The file is in use by {_named(users)}. With ?force=true it is deleted all the same.")


def _named(users: Sequence[Reference]) -> str:
    """Some of *users*, and that there are others; not which, if the caller may not see them."""
    shown = [f"{each.kind.value} {each.name} {each.id}" for each in visible(users)[:5]]
    others = len(users) - len(shown)
    return " and ".join([*([", ".join(shown)] if shown else []), *([f"{others} others" if others > 1 else "another"] if others else [])])


def _next_page(request: Request, after: UUID) -> str:
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in ("after", "offset")]
    return f'<{request.url.path}?{urlencode([*kept, ("after", str(after))])}>; rel="next"'
