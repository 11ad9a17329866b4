"""The framework's tables have a schema, a name in snake case, and check what is assigned to them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from sqlalchemy import MetaData
from sqlalchemy.orm import registry
from sqlmodel import Field

from planar.db.base import PLANAR_FRAMEWORK_METADATA, PLANAR_SCHEMA, PlanarInternalBase


class HTTPCallLogTable(PlanarInternalBase, registry=registry(metadata=MetaData(schema=PLANAR_SCHEMA))):
    """Has a registry of its own, so that this test adds nothing to the framework's tables."""


class HTTPCallLog(HTTPCallLogTable, table=True):
    id: int | None = Field(default=None, primary_key=True)
    attempts: int = 0


class Renamed(HTTPCallLogTable, table=True):
    __tablename__ = "other"
    id: int | None = Field(default=None, primary_key=True)


def test_a_table_is_named_after_its_class_in_snake_case() -> None:
    assert HTTPCallLog.__tablename__ == "http_call_log"
    assert HTTPCallLog.metadata.tables.keys() == {"planar.http_call_log", "planar.other"}


def test_a_given_table_name_wins() -> None:
    assert Renamed.__tablename__ == "other"


def test_assignment_is_checked() -> None:
    with pytest.raises(ValidationError):
        HTTPCallLog(attempts="many")


def test_the_framework_metadata_has_the_schema() -> None:
    assert PLANAR_FRAMEWORK_METADATA.schema == "planar"
    assert PlanarInternalBase.metadata is PLANAR_FRAMEWORK_METADATA
