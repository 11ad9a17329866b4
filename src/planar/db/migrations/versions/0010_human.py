"""Tasks for people, what belongs to them, and that they end with their run.

A trigger closes the open tasks of a run that ends, in the transaction of that end: whatever ends it, and from wherever.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TRIGGER = "human_task_run_ended"


def upgrade() -> None:
    _create_task()
    _create_comment()
    _create_attachment()
    _create_answer()
    for statement in _SQLITE if _schema() is None else _POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    if _schema() is None:
        op.execute(f"drop trigger {TRIGGER}")
    else:
        op.execute(f"drop trigger {TRIGGER} on planar.workflow_run")
        op.execute(f"drop function planar.{TRIGGER}()")
    for table in ("human_task_answer", "human_task_attachment", "human_task_comment", "human_task"):
        op.drop_table(table, schema=_schema())


_CLOSE = """status = 'cancelled', reason = 'run ' || {new}.status, completed_at = {new}.updated_at, completed_by = 'system',
        claimed_by = null, claimed_at = null, version = version + 1, updated_at = {new}.updated_at, updated_by = 'system'"""

_SQLITE = (
    f"""create trigger {TRIGGER} after update of status on workflow_run
    when new.status in ('succeeded', 'failed', 'cancelled')
    begin
        update human_task set {_CLOSE.format(new="new")}
        where workflow_id = new.id and status in ('pending', 'claimed');
    end""",
)

# For each statement and not for each row: the ends of hundreds of runs are one statement.
_POSTGRESQL = (
    f"""create function planar.{TRIGGER}() returns trigger language plpgsql as $$
    begin
        if not exists (select 1 from ended r join planar.human_task t on t.workflow_id = r.id) then
            return null;
        end if;
        update planar.human_task t set {_CLOSE.format(new="r").replace("version + 1", "t.version + 1")}
        from ended r
        where t.workflow_id = r.id and t.status in ('pending', 'claimed') and r.status in ('succeeded', 'failed', 'cancelled');
        return null;
    end $$""",
    f"""create trigger {TRIGGER} after update on planar.workflow_run
    referencing new table as ended for each statement execute function planar.{TRIGGER}()""",
)


def _create_task() -> None:
    op.create_table(
        "human_task",
        sa.Column("created_by", sa.String(), nullable=False, server_default="system"),
        sa.Column("updated_by", sa.String(), nullable=False, server_default="system"),
        _moment("created_at", default=True),
        _moment("updated_at", default=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        *(_text(name) for name in ("name", "title")),
        _text("description", nullable=True),
        sa.Column("workflow_id", sa.Uuid(), nullable=False),
        _text("workflow_name"),
        _integer("step_id"),
        _text("step_path"),
        _json("input_schema"),
        _json("input_data"),
        _text("message", nullable=True),
        _json("output_schema", nullable=False),
        _json("output_data"),
        _json("suggested_data"),
        sa.Column("status", sa.Text(), nullable=False),
        _integer("version"),
        _integer("told_version"),
        *(_text(name, nullable=True) for name in ("assignee", "assigned_role", "claimed_by")),
        _moment("claimed_at"),
        _integer("priority"),
        *(_moment(name) for name in ("due_at", "deadline", "escalated_at")),
        _integer("reminders"),
        _integer("quorum", nullable=True),
        _integer("quorum_rejections", nullable=True),
        _text("quorum_field", nullable=True),
        _integer("approvals"),
        _integer("rejections"),
        _text("completed_by", nullable=True),
        _moment("completed_at"),
        _text("reason", nullable=True),
        sa.PrimaryKeyConstraint("id"),
        schema=_schema(),
    )
    _index("uq_planar_human_task_place", "human_task", ["workflow_id", "step_path"], unique=True)
    _index("ix_planar_human_task_created", "human_task", ["created_at", "id"])
    _index("ix_planar_human_task_status", "human_task", ["status", "created_at"])
    _index("ix_planar_human_task_name", "human_task", ["name", "created_at"])
    _index("ix_planar_human_task_workflow", "human_task", ["workflow_name", "created_at"])
    _index("ix_planar_human_task_due", "human_task", ["due_at", "id"], where="due_at is not null")
    _index("ix_planar_human_task_priority", "human_task", ["priority", "created_at", "id"])
    for name, column in (("assignee", "assignee"), ("role", "assigned_role"), ("claimed", "claimed_by")):
        _index(f"ix_planar_human_task_{name}", "human_task", [column, "created_at"], where=f"{column} is not null")
    _index("ix_planar_human_task_untold", "human_task", ["id"], where="told_version < version")


def _create_comment() -> None:
    op.create_table(
        "human_task_comment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        _text("text"),
        _text("created_by"),
        _moment("created_at", default=True),
        sa.PrimaryKeyConstraint("id"),
        schema=_schema(),
    )
    _index("ix_planar_human_task_comment_task_id", "human_task_comment", ["task_id", "id"])


def _create_attachment() -> None:
    op.create_table(
        "human_task_attachment",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        _text("created_by"),
        _moment("created_at", default=True),
        sa.PrimaryKeyConstraint("task_id", "file_id"),
        schema=_schema(),
    )


def _create_answer() -> None:
    op.create_table(
        "human_task_answer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        _text("answered_by"),
        sa.Column("is_draft", sa.Boolean(), nullable=False),
        sa.Column("approves", sa.Boolean(), nullable=True),
        _json("data"),
        _moment("created_at", default=True),
        _moment("updated_at", default=True),
        sa.PrimaryKeyConstraint("id"),
        schema=_schema(),
    )
    _index("uq_planar_human_task_answer", "human_task_answer", ["task_id", "answered_by", "is_draft"], unique=True)


def _schema() -> str | None:
    """SQLite has no schemas."""
    return None if op.get_bind().dialect.name == "sqlite" else "planar"


def _text(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _json(name: str, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _integer(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=nullable)


def _moment(name: str, default: bool = False) -> sa.Column[Any]:
    now = sa.text("CURRENT_TIMESTAMP" if _schema() else "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')")
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not default, server_default=now if default else None)


def _index(name: str, table: str, columns: list[str], *, where: str | None = None, unique: bool = False) -> None:
    only: dict[str, Any] = {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)} if where else {}
    op.create_index(name, table, columns, unique=unique, schema=_schema(), **only)
