"""The parts of an app that rules need: which there are, how they are compiled, and the processes for their scripts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from planar.config import PlanarConfig
from planar.context import Services
from planar.object_config.registration import ConfigurableType, ConfigurableTypes
from planar.rules.compiled import CompiledGraphs
from planar.rules.describing import RuleSteps
from planar.rules.models import RuleEngineConfig
from planar.rules.registration import RuleRegistry
from planar.rules.rule_configuration import rule_configuration
from planar.rules.sandbox.pool import DraftPool, ScriptPool
from planar.rules.service import permit_graph
from planar.security.actions import RuleAction
from planar.security.resources import RuleResource
from planar.workflows.models import StepType
from planar.workflows.step_details import StepDetails


def add_rules(services: Services) -> None:
    """Add what rules need to the services of an app, which has the types of versioned objects already."""
    registry = services.add(RuleRegistry, RuleRegistry())
    services.add(CompiledGraphs, CompiledGraphs())

    def default(name: str) -> RuleEngineConfig | None:
        found = registry.find(name)
        return found.config if found is not None else None

    services.get(ConfigurableTypes).add(
        ConfigurableType(
            rule_configuration,
            default,
            resource=RuleResource,
            view=RuleAction.VIEW_DETAILS,
            update=RuleAction.UPDATE,
            promote=RuleAction.UPDATE,
            permit=permit_graph,
        )
    )
    details = services.find(StepDetails) or services.add(StepDetails, StepDetails())
    details.add(StepType.RULE, RuleSteps(registry))


def open_scripts(services: Services) -> Callable[[], Awaitable[None]]:
    """Be ready for scripts, whose processes begin when they are needed; what ends them."""
    config = services.get(PlanarConfig).rules
    kinds = (ScriptPool, DraftPool)
    pools = [services.add(kind, kind(config)) for kind in kinds]

    async def close() -> None:
        for kind in kinds:
            services.remove(kind)
        for pool in pools:
            await pool.close()

    return close
