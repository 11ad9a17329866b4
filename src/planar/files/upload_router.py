"""HTTP for sending files: what is uploaded is read as it arrives, by the route itself."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from planar.files import direct
from planar.files.forms import FormReader
from planar.files.models import PlanarFile
from planar.files.request_parts import BAD_FILE, BINARY, MISFIT, NO_STORAGE, Expires, Signature, files_of_app, signer_of_app
from planar.files.schemas import ExpectedUpload, FileDetails, PartialUpload, UploadedFile, UploadRequest
from planar.files.signing import Grant
from planar.files.uploading import Outcome, receive_all
from planar.security.actions import FileAction, LinkAction
from planar.security.guard import requires
from planar.security.problem import Problem, problems
from planar.security.route_table import RouteTable

UploadId = Annotated[UUID, Path(description="The id that announcing the upload gave.")]

UPLOAD_ROUTES: Final = RouteTable(prefix="/file", tags=["Files"], responses=MISFIT)


@UPLOAD_ROUTES.post(
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
        **NO_STORAGE,
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
    outcomes = await receive_all(files_of_app(), reader.parts())
    if not outcomes:
        raise RequestValidationError([{"type": "missing", "loc": ("body", "files"), "msg": "Send at least one file in the field `files`."}])
    stored = [outcome.file for outcome in outcomes if outcome.file is not None]
    if not stored and outcomes[0].error is not None:
        raise outcomes[0].error
    if len(stored) < len(outcomes):
        content = PartialUpload(items=[_uploaded(outcome) for outcome in outcomes])
        return JSONResponse(content.model_dump(mode="json"), 207)  # type: ignore[return-value] - FastAPI sends it as it is
    return stored


@UPLOAD_ROUTES.post(
    "/uploads",
    status_code=201,
    dependencies=[requires(FileAction.UPLOAD)],
    responses={
        **problems({400: "The body is not text.", 413: "It is larger than allowed.", 415: "Files of that type are not taken."}),
        **NO_STORAGE,
    },
)
async def announce_upload(request: Request, body: UploadRequest) -> ExpectedUpload:
    """Announce a file whose bytes are then sent to a signed address: the storage's own, where it has one."""
    files = files_of_app()
    announced = await direct.announce(files, body.filename, body.content_type, body.size, body.sha256 and body.sha256.lower())
    upload, below = announced.upload, f"{request.url.path}/{announced.upload.id}"
    url = announced.url
    if url is None:
        query, _ = await signer_of_app().sign("PUT", upload.id, files.config.upload_ttl_seconds)
        url = f"{below}/content?{query}"
    headers = {"Content-Type": upload.content_type}
    return ExpectedUpload(id=upload.id, upload_url=url, headers=headers, complete_url=f"{below}/complete", expires_at=upload.expires_at)


@UPLOAD_ROUTES.put(
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
        **BAD_FILE,
        **NO_STORAGE,
    },
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": BINARY}}},
)
async def send_upload(request: Request, upload_id: UploadId, expires: Expires, signature: Signature) -> None:
    """Send the bytes of an announced upload. The link is the permission."""
    await signer_of_app().check(Grant("PUT", upload_id, expires), signature)
    await direct.receive(files_of_app(), upload_id, request.stream())


@UPLOAD_ROUTES.post(
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
        **BAD_FILE,
        **NO_STORAGE,
    },
)
async def complete_upload(upload_id: UploadId) -> FileDetails:
    """Make a file of an upload whose bytes have arrived: they are counted and hashed, and must be what was announced."""
    return FileDetails.of(await direct.complete(files_of_app(), upload_id))


def _uploaded(outcome: Outcome) -> UploadedFile:
    error = outcome.error
    problem = None if error is None else Problem(detail=error.message, code=error.code)
    return UploadedFile(index=outcome.index, filename=outcome.filename, file=outcome.file, error=problem)
