"""Columns that many tables want: a key, times, signatures, a mark of deletion."""

from __future__ import annotations

from planar.modeling.mixins.auditable import AuditableMixin
from planar.modeling.mixins.soft_delete import SoftDeleteMixin
from planar.modeling.mixins.timestamp import TimestampMixin, timestamp_column
from planar.modeling.mixins.uuid_primary_key import UUIDPrimaryKeyMixin

__all__ = ["AuditableMixin", "SoftDeleteMixin", "TimestampMixin", "UUIDPrimaryKeyMixin", "timestamp_column"]
