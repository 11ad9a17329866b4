"""What is kept of a rule's test cases?"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import String, UniqueConstraint
from sqlmodel import Field
from uuid_utils.compat import uuid7

from planar.db.base import PlanarInternalBase
from planar.db.types import JSONText
from planar.modeling.mixins.auditable import actor_name
from planar.modeling.mixins.timestamp import timestamp_column

NAME_LENGTH: Final = 255


class RuleTestCase(PlanarInternalBase, table=True):
    """An input of a rule, and what is to come out: those fields of the result that are given."""

    __table_args__: ClassVar[Any] = (UniqueConstraint("rule_name", "name", name="uq_rule_test_case_name"),)

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    rule_name: str = Field(sa_type=String(NAME_LENGTH))
    name: str = Field(sa_type=String(NAME_LENGTH))
    input: dict[str, Any] = Field(sa_type=JSONText)
    expected: dict[str, Any] = Field(sa_type=JSONText)
    created_by: str = Field(default_factory=actor_name)
    created_at: datetime = timestamp_column()
    updated_at: datetime = timestamp_column()
