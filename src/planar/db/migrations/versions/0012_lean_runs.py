"""Less to write for each run: on SQLite no index that only the doctor read, and tasks are looked for where a run has any.

The status of a run is what the view computes, so no list and no count could use an index of what is stored; but each start and each
end wrote to it. On PostgreSQL it stays: who drops an index locks its table against everybody, which under load waits for runs that wait
for what the same migration changed before.
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

INDEX = "ix_planar_workflow_run_status"
TRIGGER = "human_task_run_ended"
ROOM = 85
"""How full, in per cent, PostgreSQL makes a page of runs: the rest is for their ends."""


def upgrade() -> None:
    if _schema() is None:
        op.drop_index(INDEX, "workflow_run")
        op.execute(f"drop trigger {TRIGGER}")
        # As a condition, and not only in the statement below: a trigger that does nothing costs far less than an update of nothing.
        op.execute(_trigger(" and exists (select 1 from human_task where workflow_id = new.id)"))
    else:
        op.execute(f"alter table planar.workflow_run set (fillfactor = {ROOM})")


def downgrade() -> None:
    if _schema() is None:
        op.execute(f"drop trigger {TRIGGER}")
        op.execute(_trigger(""))
        op.create_index(INDEX, "workflow_run", ["function_name", "status"])
    else:
        op.execute("alter table planar.workflow_run reset (fillfactor)")


def _trigger(condition: str) -> str:
    return f"""create trigger {TRIGGER} after update of status on workflow_run
    when new.status in ('succeeded', 'failed', 'cancelled'){condition}
    begin
        update human_task set status = 'cancelled', reason = 'run ' || new.status, completed_at = new.updated_at, completed_by = 'system',
        claimed_by = null, claimed_at = null, version = version + 1, updated_at = new.updated_at, updated_by = 'system'
        where workflow_id = new.id and status in ('pending', 'claimed');
    end"""


def _schema() -> str | None:
    """SQLite has no schemas."""
    return None if op.get_bind().dialect.name == "sqlite" else "planar"
