"""HTTP for files of rows: an import reads its body as it comes, an export is sent as it is made."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from tempfile import TemporaryFile
from typing import IO, Annotated, Any, Final

from fastapi import Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse

from planar.entities.exporting import ExportRequest
from planar.entities.formats import Delimiter, Format
from planar.entities.import_lines import FileStyle, Mode
from planar.entities.import_report import ImportPlan
from planar.entities.querying import Deleted
from planar.entities.request_parts import MISFIT
from planar.entities.service import find_entity, visible_relations
from planar.entities.transfer_errors import FileTooLarge
from planar.entities.transfer_schemas import ImportResult, RefusedImport
from planar.entities.transfer_service import bring_in, refusal, take_out
from planar.security.actions import EntityAction
from planar.security.guard import InPath, requires
from planar.security.problem import ValidationProblem, problems
from planar.security.resources import EntityResource
from planar.security.route_table import RouteTable

MAX_IMPORT_BYTES: Final = 1024**3
"""How large a file may be."""

_REFUSED: Final[dict[int | str, dict[str, Any]]] = {
    422: {"model": ValidationProblem | RefusedImport, "description": "Something in the request, or in the file, does not fit."}
}

TRANSFER_ROUTES: Final = RouteTable(prefix="/entities", tags=["Entities"], responses=MISFIT)

_TYPES: Final = {
    "text/csv": Format.CSV,
    "application/csv": Format.CSV,
    "application/vnd.ms-excel": Format.CSV,
    "text/tab-separated-values": Format.CSV,
    "application/x-ndjson": Format.JSONL,
    "application/ndjson": Format.JSONL,
    "application/jsonl": Format.JSONL,
    "application/x-jsonlines": Format.JSONL,
    "application/octet-stream": None,
}
"""What a body may say that it is. A page of another origin cannot send any of these unasked."""

_SENT_AS: Final = {Format.CSV: "text/csv; charset=utf-8; header=present", Format.JSONL: "application/x-ndjson"}

EntityName = Annotated[str, Path(description="The entity's name.")]
MaxText = Query(max_length=10_000)

_FILE: Final = {"schema": {"type": "string", "format": "binary"}}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "The file, in UTF-8. CSV begins with the names of its columns; of JSON lines each is an object.",
        "content": dict.fromkeys(("text/csv", "application/x-ndjson"), _FILE),
    }
}


@TRANSFER_ROUTES.post(
    "/{entity_name}/import",
    dependencies=[requires(EntityAction.IMPORT, InPath(EntityResource, "entity_name"))],
    responses={
        **problems({403: "Not permitted, or for nobody.", 404: "There is no such entity.", 413: "The file is too large."}),
        **_REFUSED,
    },
    openapi_extra=_BODY,
)
async def import_entities(
    request: Request,
    entity_name: EntityName,
    format: Annotated[Format | None, Query(description="How the file is written; by default, as its content type says.")] = None,
    mode: Annotated[Mode, Query(description="Whether lines are new rows, changes of rows, or whichever it takes.")] = Mode.CREATE,
    match: Annotated[str | None, Query(max_length=200, description="The field by which rows are found; by default the key.")] = None,
    dry_run: Annotated[bool, Query(description="Do everything, tell of it, and undo it.")] = False,
    delimiter: Annotated[Delimiter, Query(description="What stands between cells of CSV.")] = Delimiter.AUTO,
    safe: Annotated[bool, Query(description="Take away the apostrophes that an export with `safe` has set.")] = False,
) -> ImportResult:
    """Make or change rows from a file: all of them, or none and a list of what does not fit, by its lines."""
    style = FileStyle(_format_of(request, format), delimiter, safe)
    plan = ImportPlan(mode, style, match, dry_run)
    # Not read while rows are written: whoever sends slowly would hold up all who write.
    with TemporaryFile() as file:
        await _spool(request, file)
        report = await bring_in(entity_name, file, plan, f"{request.method} {request.url.path}")
    if report.error_count and not dry_run:
        raise refusal(report)
    return ImportResult.of(mode, report)


@TRANSFER_ROUTES.get(
    "/{entity_name}/export",
    dependencies=[requires(EntityAction.EXPORT, InPath(EntityResource, "entity_name"))],
    response_class=StreamingResponse,
    responses={
        **problems({404: "There is no such entity."}),
        200: {"description": "The file.", "content": dict.fromkeys(("text/csv", "application/x-ndjson"), _FILE)},
    },
)
async def export_entities(
    request: Request,
    entity_name: EntityName,
    format: Annotated[Format, Query(description="How the file is written.")] = Format.CSV,
    filter: Annotated[list[str] | None, Query(description="`field:operator:value`, repeated; all have to hold.")] = None,
    sort: Annotated[str | None, MaxText] = None,
    fields: Annotated[str | None, MaxText] = None,
    search: Annotated[str | None, Query(max_length=200, description="Words, each of which some text of the row holds.")] = None,
    deleted: Annotated[Deleted, Query(description="Whether to export rows that are only marked as deleted.")] = Deleted.EXCLUDE,
    delimiter: Annotated[Delimiter, Query(description="What stands between cells of CSV; `auto` is a comma.")] = Delimiter.AUTO,
    safe: Annotated[bool, Query(description="Put an apostrophe before texts that a spreadsheet would take for formulas.")] = False,
    bom: Annotated[bool, Query(description="Begin with the mark by which spreadsheets know UTF-8.")] = False,
) -> StreamingResponse:
    """All rows that are meant, as they were at one moment."""
    asked = ExportRequest(FileStyle(format, delimiter, safe), filter or (), sort, fields, search, deleted, bom)
    relations = visible_relations(find_entity(entity_name))
    pieces = take_out(entity_name, asked, f"{request.method} {request.url.path}", relations)
    # What is wrong is told with a status of its own, which has to be known before anything is sent.
    first, _ = await anext(pieces)
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", entity_name)
    return StreamingResponse(
        _sent(first, pieces),
        media_type=_SENT_AS[format],
        headers={"Content-Disposition": f'attachment; filename="{name}.{format}"', "X-Content-Type-Options": "nosniff"},
    )


async def _sent(first: bytes, pieces: AsyncGenerator[tuple[bytes, int]]) -> AsyncGenerator[bytes]:
    async with aclosing(pieces):
        yield first
        async for piece, _ in pieces:
            yield piece


def _format_of(request: Request, given: Format | None) -> Format:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _TYPES:
        message = f"Send the file with one of these as its Content-Type: {', '.join(_TYPES)}."
        raise RequestValidationError([{"type": "value_error", "loc": ("header", "content-type"), "msg": message}])
    found = given or _TYPES[kind]
    if found is None:
        message = f"Say how the file is written: format=csv or format=jsonl. {kind} does not."
        raise RequestValidationError([{"type": "missing", "loc": ("query", "format"), "msg": message}])
    return found


async def _spool(request: Request, file: IO[bytes]) -> None:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_IMPORT_BYTES:
            raise FileTooLarge(f"An imported file has at most {MAX_IMPORT_BYTES} bytes. Split it.")
        file.write(chunk)
    file.seek(0)
