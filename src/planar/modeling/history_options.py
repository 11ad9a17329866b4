"""Which of an entity's fields have a history? All of them, unless the class or the field says otherwise."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from planar.modeling.entity_options import EntityOptions
from planar.modeling.field_helpers import FieldMarker


def has_history(entity: type[Any]) -> bool:
    """Whether changes of the rows of *entity* are kept."""
    options = getattr(entity, "entity_options", None)
    return options.history if isinstance(options, EntityOptions) else True


def deletes_softly(entity: type[Any]) -> bool:
    """Whether a row of *entity* is deleted by marking it."""
    options = getattr(entity, "entity_options", None)
    return isinstance(options, EntityOptions) and options.soft_delete


def unrecorded_fields(entity: type[Any]) -> frozenset[str]:
    """The fields of *entity* that are marked ``NoHistory``."""
    return _marked(entity, FieldMarker.NO_HISTORY)


def masked_fields(entity: type[Any]) -> frozenset[str]:
    """The fields of *entity* that are marked ``Hidden``: that they changed is kept, their values are not."""
    return _marked(entity, FieldMarker.HIDDEN)


def _marked(entity: type[Any], marker: FieldMarker) -> frozenset[str]:
    fields = entity.model_fields if issubclass(entity, BaseModel) else {}
    # By type as well: a text among the metadata of a field may equal the marker.
    return frozenset(
        name for name, field in fields.items() if any(isinstance(mark, FieldMarker) and mark is marker for mark in field.metadata)
    )
