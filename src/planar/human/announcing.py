"""Who hears of a change to a task? Hooks of the app and a webhook, from a run that is started in the transaction of the change.

The run is keyed by the task and its version, so there is one for each change, whatever dies; and nobody who is told, however slow,
is in the way of the change itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import update
from sqlmodel import col

from planar.context import current_services, find_services
from planar.db.session import PlanarSession
from planar.engine.client import Client
from planar.engine.core.retry import RetryPolicy
from planar.engine.store.port import StartRun
from planar.human.config import HumanConfig
from planar.human.lifecycle import HumanTaskStatus
from planar.human.models import HumanTask
from planar.human.recording import Recorded
from planar.human.webhook import send
from planar.logging import get_logger
from planar.workflows.decorators import workflow

logger = get_logger(__name__)

HOOK_RETRY: Final = RetryPolicy(max_retries=5)
LONGEST_PAUSE: Final = timedelta(minutes=5)


class HumanTaskNews(BaseModel):
    """One change to a task: what it is now, without what was asked and answered."""

    key: str
    """One for each change, so that whoever hears of it twice can tell."""
    task_id: UUID
    version: int
    name: str
    title: str
    status: HumanTaskStatus
    workflow_id: UUID
    workflow_name: str
    assignee: str | None
    assigned_role: str | None
    claimed_by: str | None
    priority: int
    due_at: datetime | None
    deadline: datetime | None
    reminders: int
    escalated_at: datetime | None
    completed_by: str | None
    completed_at: datetime | None
    at: datetime

    @classmethod
    def of(cls, task: HumanTask) -> HumanTaskNews:
        """What there is to say of *task*."""
        known = {name: getattr(task, name) for name in cls.model_fields if name not in ("key", "task_id", "at")}
        return cls(key=f"{task.id}:{task.version}", task_id=task.id, at=task.updated_at, **known)


Hook = Callable[[HumanTaskNews], Any]
"""A function of the app, plain or asynchronous. It may be called twice for one change if a process dies meanwhile."""


class HumanTaskHooks:
    """Who wants to hear of tasks; a service of the app."""

    def __init__(self, config: HumanConfig) -> None:
        self.config = config
        self.hooks: list[Hook] = []

    def add(self, hook: Hook) -> None:
        """Call *hook* with each change from now on.

        Raises:
            TypeError: it cannot be called.
        """
        if not callable(hook):
            raise TypeError(f"on_human_task takes a function of one argument, not {hook!r}.")
        self.hooks.append(hook)

    def __bool__(self) -> bool:
        """Whether anybody listens: else no run is started."""
        return bool(self.hooks) or self.config.webhook is not None


def find_hooks() -> HumanTaskHooks | None:
    """Who wants to hear of tasks in this app."""
    services = find_services()
    return services.find(HumanTaskHooks) if services is not None else None


async def announce(session: PlanarSession, task: HumanTask) -> None:
    """Tell whoever listens of the change that *session* has just written; with its commit, and not before."""
    hooks = find_hooks()
    if not hooks:
        return
    client = current_services().get(Client)
    news = HumanTaskNews.of(task)
    run = client.new_run(tell_of_human_task.definition, (news,), {}, idempotency_key=news.key)
    told = update(HumanTask).where(col(HumanTask.id) == task.id).values(told_version=task.version, updated_at=task.updated_at)
    await session.exec(told.execution_options(synchronize_session=False))
    await client.store.submit_in(session, [StartRun(run)])


@workflow(name="planar.tell_of_human_task")
async def tell_of_human_task(news: HumanTaskNews) -> None:
    """Tell each hook and the webhook of one change. One that fails for good does not keep the others from hearing of it."""
    hooks = current_services().get(HumanTaskHooks)
    errors: list[str] = []
    for place in range(await _COUNT((), lambda: _count(hooks))):
        try:
            await _HOOK((place, news.key), lambda place=place: _call(hooks, place, news), HOOK_RETRY)
        except Exception as error:
            errors.append(f"hook {place}: {error}")
    webhook = hooks.config.webhook
    if webhook is not None:
        policy = RetryPolicy(max_retries=webhook.max_retries, max_delay=LONGEST_PAUSE)
        await _WEBHOOK((news.key,), lambda: send(webhook, news.key, news.model_dump_json().encode()), policy)
    if errors:
        raise RuntimeError("; ".join(errors))


async def _count(hooks: HumanTaskHooks) -> int:
    return len(hooks.hooks)


async def _call(hooks: HumanTaskHooks, place: int, news: HumanTaskNews) -> None:
    if place >= len(hooks.hooks):
        return  # a hook less than in the process that began
    result = hooks.hooks[place](news)
    if inspect.isawaitable(result):
        await result


async def _counted() -> int:
    """The recorded form of `_count`."""
    raise NotImplementedError


async def _called(place: int, key: str) -> None:
    """The recorded form of `_call`."""


async def _sent(key: str) -> None:
    """The recorded form of `send`."""


_COUNT: Final = Recorded("count_hooks", "Count hooks", _counted)
_HOOK: Final = Recorded("call_hook", "Call hook", _called)
_WEBHOOK: Final = Recorded("send_webhook", "Send webhook", _sent)
