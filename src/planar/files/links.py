"""Signed links: to download one file, or to send the bytes of one upload, without being known to the app."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID
from weakref import WeakKeyDictionary

from planar.clock import Clock
from planar.context import current_services
from planar.db.manager import DatabaseManager
from planar.files.errors import LinkRefused
from planar.files.keys import signing_key
from planar.files.service import FileService
from planar.files.signing import Grant


class LinkSigner:
    """Signs and checks links for one app. The key is read once from each database.

    Args:
        files: whose settings may have a key.
    """

    def __init__(self, files: FileService) -> None:
        self._files = files
        self._keys: WeakKeyDictionary[DatabaseManager, bytes] = WeakKeyDictionary()

    async def sign(self, method: str, file_id: UUID, seconds: int, *, inline: bool = False) -> tuple[str, datetime]:
        """The query of a link that allows *method* on *file_id* for *seconds*, and when it ends."""
        ends = (_now() + timedelta(seconds=seconds)).replace(microsecond=0)
        return Grant(method, file_id, int(ends.timestamp()), inline).query(await self._signing_key()), ends

    async def check(self, grant: Grant, signature: str) -> None:
        """Let the holder of a link pass.

        Raises:
            LinkRefused: it was not signed here for exactly this, or its time is over.
        """
        if not grant.is_signed(await self._signing_key(), signature) or datetime.fromtimestamp(grant.expires, UTC) <= _now():
            raise LinkRefused

    async def _signing_key(self) -> bytes:
        manager = current_services().get(DatabaseManager)
        key = self._keys.get(manager)
        if key is None:
            # Not the request's session, which may have work.
            async with manager.get_session(label="key of links") as session:
                key = self._keys[manager] = await signing_key(session, self._files.config)
        return key


def _now() -> datetime:
    return current_services().get(Clock).now()
