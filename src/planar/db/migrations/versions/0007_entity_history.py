"""Who changed which row of the application, when, and from what to what."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLE = "planar_entity_change"


def upgrade() -> None:
    schema = _schema()
    # Not the start of the transaction: the order of changes to a row is the order of their times.
    now = sa.text("(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')" if schema is None else "clock_timestamp()")
    op.create_table(
        TABLE,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.Column("entity", sa.String(), nullable=False),
        sa.Column("table_name", sa.String(), nullable=False),
        sa.Column("row_key", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.Column("changed_by_email", sa.String(), nullable=True),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("workflow", sa.String(), nullable=True),
        sa.Column("step_id", sa.Integer(), nullable=True),
        sa.Column("step", sa.String(), nullable=True),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        schema=schema,
    )
    op.create_index(f"ix_planar_{TABLE}_row", TABLE, ["table_name", "row_key", "at", "id"], schema=schema)
    op.create_index(f"ix_planar_{TABLE}_table", TABLE, ["table_name", "at", "id"], schema=schema)
    op.create_index(
        f"ix_planar_{TABLE}_run",
        TABLE,
        ["run_id"],
        schema=schema,
        postgresql_where=sa.text("run_id is not null"),
        sqlite_where=sa.text("run_id is not null"),
    )


def downgrade() -> None:
    op.drop_table(TABLE, schema=_schema())


def _schema() -> str | None:
    """SQLite has no schemas."""
    return None if op.get_bind().dialect.name == "sqlite" else "planar"
