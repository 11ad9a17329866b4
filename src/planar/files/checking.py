"""Are the files real that somebody sends? Checked against their records, wherever in a value they stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import fields, is_dataclass
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlmodel import col

from planar.db.session import PlanarSession, get_session
from planar.files.errors import Place, UnknownFiles
from planar.files.models import PlanarFile, PlanarFileMetadata
from planar.files.statements import scalars
from planar.security.actions import FileAction
from planar.security.authorization import is_allowed
from planar.security.resources import FileResource

_BATCH = 500


async def check_files(value: Any, place: Place = ()) -> list[tuple[Place, UUID]]:
    """Make every `PlanarFile` in *value*, at any depth, say what its record says; name, type and size of the sender do not count.

    Costs one statement, and nothing if there is no file in it. Needs a session: a request's, or a step's.

    Args:
        value: a model, a dataclass, a mapping, a list or whatever else was read from a request. Files in it are changed in place.
        place: where *value* itself stands, for the error.

    Returns:
        The place and the id of each file.

    Raises:
        UnknownFiles: some do not exist, or are not for whoever acts to see; it names the place of each.
    """
    found = list(files_in(value, place))
    if not found:
        return []
    records = await visible_files(get_session(), {file.id for _, file in found})
    unknown = [(where, file.id) for where, file in found if file.id not in records]
    if unknown:
        raise UnknownFiles(unknown)
    for _, file in found:
        stored = records[file.id]
        if file is not stored:
            file.filename, file.content_type, file.size = stored.filename, stored.content_type, stored.size
    return [(where, file.id) for where, file in found]


async def visible_files(session: PlanarSession, ids: Set[UUID], *, hold: bool = False) -> dict[UUID, PlanarFileMetadata]:
    """The records of those files of *ids* that exist and are for whoever acts to see, by their ids; one statement for 500 ids.

    With *hold* nobody can delete them before the transaction of *session* ends.
    """
    records = await _records(session, ids, hold)
    return {key: record for key, record in records.items() if is_allowed(FileResource(str(key)), FileAction.VIEW_DETAILS)}


def files_in(value: Any, place: Place = ()) -> Iterator[tuple[Place, PlanarFile]]:
    """Each `PlanarFile` in *value*, and where it stands."""
    open_: list[tuple[Place, Any]] = [(place, value)]
    seen: set[int] = set()
    while open_:
        where, item = open_.pop()
        if isinstance(item, PlanarFile):
            yield where, item
            continue
        inner = [(part, each) for part, each in _parts(item) if not isinstance(each, _PLAIN)]
        if inner and id(item) not in seen:
            seen.add(id(item))
            # The last is taken first, so that they come in their order.
            open_.extend(((*where, part), each) for part, each in reversed(inner))


_PLAIN = (str, bytes, int, float, bool, type(None), UUID)


def _parts(item: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(item, BaseModel):
        return [*vars(item).items(), *(item.__pydantic_extra__ or {}).items()]
    if is_dataclass(item) and not isinstance(item, type):
        return [(field.name, getattr(item, field.name, None)) for field in fields(item)]
    if isinstance(item, Mapping):
        return [(str(key), each) for key, each in cast("Mapping[Any, Any]", item).items()]
    if isinstance(item, (list, tuple, Set)):
        return list(enumerate(cast("Iterable[Any]", item)))
    return ()


async def _records(session: PlanarSession, ids: Set[UUID], hold: bool) -> dict[UUID, PlanarFileMetadata]:
    wanted = sorted(ids)
    records: dict[UUID, PlanarFileMetadata] = {}
    for start in range(0, len(wanted), _BATCH):
        query = select(PlanarFileMetadata).where(col(PlanarFileMetadata.id).in_(wanted[start : start + _BATCH]))
        if hold:
            query = query.order_by(col(PlanarFileMetadata.id)).with_for_update(read=True, key_share=True)
        records.update({row.id: row for row in await scalars(session, query)})
    return records
