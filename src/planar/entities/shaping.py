"""What does a caller see of a row? Its fields in JSON types, without the hidden ones."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection
from typing import Any

from sqlmodel import SQLModel

from planar.entities.fields import Kind
from planar.entities.registration import RegisteredEntity


def shape_of(entity: RegisteredEntity, fields: Collection[str] | None = None) -> Callable[[SQLModel], dict[str, Any]]:
    """What makes the shown form of a row.

    Args:
        entity: of which the rows are.
        fields: which fields to show; None shows all that are not hidden, and computed ones.
    """
    shown = set(fields) if fields is not None else {*entity.visible, *entity.cls.model_computed_fields}
    # Bytes need not be text, and the class would take them for it.
    binary = {name for name in shown if name in entity.fields and entity.fields[name].kind is Kind.BYTES}
    plain = shown - binary

    def shape(row: SQLModel) -> dict[str, Any]:
        data = row.model_dump(mode="json", include=plain, warnings=False)
        for name in binary:
            value = getattr(row, name)
            data[name] = None if value is None else base64.b64encode(value).decode()
        return data

    return shape
