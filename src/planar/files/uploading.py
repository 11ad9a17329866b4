"""A request brings several files: each goes to the storage as it arrives, and those that are taken are recorded together at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

from planar.db.session import get_session
from planar.errors import PlanarError
from planar.files.errors import FileError, TooManyFiles, UploadInterrupted, UploadMalformed
from planar.files.forms import FormPart
from planar.files.models import PlanarFile, PlanarFileMetadata
from planar.files.recording import commit_records, flush_records, record
from planar.files.service import FileService
from planar.files.storage.errors import FileTooLarge
from planar.files.storing import Arrived, store

FIELD = "files"


@dataclass(slots=True)
class Outcome:
    """What became of one file of a request, by its place among them and the name that was given: a file, or an error."""

    index: int
    filename: str | None
    file: PlanarFile | None = None
    error: PlanarError | None = None


async def receive_all(files: FileService, parts: AsyncIterator[FormPart]) -> list[Outcome]:
    """Store every file of a form, and record those that are taken in one transaction. Commits.

    Args:
        files: the app's files.
        parts: the form, as it arrives.

    Returns:
        One entry for each file, in their order. Files that are too large or of a wrong type have an error; the others are stored.

    Raises:
        UploadMalformed, TooManyFiles: nothing is stored.
        UploadInterrupted: the storage was cleaned meanwhile; nothing is stored.
        StorageFailed: the storage failed; nothing is stored.
        FilesNotAvailable: the app has no storage.

    If it is not known whether the commit succeeded, the bytes are left: what has no record is collected later.
    """
    outcomes: list[Outcome] = []
    arrived: dict[int, Arrived] = {}
    try:
        async for part in parts:
            if part.name != FIELD:
                if part.is_file:
                    raise UploadMalformed(f"The form has a file in the field {part.name[:100]!r}: send files in the field `{FIELD}`.")
                continue
            if not part.is_file:
                raise UploadMalformed(f"The field `{FIELD}` holds a value, not a file: give it a file name.")
            if len(outcomes) >= files.config.max_files_per_upload:
                raise TooManyFiles(f"At most {files.config.max_files_per_upload} files may be sent at once (files.max_files_per_upload).")
            outcome = Outcome(len(outcomes), part.filename)
            outcomes.append(outcome)
            try:
                arrived[outcome.index] = await store(files.storage, part.stream, part.filename, part.content_type, accept=files.accepts)
            except (FileError, FileTooLarge) as error:
                outcome.error = error
        made = await _added(files, arrived)
    except BaseException:
        await _undo(files, arrived)
        raise
    try:
        await commit_records(get_session())
    except UploadInterrupted:
        await _undo(files, arrived)
        raise
    for index, row in made.items():
        outcomes[index].file = row.value()
    return outcomes


async def _added(files: FileService, arrived: dict[int, Arrived]) -> dict[int, PlanarFileMetadata]:
    session = get_session()
    deduplicate = files.config.deduplicate
    made = {index: await record(session, files.storage, each, deduplicate=deduplicate) for index, each in arrived.items()}
    await flush_records(session)
    return made


async def _undo(files: FileService, arrived: dict[int, Arrived]) -> None:
    """Remove what was stored; what cannot be removed now is collected later."""
    for each in arrived.values():
        with suppress(OSError):
            await files.storage.delete(each.stored.ref)
