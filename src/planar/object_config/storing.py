"""How is a version stored, made the one that is used, or removed? Each in the caller's transaction, under the object's lock."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import delete, insert, update
from uuid_utils.compat import uuid7

from planar.clock import utc_now
from planar.context import current_actor, current_run_place
from planar.db.session import PlanarSession
from planar.object_config.diagnostics import ConfigDiagnostics
from planar.object_config.errors import ConfigNotDeletable, ConfigNotFoundError
from planar.object_config.lifecycle import ConfigState, checked, is_deletable, promoted, replaced
from planar.object_config.reading import ActiveVersion, StoredVersion, find_active, find_version
from planar.object_config.statements import PROMOTIONS, VERSIONS, changed, lock_object
from planar.object_config.texts import fingerprint_of

SYSTEM = "system"
"""Who acts when nobody is named."""


class ObjectKey(NamedTuple):
    """An object, by its type and its name. A tuple, which is hashed at each use of a version, and fast."""

    object_type: str
    object_name: str


async def insert_version(
    session: PlanarSession, key: ObjectKey, text: str, *, comment: str | None, diagnostics: ConfigDiagnostics[Any] | None
) -> StoredVersion:
    """Store *text* under the next number. Without *diagnostics* it is a draft that nobody has checked."""
    numbers = await lock_object(session, key.object_type, key.object_name, versions=1)
    who, email = _actor()
    row = StoredVersion(
        id=uuid7(),
        object_name=key.object_name,
        object_type=key.object_type,
        created_at=utc_now(),
        version=numbers.version,
        active=False,
        state=checked(ConfigState.DRAFT, is_valid=diagnostics is not None and diagnostics.is_valid),
        author=who,
        author_email=email,
        comment=comment,
        fingerprint=fingerprint_of(text),
        promoted_at=None,
        data=text,
        diagnostics=_plain(diagnostics),
    )
    await changed(session, insert(VERSIONS).values({name: getattr(row, name) for name in VERSIONS.c.keys()}))  # noqa: SIM118 - columns
    return row


async def record_check(session: PlanarSession, stored: StoredVersion, diagnostics: ConfigDiagnostics[Any]) -> StoredVersion:
    """Keep what a check has found.

    Raises:
        ConfigNotFoundError: the version was deleted meanwhile.
    """
    current = await _locked(session, stored)
    state = checked(current.state, is_valid=diagnostics.is_valid)
    values = {"state": state, "diagnostics": _plain(diagnostics)}
    await changed(session, update(VERSIONS).where(VERSIONS.c.id == stored.id).values(values))
    return replace(current, state=state, diagnostics=values["diagnostics"])


async def activate(session: PlanarSession, stored: StoredVersion, diagnostics: ConfigDiagnostics[Any], comment: str | None) -> bool:
    """Make *stored* the one that is used. Returns False if it was already.

    Raises:
        ConfigNotFoundError: the version was deleted meanwhile.
    """
    key = ObjectKey(stored.object_type, stored.object_name)
    numbers = await lock_object(session, key.object_type, key.object_name, promotions=1)
    before = await find_active(session, key.object_type, key.object_name)
    if before is not None and before.id == stored.id:
        return False
    if before is not None:
        await _retire(session, before)
    now = utc_now()
    values = {"active": True, "state": promoted(stored.state), "promoted_at": now, "diagnostics": _plain(diagnostics)}
    if await changed(session, update(VERSIONS).where(VERSIONS.c.id == stored.id).values(values)) == 0:
        raise ConfigNotFoundError(stored.id, stored.object_type)
    await _note(session, key, numbers.promotion, before, ActiveVersion(stored.id, stored.version), comment)
    return True


async def deactivate(session: PlanarSession, key: ObjectKey, comment: str | None) -> bool:
    """Let the code's own version be used. Returns False if it was already."""
    numbers = await lock_object(session, key.object_type, key.object_name, promotions=1)
    before = await find_active(session, key.object_type, key.object_name)
    if before is None:
        return False
    await _retire(session, before)
    await _note(session, key, numbers.promotion, before, None, comment)
    return True


async def remove(session: PlanarSession, stored: StoredVersion) -> None:
    """Delete a version that was never active.

    Raises:
        ConfigNotFoundError: it was deleted meanwhile.
        ConfigNotDeletable: it was active once.
    """
    current = await _locked(session, stored)
    if not is_deletable(current.state):
        raise ConfigNotDeletable
    await changed(session, delete(VERSIONS).where(VERSIONS.c.id == stored.id))


async def _locked(session: PlanarSession, stored: StoredVersion) -> StoredVersion:
    await lock_object(session, stored.object_type, stored.object_name)
    current = await find_version(session, stored.id)
    if current is None:
        raise ConfigNotFoundError(stored.id, stored.object_type)
    return current


async def _retire(session: PlanarSession, active: ActiveVersion) -> None:
    values = {"active": False, "state": replaced(ConfigState.ACTIVE)}
    await changed(session, update(VERSIONS).where(VERSIONS.c.id == active.id).values(values))


async def _note(
    session: PlanarSession, key: ObjectKey, number: int, before: ActiveVersion | None, after: ActiveVersion | None, comment: str | None
) -> None:
    who, email = _actor()
    place = current_run_place()
    row: dict[str, Any] = {
        "id": uuid7(),
        "object_type": key.object_type,
        "object_name": key.object_name,
        "number": number,
        "promoted_at": utc_now(),
        "promoted_by": who,
        "promoted_by_email": email,
        "comment": comment,
        "from_config_id": _id(before),
        "from_version": 0 if before is None else before.version,
        "to_config_id": _id(after),
        "to_version": 0 if after is None else after.version,
        "run_id": place.run_id if place is not None else None,
        "step_id": place.step_id if place is not None else None,
    }
    await changed(session, insert(PROMOTIONS).values(row))


def _id(version: ActiveVersion | None) -> UUID | None:
    return None if version is None else version.id


def _actor() -> tuple[str, str | None]:
    actor = current_actor()
    return (SYSTEM, None) if actor is None else (actor.sub or SYSTEM, actor.user_email)


def _plain(diagnostics: ConfigDiagnostics[Any] | None) -> dict[str, Any] | None:
    return None if diagnostics is None else diagnostics.model_dump(mode="json", by_alias=True)
