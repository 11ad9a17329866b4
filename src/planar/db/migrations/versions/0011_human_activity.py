"""What happened to tasks for people, that unfinished answers go with the end of their task, the open ones among many that ended, and the
tasks of a file.

A trigger does what belongs to the end of a task, in the transaction of that end: whatever ends it, the end of its run included.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLE = "human_task_activity"
TRIGGER = "human_task_ended"
OPEN_INDEX = "ix_planar_human_task_open"
FILE_INDEX = "ix_planar_human_task_attachment_file_id"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("change", sa.String(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("assignee", sa.String(), nullable=True),
        sa.Column("assigned_role", sa.String(), nullable=True),
        sa.Column("claimed_by", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("moment", sa.DateTime(timezone=True), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("task_id", "version"),
        schema=_schema(),
    )
    where = sa.text("moment is not null")
    op.create_index(
        "uq_planar_human_task_activity_moment",
        TABLE,
        ["task_id", "change", "moment"],
        unique=True,
        schema=_schema(),
        sqlite_where=where,
        postgresql_where=where,
    )
    is_open = sa.text("status in ('pending', 'claimed')")
    op.create_index(OPEN_INDEX, "human_task", ["created_at", "id"], schema=_schema(), sqlite_where=is_open, postgresql_where=is_open)
    op.create_index(FILE_INDEX, "human_task_attachment", ["file_id"], schema=_schema())
    schema = "" if _schema() is None else "planar."
    op.execute(_FORGET_OLD.format(schema=schema))
    op.execute(_CREATIONS.format(schema=schema))
    for statement in _SQLITE if _schema() is None else _POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    if _schema() is None:
        op.execute(f"drop trigger {TRIGGER}")
    else:
        op.execute(f"drop trigger {TRIGGER} on planar.human_task")
        op.execute(f"drop function planar.{TRIGGER}()")
    op.drop_index(FILE_INDEX, "human_task_attachment", schema=_schema())
    op.drop_index(OPEN_INDEX, "human_task", schema=_schema())
    op.drop_table(TABLE, schema=_schema())


_ENDED = "old.status in ('pending', 'claimed') and new.status in ('completed', 'cancelled', 'expired')"

_FORGET_OLD = """delete from {schema}human_task_answer where is_draft
    and task_id not in (select id from {schema}human_task where status in ('pending', 'claimed'))"""

# The creation of each task that there is. Whom one was for then is known only where nothing has happened to it since.
_CREATIONS = f"""insert into {{schema}}{TABLE} (task_id, version, change, status, actor, assignee, assigned_role, at)
    select id, 1, 'create', 'pending', created_by, case when version = 1 then assignee end, case when version = 1 then assigned_role end,
        created_at
    from {{schema}}human_task"""

_FORGET = "delete from {schema}human_task_answer where task_id = new.id and is_draft;"

# Whoever else ends a task says so itself, and replaces what may have been taken for this.
_BY_RUN = "new.completed_by = 'system' and new.reason in ('run succeeded', 'run failed', 'run cancelled')"

_COLUMNS = "task_id, version, change, status, actor, assignee, assigned_role, reason, at"
_VALUES = "new.id, new.version, 'cancel', new.status, 'system', new.assignee, new.assigned_role, new.reason, new.updated_at"

_SQLITE = (
    f"""create trigger {TRIGGER} after update of status on human_task
    when {_ENDED}
    begin
        {_FORGET.format(schema="")}
        insert into {TABLE} ({_COLUMNS}) select {_VALUES} where {_BY_RUN} on conflict do nothing;
    end""",
)

_POSTGRESQL = (
    f"""create function planar.{TRIGGER}() returns trigger language plpgsql as $$
    begin
        {_FORGET.format(schema="planar.")}
        if {_BY_RUN} then
            insert into planar.{TABLE} ({_COLUMNS}) values ({_VALUES}) on conflict do nothing;
        end if;
        return null;
    end $$""",
    f"""create trigger {TRIGGER} after update of status on planar.human_task
    for each row when ({_ENDED}) execute function planar.{TRIGGER}()""",
)


def _schema() -> str | None:
    """SQLite has no schemas."""
    return None if op.get_bind().dialect.name == "sqlite" else "planar"
