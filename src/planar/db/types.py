"""Column types: UTC time, JSON and exact decimals. They live below, because users' tables need them as well."""

from __future__ import annotations

from planar.modeling.column_types import ExactDecimal, JSONText, UTCDateTime

__all__ = ["ExactDecimal", "JSONText", "UTCDateTime"]
