"""The framework's tables over time. The scripts import Alembic's ``op`` and SQLAlchemy, nothing of ours.

A script that has been released never changes. Each is additive first: the version before goes on working while it is applied.
"""

from __future__ import annotations

HEAD = "0012"
"""The newest revision. Known here, so that a start on a database that is up to date loads neither Alembic nor a script."""

VERSION_TABLE = "alembic_version"
"""Where PostgreSQL keeps the revision, in the framework's schema."""

SQLITE_VERSION_TABLE = "planar_alembic_version"
"""Where SQLite keeps it: there are no schemas, and the application may use Alembic as well."""
