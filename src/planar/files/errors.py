"""What can go wrong with a file. What goes wrong with its bytes is drawn in `planar.files.storage.errors`.

::

    PlanarError
    ├── FileError
    │   ├── FileNotKnown            404  there is no file of that id (also ValueError)
    │   ├── FileContentMissing      404  the file is known, its bytes are gone
    │   ├── FileDamaged             500  the bytes are not those that were stored
    │   ├── FileSizeMismatch        422  more or fewer bytes came than were announced (also ValueError)
    │   ├── FileChecksumMismatch    422  other bytes came than were announced (also ValueError)
    │   ├── FileTypeRefused         415  files of that type are not taken
    │   ├── TooManyFiles            413  more files in one upload than allowed
    │   ├── FileInUse               409  something refers to the file
    │   ├── UploadNotKnown          404  no such upload is expected, or its time is over
    │   ├── UploadIncomplete        409  the bytes of the upload have not arrived
    │   ├── UploadInterrupted       409  the bytes were removed while they were being recorded
    │   ├── UploadMalformed         400  the body is not a form with files
    │   └── LinkRefused             403  the link is not ours, or its time is over
    ├── UnknownFiles                422  a value refers to files that do not exist (also ValueError)
    ├── PathNotText                 500  a path was given as a text (also TypeError)
    └── FilesNotAvailable           503  the app has no storage of files (also LookupError)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeAlias
from uuid import UUID

from planar.errors import PlanarError

Place: TypeAlias = tuple[str | int, ...]
"""Where in a value something stands: names of fields and numbers of items, from the outside in."""


class FileError(PlanarError):
    """A file could not be stored or read."""

    code = "file_error"


class FileNotKnown(FileError, ValueError):
    """File not found"""

    code = "file_not_found"
    status = 404


class FileContentMissing(FileError):
    """File content not found in storage"""

    code = "file_content_missing"
    status = 404


class FileDamaged(FileError):
    """The stored bytes are not those that were uploaded: their number or their checksum differs."""

    code = "file_damaged"


class FileSizeMismatch(FileError, ValueError):
    """The file does not have the size that was announced."""

    code = "file_size_mismatch"
    status = 422


class FileChecksumMismatch(FileError, ValueError):
    """The file does not have the checksum that was announced."""

    code = "file_checksum_mismatch"
    status = 422


class FileTypeRefused(FileError):
    """Files of this type are not taken here."""

    code = "file_type_refused"
    status = 415


class TooManyFiles(FileError):
    """The upload has more files than are allowed at once."""

    code = "too_many_files"
    status = 413


class FileInUse(FileError):
    """Something refers to this file. With `?force=true` it is deleted all the same."""

    code = "file_in_use"
    status = 409


class UploadNotKnown(FileError):
    """No such upload is expected: it was completed, or its time is over. Announce it again."""

    code = "upload_not_found"
    status = 404


class UploadIncomplete(FileError):
    """The bytes of this upload have not arrived. Send them to `upload_url` first."""

    code = "upload_incomplete"
    status = 409


class UploadInterrupted(FileError):
    """The bytes were removed while they were being recorded. Send the files again."""

    code = "upload_interrupted"
    status = 409


class UploadMalformed(FileError):
    """The body is not a form with files: send `multipart/form-data` with the field `files`."""

    code = "upload_malformed"
    status = 400


class LinkRefused(FileError):
    """This link was not signed here, or its time is over. Ask for a new one."""

    code = "link_refused"
    status = 403


class UnknownFiles(PlanarError, ValueError):
    """A value refers to files that do not exist, or that whoever sent it may not see.

    Attributes:
        places: where each of them stands, and its id.
    """

    code: ClassVar[str] = "unknown_file"
    status: ClassVar[int] = 422

    def __init__(self, places: Sequence[tuple[Place, UUID]]) -> None:
        self.places = tuple(places)
        named = ", ".join(f"{'.'.join(map(str, place)) or 'the value'} ({file_id})" for place, file_id in self.places[:10])
        super().__init__(f"There is no such file: {named}. Upload it first, and send what the upload answered.")


class PathNotText(PlanarError, TypeError):
    """The content of a file is bytes, a stream of bytes or a Path; a text would be taken for a path by mistake."""

    code = "path_not_text"


class FilesNotAvailable(PlanarError, LookupError):
    """This app stores no files: its settings have no `storage`."""

    code = "storage_not_configured"
    status = 503
