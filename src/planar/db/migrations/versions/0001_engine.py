"""The engine's tables, and the view that shows a run."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_run()
    _create_claim()
    _create_wait()
    _create_step()
    _create_event()
    _create_worker()
    _create_locked_resource()
    _create_view()


def downgrade() -> None:
    op.execute(f"DROP VIEW {_name('workflow')}")
    for table in (
        "locked_resource",
        "workflow_worker",
        "workflow_event",
        "workflow_step",
        "workflow_wait",
        "workflow_claim",
        "workflow_run",
    ):
        op.drop_table(table, schema=_schema())


def _schema() -> str | None:
    """SQLite has no schemas."""
    return None if op.get_bind().dialect.name == "sqlite" else "planar"


def _name(table: str) -> str:
    schema = _schema()
    return f"{schema}.{table}" if schema else table


def _moment(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _payload() -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text(), nullable=True) for name in ("args", "kwargs", "result", "error")]


def _index(name: str, table: str, columns: list[str], *, where: str | None = None, unique: bool = False) -> None:
    only: dict[str, Any] = {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)} if where else {}
    op.create_index(name, table, columns, unique=unique, schema=_schema(), **only)


def _create_run() -> None:
    op.create_table(
        "workflow_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("function_name", sa.String(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        *_payload(),
        sa.Column("principal", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.String(), nullable=True),
        _moment("created_at"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("id"),
        schema=_schema(),
    )
    _index("ix_planar_workflow_run_function_name", "workflow_run", ["function_name", "id"])
    _index("ix_planar_workflow_run_status", "workflow_run", ["function_name", "status"])
    _index("ix_planar_workflow_run_parent_id", "workflow_run", ["parent_id"], where="parent_id is not null")
    key = "uq_planar_workflow_run_idempotency_key"
    _index(key, "workflow_run", ["function_name", "idempotency_key"], where="idempotency_key is not null", unique=True)


def _create_claim() -> None:
    op.create_table(
        "workflow_claim",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("function_name", sa.String(), nullable=False),
        sa.Column("queue", sa.String(), nullable=False, server_default="default"),
        sa.Column("priority", sa.Integer(), nullable=False, server_default=sa.text("0")),
        _moment("due_at", nullable=True),
        sa.Column("worker_id", sa.Uuid(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("waiting_for_event", sa.String(), nullable=True),
        sa.Column("cancel_reason", sa.String(), nullable=True),
        sa.Column("recoveries", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("run_id"),
        schema=_schema(),
        sqlite_with_rowid=False,
    )
    _index("ix_planar_workflow_claim_due", "workflow_claim", ["due_at"], where="worker_id is null and due_at is not null")
    _index("ix_planar_workflow_claim_worker_id", "workflow_claim", ["worker_id"], where="worker_id is not null")


def _create_wait() -> None:
    op.create_table(
        "workflow_wait",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("key", "run_id"),
        schema=_schema(),
        sqlite_with_rowid=False,
    )
    _index("ix_planar_workflow_wait_run_id", "workflow_wait", ["run_id"])


def _create_step() -> None:
    op.create_table(
        "workflow_step",
        sa.Column("workflow_id", sa.Uuid(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=True),
        sa.Column("step_id", sa.Integer(), nullable=False),
        sa.Column("parent_step_id", sa.Integer(), nullable=True),
        sa.Column("function_name", sa.String(), nullable=False),
        sa.Column("qualname", sa.String(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("step_type", sa.Text(), nullable=False),
        *_payload(),
        sa.Column("sub_step_count", sa.Integer(), nullable=False),
        sa.Column("retry_count", sa.Integer(), nullable=False),
        _moment("wakeup_at", nullable=True),
        sa.Column("child_id", sa.Uuid(), nullable=True),
        sa.Column("event_seq", sa.Integer(), nullable=True),
        _moment("created_at"),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("workflow_id", "path"),
        schema=_schema(),
        sqlite_with_rowid=False,
    )


def _create_event() -> None:
    op.create_table(
        "workflow_event",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event_key", sa.String(), nullable=False),
        sa.Column("workflow_id", sa.Uuid(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=True),
        _moment("timestamp"),
        sa.Column("idempotency_key", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        schema=_schema(),
        sqlite_autoincrement=True,
    )
    _index("ix_planar_workflow_event_event_key", "workflow_event", ["event_key", "workflow_id", "seq"])
    _index("uq_planar_workflow_event_id", "workflow_event", ["id"], unique=True)
    key = "uq_planar_workflow_event_idempotency_key"
    _index(key, "workflow_event", ["event_key", "idempotency_key"], where="idempotency_key is not null", unique=True)


def _create_worker() -> None:
    op.create_table(
        "workflow_worker",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("boot_id", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("lock_file", sa.String(), nullable=True),
        sa.Column("alive", sa.Boolean(), nullable=False),
        _moment("started_at"),
        _moment("beat_at"),
        sa.PrimaryKeyConstraint("id"),
        schema=_schema(),
    )


def _create_locked_resource() -> None:
    op.create_table(
        "locked_resource",
        sa.Column("lock_key", sa.String(), nullable=False),
        _moment("lock_until"),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("lock_key"),
        schema=_schema(),
    )
    _index("ix_planar_locked_resource_lock_until", "locked_resource", ["lock_until"])


def _create_view() -> None:
    """A run as people see it. What a run does now is computed here and nowhere else."""
    op.execute(
        f"""
        CREATE VIEW {_name("workflow")} AS
        SELECT
            r.id, r.function_name, r.parent_id,
            CASE WHEN r.status <> 'pending' THEN r.status
                 WHEN c.worker_id IS NOT NULL THEN 'running'
                 WHEN c.reason <> 'ready' THEN 'suspended'
                 ELSE 'pending' END AS status,
            r.args, r.kwargs, r.result, r.error, r.principal, r.idempotency_key,
            CASE WHEN r.status = 'pending' AND c.worker_id IS NULL THEN c.due_at END AS wakeup_at,
            CASE WHEN r.status = 'pending' AND c.worker_id IS NULL THEN c.waiting_for_event END AS waiting_for_event,
            CASE WHEN r.status = 'pending' THEN CASE WHEN c.worker_id IS NOT NULL THEN 'running' ELSE c.reason END END AS reason,
            c.cancel_reason, COALESCE(c.recoveries, 0) AS recoveries,
            r.created_at, r.updated_at
        FROM {_name("workflow_run")} r
        LEFT JOIN {_name("workflow_claim")} c ON c.run_id = r.id
        """
    )
