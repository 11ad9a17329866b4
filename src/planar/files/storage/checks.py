"""Is that a reference, a moment, a type? What every storage asks of its arguments before it acts."""

from __future__ import annotations

import re
from datetime import datetime

from uuid_utils.compat import uuid7

from planar.files.storage.errors import InvalidStorageRef, StoredFileNotFound

LONGEST_TTL_SECONDS = 7 * 24 * 3600
"""No service accepts a signed address that is valid for longer."""

_REF = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_PREFIX = re.compile(r"(?!\.)[\w.=-]+(?:/(?!\.)[\w.=-]+)*", re.ASCII)
_MIME_TYPE = re.compile(r"[\x20-\x7e]{1,255}")


def new_ref() -> str:
    """A reference that nobody has."""
    return str(uuid7())


def is_ref(text: str) -> bool:
    """Could a storage have given *text* as a reference?"""
    return _REF.fullmatch(text) is not None


def missing(ref: str) -> StoredFileNotFound:
    """The error of a reference under which nothing is stored."""
    return StoredFileNotFound(f"Nothing is stored under {ref}.", ref=ref)


def checked_ref(ref: str) -> str:
    """*ref*, if it is one: then it is safe as the name of a file and as a key.

    Raises:
        InvalidStorageRef: it is not. The message does not repeat it.
    """
    if not is_ref(ref):
        raise InvalidStorageRef
    return ref


def checked_mime_type(mime_type: str | None) -> str | None:
    """*mime_type*, if it can stand in a header.

    Raises:
        ValueError: it is empty, too long, or has control characters or letters beyond ASCII.
    """
    if mime_type is not None and not _MIME_TYPE.fullmatch(mime_type):
        raise ValueError("A content type is 1 to 255 printable ASCII characters, such as application/pdf.")
    return mime_type


def checked_moment(moment: datetime) -> datetime:
    """*moment*, if it is aware.

    Raises:
        ValueError: it has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("Give a moment with its time zone: datetime.now(UTC), not datetime.now().")
    return moment


def checked_ttl(ttl_seconds: int) -> int:
    """*ttl_seconds*, if an address can be valid for so long.

    Raises:
        ValueError: it is less than a second or more than seven days.
    """
    if not 1 <= ttl_seconds <= LONGEST_TTL_SECONDS:
        raise ValueError(f"A signed address is valid for 1 to {LONGEST_TTL_SECONDS} seconds, not {ttl_seconds}.")
    return ttl_seconds


def checked_prefix(prefix: str) -> str:
    """*prefix* as keys begin with it: empty, or with one slash at its end.

    Raises:
        ValueError: it is no path of plain names.
    """
    path = prefix.strip("/")
    if path and not _PREFIX.fullmatch(path):
        raise ValueError("A prefix is a path of plain names, such as files/production.")
    return f"{path}/" if path else ""
