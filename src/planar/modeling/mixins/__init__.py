"""Columns that many tables want: a key, times, signatures."""

from __future__ import annotations

from planar.modeling.mixins.auditable import AuditableMixin
from planar.modeling.mixins.timestamp import TimestampMixin, timestamp_column
from planar.modeling.mixins.uuid_primary_key import UUIDPrimaryKeyMixin

__all__ = ["AuditableMixin", "TimestampMixin", "UUIDPrimaryKeyMixin", "timestamp_column"]
