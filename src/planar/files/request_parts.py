"""What do the routes of files have in common? Parameters, answers, and the parts of the app that they ask."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Path, Query

from planar.context import current_services
from planar.files.errors import FileNotKnown
from planar.files.links import LinkSigner
from planar.files.models import PlanarFileMetadata
from planar.files.service import FileService
from planar.security.problem import Problem, ValidationProblem, problems

BINARY: Final = {"schema": {"type": "string", "format": "binary"}}

FileId = Annotated[UUID, Path(description="The file's id.")]
Inline = Annotated[bool, Query(description="`true` lets a browser show it in place, if it is of a type that executes nothing.")]
Expires = Annotated[int, Query(ge=0, le=2**40, description="The end of the link, in seconds since 1970.")]
Signature = Annotated[str, Query(max_length=200, description="The proof that the link was given by this app.")]

MISFIT: Final[dict[int | str, dict[str, Any]]] = {
    422: {"model": ValidationProblem, "description": "Something in the request does not fit."}
}
BAD_FILE: Final[dict[int | str, dict[str, Any]]] = {
    422: {"model": Problem | ValidationProblem, "description": "The request does not fit, or the bytes are not what was announced."}
}
NO_STORAGE: Final = problems({503: "The app has no storage, or the storage failed."})
NO_FILE: Final = problems({404: "There is no such file."})
CONTENT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"*/*": BINARY}, "description": "The whole file. Its type is the one that was recorded."},
    206: {"content": {"*/*": BINARY}, "description": "The part that `Range` asked for."},
    304: {"description": "The client has it: `If-None-Match` names its ETag."},
    307: {"description": "The storage has it: `Location` is an address that is valid for a short while."},
    **problems({404: "There is no such file, or its bytes are gone.", 416: "The range lies outside of the file."}),
    **NO_STORAGE,
}


def files_of_app() -> FileService:
    """The files of the app."""
    return current_services().get(FileService)


def signer_of_app() -> LinkSigner:
    """Who signs its links."""
    return current_services().get(LinkSigner)


async def found_file(file_id: UUID) -> PlanarFileMetadata:
    """The record of a file.

    Raises:
        FileNotKnown: there is none.
    """
    record = await files_of_app().find(file_id)
    if record is None:
        raise FileNotKnown("File not found")
    return record
