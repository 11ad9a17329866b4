"""Which revision does a database have? Its own table, apart from that of the framework's migrations."""

from __future__ import annotations

from sqlalchemy import Connection, text

VERSION_TABLE = "planar_app_revision"
"""Beside the application's tables. A row a revision: one, or two while branches are not joined."""


def stored_revisions(connection: Connection) -> tuple[str, ...]:
    """The revisions that the database has, in the order of their ids; nothing before the first."""
    if not connection.dialect.has_table(connection, VERSION_TABLE):
        return ()
    return tuple(connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE} ORDER BY version_num")).scalars())
