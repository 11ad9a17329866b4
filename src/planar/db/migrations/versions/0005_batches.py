"""What lets PostgreSQL write a batch as one statement: whose end is awaited, and which batches were committed; and claims in order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

DUE = "ix_planar_workflow_claim_due"
HOT = "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0"


def upgrade() -> None:
    schema = _schema()
    op.add_column("workflow_claim", sa.Column("awaited", sa.Integer(), nullable=False, server_default=sa.text("0")), schema=schema)
    op.create_table(
        "workflow_batch",
        sa.Column("lane", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("lane", "number"),
        schema=schema,
        **({"sqlite_with_rowid": False} if schema is None else {}),
    )
    if schema is not None:
        op.execute(f"DROP INDEX planar.{DUE}")
        op.execute(f"CREATE INDEX {DUE} ON planar.workflow_claim (due_at, run_id) WHERE worker_id IS NULL AND due_at IS NOT NULL")
        op.execute(f"ALTER TABLE planar.workflow_batch SET ({HOT})")


def downgrade() -> None:
    if _schema() is not None:
        op.execute(f"DROP INDEX planar.{DUE}")
        op.execute(f"CREATE INDEX {DUE} ON planar.workflow_claim (due_at) WHERE worker_id IS NULL AND due_at IS NOT NULL")
    op.drop_table("workflow_batch", schema=_schema())
    op.drop_column("workflow_claim", "awaited", schema=_schema())


def _schema() -> str | None:
    """SQLite has no schemas."""
    return None if op.get_bind().dialect.name == "sqlite" else "planar"
