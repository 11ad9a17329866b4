"""What is recorded of files: their bytes, their names, what is expected, who uses them, and the key of links."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = ("planar_file_blob", "planar_file_metadata", "planar_file_upload", "planar_file_use", "planar_file_key")


def upgrade() -> None:
    schema = _schema()
    op.create_table(
        "planar_file_blob",
        sa.Column("ref", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("is_removed", sa.Boolean(), nullable=False),
        _now("created_at"),
        sa.PrimaryKeyConstraint("ref"),
        schema=schema,
    )
    op.create_index("ix_planar_file_blob_sha256", "planar_file_blob", ["sha256", "size"], schema=schema)
    op.create_table(
        "planar_file_metadata",
        *_file(),
        _now("created_at"),
        _now("updated_at"),
        sa.Column("storage_ref", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("step_id", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["storage_ref"], [f"{schema}.planar_file_blob.ref" if schema else "planar_file_blob.ref"]),
        schema=schema,
    )
    op.create_index("ix_planar_file_metadata_run_id", "planar_file_metadata", ["run_id"], schema=schema)
    op.create_index("ix_planar_file_metadata_storage_ref", "planar_file_metadata", ["storage_ref"], schema=schema)
    _create_others(schema)


def _create_others(schema: str | None) -> None:
    op.create_table(
        "planar_file_upload",
        *_file(),
        sa.Column("sha256", sa.String(64), nullable=True),
        sa.Column("ref", sa.String(64), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        _now("created_at"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema=schema,
    )
    op.create_table(
        "planar_file_use",
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("file_id", "run_id"),
        schema=schema,
    )
    op.create_table(
        "planar_file_key",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("secret", sa.String(128), nullable=False),
        _now("created_at"),
        sa.PrimaryKeyConstraint("name"),
        schema=schema,
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table, schema=_schema())


def _file() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("filename", sa.String(255), nullable=False),
        sa.Column("content_type", sa.String(255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
    ]


def _now(name: str) -> sa.Column[Any]:
    now = "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')" if _schema() is None else "CURRENT_TIMESTAMP"
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text(now), nullable=False)


def _schema() -> str | None:
    """SQLite has no schemas."""
    return None if op.get_bind().dialect.name == "sqlite" else "planar"
