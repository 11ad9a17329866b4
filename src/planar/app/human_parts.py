"""The parts of an app that tasks for people need: who hears of them, and what a step that asks has to say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from planar.config import PlanarConfig
from planar.context import Services
from planar.engine.core.model import StepKind
from planar.human.announcing import HumanTaskHooks
from planar.human.describing import describe_steps
from planar.human.sweeping import Sweeper
from planar.workflows.step_details import StepDetails


def add_human_tasks(services: Services, config: PlanarConfig) -> None:
    """Add what tasks for people need to the services of an app."""
    services.add(HumanTaskHooks, HumanTaskHooks(config.human))
    details = services.find(StepDetails) or services.add(StepDetails, StepDetails())
    details.add(StepKind.HUMAN_IN_THE_LOOP, describe_steps)


async def tell_of_closed_tasks(services: Services) -> Callable[[], Awaitable[None]]:
    """Begin to tell of tasks that end with their runs; what ends that."""
    sweeper = Sweeper(services)
    await sweeper.start()
    return sweeper.stop
