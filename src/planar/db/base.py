"""What do the framework's own tables have in common? Their schema, the form of their names, and checked assignment."""

from __future__ import annotations

from typing import Any

from sqlalchemy import MetaData
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

from planar.utils import camel_case_to_snake_case

PLANAR_SCHEMA = "planar"
"""The schema of the framework's tables on PostgreSQL; on SQLite they stand beside the application's."""

PLANAR_FRAMEWORK_METADATA = MetaData(schema=PLANAR_SCHEMA)
"""Every table that belongs to the framework."""


class PlanarInternalBase(SQLModel, registry=registry(metadata=PLANAR_FRAMEWORK_METADATA)):
    """The base of the framework's tables: subclass it with ``table=True``.

    The table is named after the class, in snake case. Its registry is its own, so that an application's class of the same name
    is another class.
    """

    model_config = {"validate_assignment": True, "defer_build": True}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__tablename__" not in cls.__dict__:
            cls.__tablename__ = camel_case_to_snake_case(cls.__name__)
