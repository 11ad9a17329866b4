"""Which version of Planar a worker runs, for whoever looks at a deployment. A worker of an earlier version leaves it empty."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workflow_worker", sa.Column("version", sa.String(), nullable=True), schema=_schema())


def downgrade() -> None:
    op.drop_column("workflow_worker", "version", schema=_schema())


def _schema() -> str | None:
    """SQLite has no schemas."""
    return None if op.get_bind().dialect.name == "sqlite" else "planar"
