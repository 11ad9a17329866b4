"""Keys of any length on PostgreSQL, whose indexes hold a text of 2,700 bytes at most; and a hot table that is cleaned up often."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

EVENT_KEY = "ix_planar_workflow_event_event_key"
EVENT_ONCE = "uq_planar_workflow_event_idempotency_key"
RUN_ONCE = "uq_planar_workflow_run_idempotency_key"
HOT = "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0"


def upgrade() -> None:
    if _is_sqlite():
        return
    _drop_indexes()
    op.execute(f"CREATE INDEX {EVENT_KEY} ON planar.workflow_event (md5(event_key), workflow_id, seq)")
    once = "(md5(event_key), md5(idempotency_key)) WHERE idempotency_key IS NOT NULL"
    op.execute(f"CREATE UNIQUE INDEX {EVENT_ONCE} ON planar.workflow_event {once}")
    once = "(function_name, md5(idempotency_key)) WHERE idempotency_key IS NOT NULL"
    op.execute(f"CREATE UNIQUE INDEX {RUN_ONCE} ON planar.workflow_run {once}")
    for table in ("workflow_claim", "workflow_wait", "workflow_worker"):
        op.execute(f"ALTER TABLE planar.{table} SET (fillfactor = 70, {HOT})")


def downgrade() -> None:
    if _is_sqlite():
        return
    _drop_indexes()
    op.execute(f"CREATE INDEX {EVENT_KEY} ON planar.workflow_event (event_key, workflow_id, seq)")
    once = "(event_key, idempotency_key) WHERE idempotency_key IS NOT NULL"
    op.execute(f"CREATE UNIQUE INDEX {EVENT_ONCE} ON planar.workflow_event {once}")
    once = "(function_name, idempotency_key) WHERE idempotency_key IS NOT NULL"
    op.execute(f"CREATE UNIQUE INDEX {RUN_ONCE} ON planar.workflow_run {once}")
    for table in ("workflow_claim", "workflow_wait", "workflow_worker"):
        names = ", ".join(["fillfactor", *(setting.split(" = ")[0] for setting in HOT.split(", "))])
        op.execute(f"ALTER TABLE planar.{table} RESET ({names})")


def _drop_indexes() -> None:
    for name in (EVENT_KEY, EVENT_ONCE, RUN_ONCE):
        op.execute(f"DROP INDEX planar.{name}")


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
