"""The connection to the database: open it, migrate it, talk to it in sessions."""

from __future__ import annotations

from planar.db.base import PLANAR_FRAMEWORK_METADATA, PLANAR_SCHEMA, PlanarInternalBase
from planar.db.manager import DatabaseManager
from planar.db.session import PlanarSession, new_session

__all__ = [
    "PLANAR_FRAMEWORK_METADATA",
    "PLANAR_SCHEMA",
    "DatabaseManager",
    "PlanarInternalBase",
    "PlanarSession",
    "new_session",
]
