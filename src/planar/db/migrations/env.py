"""Alembic's way in: the scripts run on the connection that `planar.db.migrate` gives, in its transaction."""

from __future__ import annotations

from alembic import context

if context.is_offline_mode():
    raise NotImplementedError("Planar's migrations look at the database; there is no SQL to print beforehand.")

attributes = context.config.attributes

context.configure(
    connection=attributes["connection"],
    version_table=attributes["version_table"],
    version_table_schema=attributes["version_table_schema"],
    render_as_batch=True,
)

with context.begin_transaction():
    context.run_migrations()
