"""Which of an entity's fields have a history? All of them, unless the class or the field says otherwise."""

from __future__ import annotations

from typing import Any, Final, cast

from pydantic import BaseModel
from pydantic.fields import FieldInfo


class NoHistory:
    """Marks a field of which no history is kept: ``Annotated[str, NoHistory]``, or ``Annotated[str, NoHistory()]``.

    A change of such fields alone leaves no trace at all. For a whole class: ``entity_options = EntityOptions(history=False)``.
    """


def has_history(entity: type[Any]) -> bool:
    """Whether changes of the rows of *entity* are kept; the options of the class may say no."""
    return bool(getattr(getattr(entity, "entity_options", None), "history", True))


def unrecorded_fields(entity: type[Any]) -> frozenset[str]:
    """The fields of *entity* that are marked `NoHistory`."""
    return frozenset(name for name, field in _fields(entity).items() if is_marked(field, "NoHistory"))


def masked_fields(entity: type[Any]) -> frozenset[str]:
    """The fields of *entity* that are marked ``Hidden``: that they changed is kept, their values are not."""
    return frozenset(name for name, field in _fields(entity).items() if is_marked(field, "Hidden"))


def is_marked(field: FieldInfo, marker: str) -> bool:
    """Whether *field* carries a marker of that name, as a class or as an object of it."""
    return any((mark if isinstance(mark, type) else cast("type[Any]", type(mark))).__name__ == marker for mark in field.metadata)


_NO_FIELDS: Final[dict[str, FieldInfo]] = {}


def _fields(entity: type[Any]) -> dict[str, FieldInfo]:
    return entity.model_fields if issubclass(entity, BaseModel) else _NO_FIELDS
