"""Test cases of decision rules."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLE = "rule_test_case"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rule_name", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("input", sa.Text(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        _now("created_at"),
        _now("updated_at"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("rule_name", "name", name="uq_rule_test_case_name"),
        schema=_schema(),
    )


def downgrade() -> None:
    op.drop_table(TABLE, schema=_schema())


def _now(name: str) -> sa.Column[object]:
    now = "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')" if _schema() is None else "CURRENT_TIMESTAMP"
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text(now), nullable=False)


def _schema() -> str | None:
    """SQLite has no schemas."""
    return None if op.get_bind().dialect.name == "sqlite" else "planar"
