"""Versions of what users edit, which of them are used, and which one a run used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = ("configured_object", "object_configuration", "object_configuration_promotion", "object_configuration_use")


def upgrade() -> None:
    schema = _schema()
    op.create_table(
        "configured_object",
        sa.Column("object_type", sa.String(255), nullable=False),
        sa.Column("object_name", sa.String(255), nullable=False),
        sa.Column("last_version", sa.Integer(), nullable=False),
        sa.Column("last_promotion", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("object_type", "object_name"),
        schema=schema,
    )
    op.create_table(
        "object_configuration",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("object_name", sa.String(255), nullable=False),
        sa.Column("object_type", sa.String(255), nullable=False),
        _now("created_at"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("author_email", sa.String(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("diagnostics", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("promoted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("object_name", "object_type", "version", name="uq_object_configuration_version"),
        schema=schema,
    )
    _unique_where("uq_object_configuration_active", "object_configuration", ["object_type", "object_name"], "active")
    op.create_index("ix_object_configuration_type", "object_configuration", ["object_type", "id"], schema=schema)
    _create_history(schema)


def _create_history(schema: str | None) -> None:
    op.create_table(
        "object_configuration_promotion",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("object_type", sa.String(255), nullable=False),
        sa.Column("object_name", sa.String(255), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        _now("promoted_at"),
        sa.Column("promoted_by", sa.String(), nullable=False),
        sa.Column("promoted_by_email", sa.String(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("from_config_id", sa.Uuid(), nullable=True),
        sa.Column("from_version", sa.Integer(), nullable=False),
        sa.Column("to_config_id", sa.Uuid(), nullable=True),
        sa.Column("to_version", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("step_id", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("object_type", "object_name", "number", name="uq_object_configuration_promotion_number"),
        schema=schema,
    )
    op.create_table(
        "object_configuration_use",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("root_run_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("step_id", sa.Integer(), nullable=True),
        sa.Column("object_type", sa.String(255), nullable=False),
        sa.Column("object_name", sa.String(255), nullable=False),
        sa.Column("config_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("pins", sa.Boolean(), nullable=False),
        _now("used_at"),
        sa.PrimaryKeyConstraint("id"),
        schema=schema,
    )
    _unique_where("uq_object_configuration_use_pin", "object_configuration_use", ["root_run_id", "object_type", "object_name"], "pins")
    op.create_index("ix_object_configuration_use_run", "object_configuration_use", ["run_id", "step_id"], schema=schema)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table, schema=_schema())


def _unique_where(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=True, schema=_schema(), postgresql_where=where, sqlite_where=where)


def _now(name: str) -> sa.Column[object]:
    now = "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')" if _schema() is None else "CURRENT_TIMESTAMP"
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text(now), nullable=False)


def _schema() -> str | None:
    """SQLite has no schemas."""
    return None if op.get_bind().dialect.name == "sqlite" else "planar"
