"""What are links signed with? A key from the settings, or one that the first process makes and all others find in the database."""

from __future__ import annotations

import secrets

from planar.db.session import PlanarSession
from planar.files.config import FilesConfig
from planar.files.models import PlanarFileKey

_NAME = "links"


async def signing_key(session: PlanarSession, config: FilesConfig) -> bytes:
    """The key, made now if there is none.

    Args:
        session: one of its own, without work; it is committed.
        config: may have a key.
    """
    if config.signing_key is not None:
        return config.signing_key.get_secret_value().encode()
    return (await session.run_transaction(_find_or_make, session)).encode()


async def _find_or_make(session: PlanarSession) -> str:
    found = await session.get(PlanarFileKey, _NAME)
    if found is None:
        # Two processes at once: one of the transactions is repeated, and finds the other's key.
        found = PlanarFileKey(name=_NAME, secret=secrets.token_hex(32))
        session.add(found)
    return found.secret
