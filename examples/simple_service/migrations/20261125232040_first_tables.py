"""first tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from planar.modeling.column_types import ExactDecimal

revision = "20261125232040"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "customer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_by", sa.String(), server_default="system", nullable=False),
        sa.Column("updated_by", sa.String(), server_default="system", nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("customer_pkey")),
        sa.UniqueConstraint("name", name=op.f("customer_name_key")),
    )
    op.create_table(
        "invoice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_by", sa.String(), server_default="system", nullable=False),
        sa.Column("updated_by", sa.String(), server_default="system", nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("document", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("invoice_customer_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("invoice_pkey")),
        sa.UniqueConstraint("number", name=op.f("invoice_number_key")),
    )
    with op.batch_alter_table("invoice", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_invoice_customer_id"), ["customer_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_invoice_document"), ["document"], unique=False)

    op.create_table(
        "invoiceline",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_by", sa.String(), server_default="system", nullable=False),
        sa.Column("updated_by", sa.String(), server_default="system", nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.String(length=200), nullable=False),
        sa.Column("amount", ExactDecimal(12, 2), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("invoiceline_invoice_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("invoiceline_pkey")),
    )
    with op.batch_alter_table("invoiceline", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_invoiceline_invoice_id"), ["invoice_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("invoiceline", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_invoiceline_invoice_id"))

    op.drop_table("invoiceline")
    with op.batch_alter_table("invoice", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_invoice_document"))
        batch_op.drop_index(batch_op.f("ix_invoice_customer_id"))

    op.drop_table("invoice")
    op.drop_table("customer")
