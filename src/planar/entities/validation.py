"""Does what was sent make a row? Checked by the class itself, whose validators run once for each value.

A new row goes through all that its class says. A change goes through the validators of its fields and, with the rest of the row,
through the model validators of mode ``after``; those of mode ``before`` and ``wrap`` would see half a row, and are for new ones.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError, PydanticUndefined
from sqlalchemy.orm import configure_mappers
from sqlalchemy.orm.attributes import set_attribute
from sqlmodel import SQLModel

from planar.entities.fields import Kind, ServedField
from planar.entities.registration import RegisteredEntity
from planar.entities.values import WrittenNumber, misfit_of, to_bytes
from planar.modeling.errors import Misfits

MAX_MISFITS: Final = 100
"""How many rows that do not fit are told of one request."""

Entry = dict[str, Any]
"""One thing that does not fit: its ``type``, ``loc``, ``msg``, and perhaps ``input`` and ``ctx``."""

Location = tuple[str | int, ...]


def entry(kind: str, loc: Location, message: str, **more: Any) -> Entry:
    """An entry of `Misfits`."""
    return {"type": kind, "loc": loc, "msg": message, **more}


def new_row(entity: RegisteredEntity, value: Mapping[str, Any], *, with_key: bool = False) -> SQLModel:
    """A row that is in no session yet.

    Args:
        entity: what it is a row of.
        value: its fields by name, in Python's or in JSON's types.
        with_key: whether the key may be given, though the program would make one.

    Raises:
        Misfits: a field is unknown, not for callers, missing or wrong.
    """
    form = entity.import_model if with_key else entity.create_model
    entries = _foreign(entity, form, value)
    known, unreadable = _decoded(entity, {name: item for name, item in value.items() if name in form.model_fields})
    try:
        row = _validated(entity, known)
    except ValidationError as error:
        raise Misfits([*entries, *unreadable, *_entries_of(error)]) from None
    entries += unreadable + _column_misfits(entity.fields.values(), lambda name: getattr(row, name))
    if entries:
        raise Misfits(entries)
    return row


def new_rows(
    entity: RegisteredEntity, values: Sequence[Mapping[str, Any]], loc: Location = (), *, with_key: bool = False
) -> list[SQLModel]:
    """Rows that are in no session yet; *loc* is where their list stands in the request.

    Raises:
        Misfits: some do not fit; up to `MAX_MISFITS` rows are told of, each by its place in the list.
    """
    rows: list[SQLModel] = []
    bad = BadRows(loc)
    for index, value in enumerate(values):
        with bad.at(index):
            rows.append(new_row(entity, value, with_key=with_key))
    bad.raise_if_any()
    return rows


def changes_of(entity: RegisteredEntity, value: Mapping[str, Any], *, whole: bool = False) -> dict[str, Any]:
    """What *value* sets, by field.

    Args:
        entity: what is changed.
        value: fields by name, in Python's or in JSON's types.
        whole: whether it replaces the row: what is left out gets its default then.

    Raises:
        Misfits: a field is unknown, not to be changed, or wrong.
    """
    form = entity.replace_model if whole else entity.update_model
    entries = _foreign(entity, form, value)
    known, unreadable = _decoded(entity, {name: item for name, item in value.items() if name in form.model_fields})
    try:
        read = form.model_validate(known)
    except ValidationError as error:
        raise Misfits([*entries, *unreadable, *_entries_of(error)]) from None
    changes = {name: getattr(read, name) for name in form.model_fields if whole or name in read.model_fields_set}
    entries += unreadable + _column_misfits([entity.fields[name] for name in changes], changes.__getitem__)
    if entries:
        raise Misfits(entries)
    return changes


def apply_changes(entity: RegisteredEntity, row: SQLModel, changes: Mapping[str, Any]) -> None:
    """Set *changes*, as `changes_of` read them, and let the class look at the whole row.

    Raises:
        Misfits: a model validator refuses it. The row is changed all the same, so the transaction has to be undone.
    """
    for name, value in changes.items():
        if getattr(row, name) != value or type(getattr(row, name)) is not type(value):
            set_attribute(row, name, value)
    for item in entity.cls.__pydantic_decorators__.model_validators.values():
        if item.info.mode == "after":
            _look(item.func, row)
    entries = _column_misfits(entity.fields.values(), lambda name: getattr(row, name))
    if entries:
        raise Misfits(entries)


class BadRows:
    """Collects what does not fit of many rows.

    Args:
        loc: where their list stands in the request.
    """

    def __init__(self, loc: Location) -> None:
        self._loc = loc
        self._entries: list[Entry] = []
        self._rows = 0
        self._index = 0

    def at(self, index: int) -> BadRows:
        """For ``with``: a `Misfits` in the block belongs to the row at *index*, and the next row has its turn."""
        self._index = index
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, Misfits):
            return False
        self._rows += 1
        if self._rows <= MAX_MISFITS:
            self._entries.extend({**found, "loc": (*self._loc, self._index, *found["loc"])} for found in error.entries)
        return True

    def raise_if_any(self) -> None:
        """Raise the `Misfits` of all rows, if there are any."""
        if self._rows > MAX_MISFITS:
            self._entries.append(entry("too_many_errors", self._loc, f"{self._rows - MAX_MISFITS} more rows do not fit."))
        if self._entries:
            raise Misfits(self._entries)


def _foreign(entity: RegisteredEntity, form: type[BaseModel], value: Mapping[str, Any]) -> list[Entry]:
    """An entry for each field that the form does not have."""
    return [
        entry("extra_forbidden", (name,), _why_foreign(entity.fields.get(name)), input=item)
        for name, item in value.items()
        if name not in form.model_fields
    ]


def _why_foreign(field: ServedField | None) -> str:
    if field is None or field.hidden:
        return "Extra inputs are not permitted"
    if field.read_only:
        return "Extra inputs are not permitted: this field is set by the server"
    return "Extra inputs are not permitted: this field is given once, when the row is made"


def _decoded(entity: RegisteredEntity, value: Mapping[str, Any]) -> tuple[dict[str, Any], list[Entry]]:
    """*value* with the bytes that its texts in base64 stand for, and its decimals as they were written."""
    known, entries = dict(value), list[Entry]()
    for name, item in value.items():
        if isinstance(item, WrittenNumber) and entity.fields[name].kind is Kind.DECIMAL:
            known[name] = item.text
        if entity.fields[name].kind is Kind.BYTES:
            try:
                known[name] = to_bytes(value[name])
            except ValueError as error:
                entries.append(entry("bytes_invalid_encoding", (name,), str(error)))
                known[name] = b""
    return known, entries


def _validated(entity: RegisteredEntity, value: Mapping[str, Any]) -> SQLModel:
    """A row of *value*, which its class has looked at once.

    SQLModel's own ``model_validate`` checks the fields of such a class a second time as it assigns them, which takes several times
    as long, and a validator that changes a value would change it twice.

    Raises:
        pydantic.ValidationError: it does not fit.
    """
    configure_mappers()
    row: SQLModel = entity.mapper.class_manager.new_instance()
    held = vars(row)
    entity.cls.__pydantic_validator__.validate_python(_by_alias(entity.cls, value), self_instance=row)
    read = vars(row)
    object.__setattr__(row, "__dict__", held)
    for name, item in read.items():
        if name in entity.fields:
            set_attribute(row, name, item)
        else:
            held[name] = item
    return row


def _by_alias(cls: type[SQLModel], value: Mapping[str, Any]) -> dict[str, Any]:
    """*value* under the names by which the class itself reads its fields."""
    if cls.model_config.get("populate_by_name") or cls.model_config.get("validate_by_name"):
        return dict(value)
    aliases = {name: cls.model_fields[name].validation_alias for name in value}
    return {alias if isinstance(alias := aliases[name], str) else name: item for name, item in value.items()}


def _entries_of(error: ValidationError) -> list[Entry]:
    return [cast("Entry", {**found}) for found in error.errors(include_url=False)]


def _column_misfits(fields: Any, get: Callable[[str], Any]) -> list[Entry]:
    found: list[Entry] = []
    for field in fields:
        value = get(field.name)
        message = None if value is PydanticUndefined else misfit_of(field, value)
        if message is not None:
            found.append(entry("value_error", (field.name,), message))
    return found


def _look(validator: Callable[..., Any], row: SQLModel) -> None:
    """Let a model validator look at *row*; one that takes the pydantic information as well gets none."""
    takes_information = len(inspect.signature(validator).parameters) > 1
    try:
        validator(row, None) if takes_information else validator(row)
    except ValidationError as error:
        raise Misfits(_entries_of(error)) from None
    except PydanticCustomError as error:
        raise Misfits([entry(error.type, (), error.message())]) from None
    except (ValueError, AssertionError) as error:
        raise Misfits([entry("value_error", (), f"Value error, {error}")]) from None
