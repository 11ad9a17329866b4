"""Whether the worker that held a run died: a step that it was executing counts as an attempt."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workflow_claim", sa.Column("crashed", sa.Integer(), nullable=False, server_default=sa.text("0")), schema=_schema())


def downgrade() -> None:
    op.drop_column("workflow_claim", "crashed", schema=_schema())


def _schema() -> str | None:
    """SQLite has no schemas."""
    return None if op.get_bind().dialect.name == "sqlite" else "planar"
