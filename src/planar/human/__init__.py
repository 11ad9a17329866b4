"""Tasks for people: ask, and go on when somebody has answered. Neither lost, nor doubled, nor forged."""

from __future__ import annotations

from planar.human.errors import HumanTaskCancelled, HumanTaskExpired
from planar.human.models import HumanTask, HumanTaskResult, HumanTaskStatus
from planar.human.options import Escalation, Quorum, Timeout
from planar.human.service import cancel_human_task, complete_human_task, get_human_task, get_human_tasks
from planar.human.task import Human

__all__ = [
    "Escalation",
    "Human",
    "HumanTask",
    "HumanTaskCancelled",
    "HumanTaskExpired",
    "HumanTaskResult",
    "HumanTaskStatus",
    "Quorum",
    "Timeout",
    "cancel_human_task",
    "complete_human_task",
    "get_human_task",
    "get_human_tasks",
]
