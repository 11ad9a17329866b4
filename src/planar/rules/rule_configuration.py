"""The versions of rules: what is stored of them, and whether a graph fits the code."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from planar.context import find_services
from planar.object_config.diagnostics import ConfigDiagnosticIssue, ConfigDiagnostics, Severity
from planar.object_config.models import ConfigurableObjectType
from planar.object_config.object_config import ObjectConfigurationIO
from planar.rules.checking.checks import check_graph
from planar.rules.checking.findings import Finding, FindingSeverity, has_errors
from planar.rules.errors import RuleNotFound
from planar.rules.graph import JDMGraph
from planar.rules.models import RuleEngineConfig
from planar.rules.registration import RuleDefinition, RuleRegistry
from planar.rules.scripts import check_scripts

__all__ = ["check_configuration", "diagnostics_of", "rule_configuration", "validate_config"]


def validate_config(name: str, config: RuleEngineConfig) -> ConfigDiagnostics[RuleEngineConfig]:
    """What can be found wrong in a graph by looking at it. Its scripts are not read, see `check_configuration`.

    Raises:
        RuleNotFound: the app serves no rule of that name.
    """
    definition = _definition(name)
    return diagnostics_of(definition, findings(definition, config.jdm))


async def check_configuration(name: str, config: RuleEngineConfig) -> ConfigDiagnostics[RuleEngineConfig]:
    """The same with the scripts: what is asked when a version is saved, promoted, or shown for the first time."""
    definition = _definition(name)
    return diagnostics_of(definition, [*await findings_of(definition, config.jdm), *await check_scripts(config.jdm)])


async def check_in_use(name: str, config: RuleEngineConfig) -> ConfigDiagnostics[RuleEngineConfig]:
    """The same when a run is about to use a version for the first time: it does not wait for those that are only tried."""
    definition = _definition(name)
    return diagnostics_of(definition, [*await findings_of(definition, config.jdm), *await check_scripts(config.jdm, in_use=True)])


rule_configuration: Final = ObjectConfigurationIO[RuleEngineConfig](
    RuleEngineConfig, ConfigurableObjectType.RULE, check_configuration, check_in_use
)


def findings(definition: RuleDefinition, graph: JDMGraph) -> list[Finding]:
    """What is wrong with *graph* as a version of a rule."""
    rule = definition.rule
    return check_graph(graph, takes=rule.input, gives=rule.output, name=rule.name, known_rules=_registry().names())


async def findings_of(definition: RuleDefinition, graph: JDMGraph) -> list[Finding]:
    """The same without holding up the event loop."""
    return await asyncio.to_thread(findings, definition, graph)


def diagnostics_of(definition: RuleDefinition, found: Sequence[Finding]) -> ConfigDiagnostics[RuleEngineConfig]:
    """Findings in the form that versions of all objects have; if they keep the graph from being saved, with one that would be right."""
    wrong = has_errors(list(found))
    return ConfigDiagnostics[RuleEngineConfig](
        is_valid=not wrong, suggested_fix=definition.config if wrong else None, issues=[issue_of(finding) for finding in found]
    )


def issue_of(finding: Finding) -> ConfigDiagnosticIssue:
    """A finding as an issue of a version."""
    place: dict[str, Any] = {
        "node_id": finding.node_id,
        "node_name": finding.node_name,
        "row": finding.row,
        "column": finding.column,
    }
    return ConfigDiagnosticIssue(
        error_code=finding.code.value,
        field_path=finding.field_path,
        message=finding.message,
        reference_value=finding.reference_value,
        current_value=finding.current_value,
        for_object=finding.for_object,
        severity=Severity.ERROR if finding.severity is FindingSeverity.ERROR else Severity.WARNING,
        place=place if any(value is not None for value in place.values()) else None,
        suggestion=finding.suggestion,
    )


def _definition(name: str) -> RuleDefinition:
    found = _registry().find(name)
    if found is None:
        raise RuleNotFound(f"This app serves no rule '{name}': register it with app.register_rule({name}).")
    return found


def _registry() -> RuleRegistry:
    services = find_services()
    registry = services.find(RuleRegistry) if services is not None else None
    return registry if registry is not None else RuleRegistry()
