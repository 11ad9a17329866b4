"""What is there to say of a rule's step to those who may see the rule? The rule, and which version of it decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from planar.db.session import get_session
from planar.object_config.models import DEFAULT_UUID, ConfigurableObjectType, ObjectConfigurationUse
from planar.object_config.pinning import root_of
from planar.rules.registration import RuleRegistry
from planar.security.actions import RuleAction
from planar.security.authorization import filter_allowed
from planar.security.resources import RuleResource
from planar.workflows.queries import Record


class RuleSteps:
    """Describes the steps of rules.

    Args:
        registry: the rules of the app.
    """

    def __init__(self, registry: RuleRegistry) -> None:
        self._registry = registry

    async def __call__(self, steps: Sequence[Record]) -> Mapping[int, dict[str, Any]]:
        """Each step's rule: its name, its description, its schemas, and the version that the run uses."""
        names = {step["step_id"]: str(step["function_name"]).rpartition(".")[2] for step in steps}
        visible = set(filter_allowed(sorted(set(names.values())), RuleAction.VIEW_DETAILS, RuleResource))
        if not visible:
            return {}
        versions = await self._versions(steps[0]["workflow_id"])
        return {step_id: {"rule": self._shown(name, versions)} for step_id, name in names.items() if name in visible}

    def _shown(self, name: str, versions: Mapping[str, tuple[UUID, int]]) -> dict[str, Any]:
        definition = self._registry.find(name)
        config_id, version = versions.get(name, (None, None))
        shown: dict[str, Any] = {"name": name, "version": version, "config_id": str(config_id) if config_id is not None else None}
        if definition is not None:
            shown |= {
                "description": definition.rule.description,
                "input_schema": definition.input_schema,
                "output_schema": definition.output_schema,
            }
        return shown

    async def _versions(self, run_id: UUID) -> dict[str, tuple[UUID, int]]:
        session = get_session()
        root = await root_of(session, run_id)
        query = select(ObjectConfigurationUse).where(
            ObjectConfigurationUse.root_run_id == root,
            ObjectConfigurationUse.object_type == ConfigurableObjectType.RULE.value,
            col(ObjectConfigurationUse.pins),
        )
        return {use.object_name: (use.config_id or DEFAULT_UUID, use.version) for use in (await session.exec(query)).all()}
