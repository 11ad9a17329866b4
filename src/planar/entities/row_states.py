"""How does a row wait that was validated now and is written later? As its values, without the part that SQLAlchemy keeps of it."""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlmodel import SQLModel

from planar.entities.registration import RegisteredEntity

RowState: TypeAlias = dict[str, Any]

_VALUES = "__dict__"
_SQLALCHEMY = "_sa_instance_state"


def state_of(row: SQLModel) -> RowState:
    """What makes *row*, which is in no session."""
    state = dict(row.__getstate__())
    state[_VALUES] = {name: value for name, value in state[_VALUES].items() if name != _SQLALCHEMY}
    return state


def row_of(entity: RegisteredEntity, state: RowState) -> SQLModel:
    """A new row of *state*; no validator looks at it again."""
    row: SQLModel = entity.mapper.class_manager.new_instance()
    vars(row).update(state[_VALUES])
    for name, value in state.items():
        if name != _VALUES:
            object.__setattr__(row, name, value)
    return row
