"""The names of tasks for people, where applications that were written earlier look for them."""

from __future__ import annotations

from planar.human.models import HumanTask, HumanTaskResult, HumanTaskStatus
from planar.human.options import Timeout
from planar.human.service import cancel_human_task, complete_human_task, get_human_task, get_human_tasks
from planar.human.task import Human

__all__ = [
    "Human",
    "HumanTask",
    "HumanTaskResult",
    "HumanTaskStatus",
    "Timeout",
    "cancel_human_task",
    "complete_human_task",
    "get_human_task",
    "get_human_tasks",
]
