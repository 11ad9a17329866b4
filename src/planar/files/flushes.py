"""Are the files there that rows begin to name? Asked whenever code writes such rows, so that nobody deletes the files meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import select
from sqlalchemy.orm import Mapper, Session, object_mapper
from sqlalchemy.orm.attributes import get_history
from sqlalchemy.orm.base import PASSIVE_NO_INITIALIZE
from sqlmodel import col

from planar.files.errors import UnknownFiles
from planar.files.models import PlanarFile, PlanarFileMetadata

NAMES_FILES: Final = "names_files"
"""The attribute of a column's type which says that the column holds ids of files."""

_BATCH: Final = 500
_fields: WeakKeyDictionary[Mapper[Any], tuple[str, ...]] = WeakKeyDictionary()


def hold_files(session: Session, _context: Any) -> None:
    """Make sure that the files exist which the flush wrote into rows: one statement, and none if it wrote no file.

    Raises:
        UnknownFiles: some do not. The flush is undone.
    """
    # After the rows were written: on SQLite this session has the write lock now. On PostgreSQL whoever deletes a file holds its
    # record, which is waited for here; and waits for this transaction, if that came first.
    named = dict(_named(session))
    wanted = sorted(named)
    for start in range(0, len(wanted), _BATCH):
        batch, key = wanted[start : start + _BATCH], col(PlanarFileMetadata.id)
        query = select(key).where(key.in_(batch)).order_by(key).with_for_update(read=True, key_share=True)
        there = set(session.connection().execute(query).scalars())
        gone = [((named[file_id],), file_id) for file_id in batch if file_id not in there]
        if gone:
            raise UnknownFiles(gone)


def _named(session: Session) -> Iterator[tuple[UUID, str]]:
    """The ids that rows did not name before, and the field of each."""
    for instance in chain(session.new, session.dirty):
        for name in _fields_of(object_mapper(instance)):
            for value in get_history(instance, name, PASSIVE_NO_INITIALIZE).added or ():
                file_id = value.id if isinstance(value, PlanarFile) else value
                # What the database calculates is not known here.
                if isinstance(file_id, UUID):
                    yield file_id, name


def _fields_of(mapper: Mapper[Any]) -> tuple[str, ...]:
    found = _fields.get(mapper)
    if found is None:
        found = tuple(each.key for each in mapper.column_attrs if getattr(each.columns[0].type, NAMES_FILES, False))
        _fields[mapper] = found
    return found
