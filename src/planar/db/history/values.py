"""How are the values of a row written, so that they can be read by people and restored exactly? As JSON, by the names of fields.

Decimals are strings with their digits, moments ISO 8601 in UTC, UUIDs their text, enums their values, bytes base64, JSON itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, cast

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter
from pydantic_core import from_json, to_json
from sqlalchemy import Column

from planar.modeling.column_types import ExactDecimal
from planar.modeling.history_options import masked_fields

MASK: Final = "***"
"""Stands for the value of a hidden field."""

_EXACT: Final = ConfigDict(val_json_bytes="base64", ser_json_bytes="base64", ser_json_inf_nan="strings")


def as_stored(column: Column[Any], value: Any) -> Any:
    """*value* as it comes back from the database: moments in UTC, decimals rounded to their column."""
    if isinstance(value, datetime):
        return value if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, Decimal) and isinstance(column.type, ExactDecimal):
        return column.type.fitted(value)
    return value


def written(values: Mapping[str, Any], masked: frozenset[str] = frozenset()) -> str:
    """*values* as a JSON object; of *masked* fields only whether there is a value."""
    shown = {name: MASK if name in masked and value is not None else value for name, value in values.items()}
    # A float of the columns may be infinite, and what a column of the user's own type holds is unknown.
    return to_json(shown, bytes_mode="base64", inf_nan_mode="strings", fallback=str).decode()


def restored(entity: type[BaseModel], text: str | None) -> dict[str, Any]:
    """The values in *text* as the fields of *entity* hold them, by name; masked ones and fields that it has no longer are left out.

    Args:
        entity: the class whose row it was.
        text: ``before`` or ``after`` of a `PlanarEntityChange`.

    Raises:
        pydantic.ValidationError: a field has another type today.
    """
    values = cast("dict[str, Any]", from_json(text)) if text is not None else {}
    hidden = masked_fields(entity)
    known = {name: value for name, value in values.items() if name in entity.model_fields and name not in hidden}
    return {name: _adapter(entity, name).validate_json(to_json(value)) for name, value in known.items()}


@lru_cache(maxsize=4096)
def _adapter(entity: type[BaseModel], name: str) -> TypeAdapter[Any]:
    """Reads one field. Without the field's constraints: what was stored once may break rules of today."""
    annotation: Any = entity.model_fields[name].annotation
    try:
        return TypeAdapter(annotation, config=_EXACT)
    except PydanticUserError:  # a model, which has settings of its own
        return TypeAdapter(annotation)
