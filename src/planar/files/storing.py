"""How do bytes arrive? Looked at, counted and hashed on their way to the storage; only then may anything refer to them."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass

from planar.files.config import FilesConfig
from planar.files.content_types import HEAD_BYTES, bare, matches, normal_type, recorded_type
from planar.files.errors import FileSizeMismatch, FileTypeRefused
from planar.files.filenames import clean_filename
from planar.files.storage.base import Storage, StoredBytes
from planar.files.storage.errors import FileTooLarge
from planar.files.verifying import peeked


@dataclass(frozen=True, slots=True)
class Arrived:
    """Bytes that lie in the storage and have no record yet, with the name and the type that it will have."""

    stored: StoredBytes
    filename: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What is taken: at most *max_bytes* (None: any number), of a type that *check* lets pass."""

    max_bytes: int | None = None
    check: Callable[[str, str], None] | None = None


EVERYTHING = Acceptance()
"""What the application itself stores is not limited."""


def acceptance_of(config: FilesConfig) -> Acceptance:
    """What the settings allow clients to send."""

    def check(claimed: str, recorded: str) -> None:
        is_allowed = not config.allowed_types or matches(recorded, config.allowed_types)
        for kind, is_taken in ((recorded, is_allowed), (claimed, True)):
            if not is_taken or matches(kind, config.refused_types):
                raise FileTypeRefused(f"Files of the type {bare(kind)} are not taken here.{_instead(config)}")

    return Acceptance(config.max_file_bytes, check)


async def store(
    storage: Storage,
    stream: AsyncIterable[bytes],
    filename: str | None,
    claimed: str | None,
    *,
    accept: Acceptance = EVERYTHING,
    size: int | None = None,
) -> Arrived:
    """Put *stream* into *storage*; nothing of it remains there if this raises.

    Args:
        storage: where to.
        stream: the bytes.
        filename: the name that was given, of any form.
        claimed: the type that was claimed, of any form.
        accept: what is taken.
        size: how many bytes were announced, if that is to be checked.

    Raises:
        FileTooLarge, FileTypeRefused: it is not taken.
        FileSizeMismatch: there are more or fewer than *size* bytes.
    """
    name = clean_filename(filename)
    stated = normal_type(claimed, name)
    head, whole = await peeked(stream, HEAD_BYTES)
    kind = recorded_type(stated, head)
    if accept.check is not None:
        accept.check(stated, kind)
    try:
        stored = await storage.write(whole, mime_type=kind, max_bytes=_least(accept.max_bytes, size))
    except FileTooLarge:
        if size is not None and (accept.max_bytes is None or size < accept.max_bytes):
            raise FileSizeMismatch(f"{name!r} has more than the {size} bytes that were announced.") from None
        raise FileTooLarge(f"{name!r} is larger than the {accept.max_bytes} bytes that are allowed (files.max_file_bytes).") from None
    if size is not None and stored.size != size:
        await storage.delete(stored.ref)
        raise FileSizeMismatch(f"{name!r} has {stored.size} bytes, {size} were announced.")
    return Arrived(stored, name, kind)


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _instead(config: FilesConfig) -> str:
    return f" Allowed are: {', '.join(config.allowed_types)}." if config.allowed_types else ""
