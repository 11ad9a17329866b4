"""Which row does a text mean? Read as the key of its entity is; what the database could not look for is no key."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from planar.entities.fields import Kind
from planar.entities.registration import RegisteredEntity
from planar.entities.validation import entry
from planar.entities.values import integer_misfit
from planar.modeling.errors import Misfits
from planar.modeling.texts import text_misfit


def read_key(entity: RegisteredEntity, text: object, loc: tuple[str | int, ...] = ("path", "instance_id")) -> Any:
    """The key that a text stands for.

    Raises:
        Misfits: it stands for none.
    """
    field = entity.fields[entity.key]
    try:
        key = entity.key_adapter.validate_python(text)
    except ValidationError as error:
        raise Misfits([{**found, "loc": (*loc, *found["loc"])} for found in error.errors(include_url=False)]) from None
    message = text_misfit(key) if isinstance(key, str) else integer_misfit(field.column.type, key) if field.kind is Kind.INTEGER else None
    if message is not None:
        raise Misfits([entry("value_error", loc, message)])
    return key


def find_key(entity: RegisteredEntity, text: object) -> Any:
    """The key that a text stands for, or None."""
    try:
        return read_key(entity, text)
    except Misfits:
        return None
