"""What is an entity? A table of the application, with a key, signatures, checked assignment and exact numbers."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from sqlalchemy import Column, Connection, Numeric, event
from sqlalchemy.orm import Mapper
from sqlalchemy.types import DECIMAL
from sqlmodel.main import SQLModelMetaclass

from planar.logging import get_logger
from planar.modeling.column_types import ExactDecimal
from planar.modeling.metadata import PLANAR_APPLICATION_METADATA
from planar.modeling.mixins.auditable import AuditableMixin
from planar.modeling.mixins.uuid_primary_key import UUIDPrimaryKeyMixin

logger = get_logger(__name__)


class EntityMeta(SQLModelMetaclass):
    """Gives the decimals of a table a column in which they stay exact on SQLite as well."""

    def __new__(cls, name: str, bases: tuple[type[Any], ...], class_dict: dict[str, Any], **kwargs: Any) -> Any:
        entity = super().__new__(cls, name, bases, class_dict, **kwargs)
        for attribute in cast("dict[str, Any]", vars(entity)).values():
            _make_exact(attribute)
        return entity


def _make_exact(attribute: Any) -> None:
    if not isinstance(attribute, Column):
        return
    column = cast("Column[Any]", attribute)
    kind = column.type
    if type(kind) in (Numeric, DECIMAL) and isinstance(kind, Numeric) and kind.asdecimal:
        column.type = ExactDecimal(kind.precision, kind.scale)


class PlanarBaseEntity(AuditableMixin, UUIDPrimaryKeyMixin, metaclass=EntityMeta):
    """The base of an application's tables: ``class Invoice(PlanarBaseEntity, table=True)``.

    Fields are checked at construction and at assignment, `Decimal` fields are exact, `datetime` fields are aware and in UTC. The
    table is named after the class, in lower case, unless ``__tablename__`` says otherwise. A deletion is logged.
    """

    metadata = PLANAR_APPLICATION_METADATA
    model_config: ClassVar[Any] = {"validate_assignment": True}

    def __setattr__(self, name: str, value: Any) -> None:
        held = vars(self)
        super().__setattr__(name, value)
        # A checked assignment gives the object another dictionary; SQLAlchemy may be writing the one that it had, and would miss
        # what an event handler assigns.
        assigned = vars(self)
        if assigned is not held:
            held.clear()
            held.update(assigned)
            object.__setattr__(self, "__dict__", held)


@event.listens_for(PlanarBaseEntity, "after_delete", propagate=True)
def _log_deletion(mapper: Mapper[Any], _connection: Connection, target: PlanarBaseEntity) -> None:
    logger.info("entity deleted", table=str(mapper.local_table), key=str(target.id))
