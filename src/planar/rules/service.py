"""What can be done with rules from outside: look, check, save, try, replay. One function an intention; HTTP is the router's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from planar.context import current_services
from planar.object_config.errors import ActiveConfigBroken, ConfigNotFoundError
from planar.object_config.models import DEFAULT_UUID, ObjectConfigurationBase
from planar.rules.case_service import cases_of, run_cases, tried
from planar.rules.checking.checks import check_graph
from planar.rules.checking.findings import Finding, has_errors
from planar.rules.checking.nested import check_nested
from planar.rules.deciding import compiled_draft
from planar.rules.errors import RuleError
from planar.rules.graph import JDMGraph
from planar.rules.models import RuleEngineConfig
from planar.rules.registration import RuleDefinition, RuleRegistry
from planar.rules.replaying import replay
from planar.rules.rule_configuration import findings_of, rule_configuration
from planar.rules.runner import EvaluateError, EvaluateResponse, evaluated, refused
from planar.rules.schemas import CaseReport, CheckReport, ReplayReport, RuleVersions, SavedRule
from planar.rules.scripts import check_scripts
from planar.rules.values import context_text
from planar.security.actions import RuleAction
from planar.security.authorization import filter_allowed, validate_authorization_for
from planar.security.resources import RuleResource

Version = ObjectConfigurationBase[RuleEngineConfig]

MOST_CHARACTERS: Final = 8_000_000
"""Of graphs together, in a page of rules with their versions."""


def registry() -> RuleRegistry:
    """The rules of the running app."""
    return current_services().get(RuleRegistry)


# -- looking --------------------------------------------------------------------------------------------------------------


async def list_rules(limit: int, after: str | None, *, payload: bool) -> tuple[list[RuleVersions], int, bool]:
    """Part of the rules that the app serves and that who asks may see, by name; how many these are; whether there are more after it.

    Args:
        limit: how many at most.
        after: the name to begin after.
        payload: whether to show the versions, too, of each rule whose details who asks may see.
    """
    known = sorted(registry(), key=lambda definition: definition.name)
    allowed = filter_allowed(known, RuleAction.LIST, lambda definition: RuleResource(definition.name))
    beyond = [definition for definition in allowed if after is None or definition.name > after]
    page = beyond[:limit]
    versions: Mapping[str, Sequence[Version]] = {}
    if payload:
        seen = filter_allowed(page, RuleAction.VIEW_DETAILS, lambda definition: RuleResource(definition.name))
        versions = await rule_configuration.read_many_with_default({each.name: each.config for each in seen}, MOST_CHARACTERS)
    return [described(each, versions.get(each.name, [])) for each in page], len(allowed), len(beyond) > limit


async def find_rule(name: str) -> RuleVersions:
    """A rule with its newest versions.

    Raises:
        RuleNotFound: the app serves none of that name.
    """
    return await with_versions(registry().get(name))


async def with_versions(definition: RuleDefinition) -> RuleVersions:
    """A rule with its newest versions and, at the end, the code's own."""
    versions = await rule_configuration.read_configs_with_default(definition.name, definition.config)
    return described(definition, versions)


def described(definition: RuleDefinition, versions: Sequence[Version]) -> RuleVersions:
    """A rule as answers show it."""
    rule = definition.rule
    return RuleVersions(
        name=rule.name,
        description=rule.description,
        input_schema=definition.input_schema,
        output_schema=definition.output_schema,
        configs=list(versions),
    )


async def list_versions(name: str, limit: int, after: UUID | None, *, payload: bool) -> list[Version]:
    """Part of a rule's stored versions, the newest first.

    Raises:
        RuleNotFound: the app serves none of that name.
    """
    registry().get(name)
    return await rule_configuration.list(name, limit=limit, after=after, payload=payload)


# -- checking and saving --------------------------------------------------------------------------------------------------


async def check(name: str, graph: JDMGraph) -> CheckReport:
    """What is wrong with a graph as a version of a rule.

    Raises:
        RuleNotFound: the app serves none of that name.
        Unauthenticated, Forbidden: whoever asks may not see a rule that the graph asks.
    """
    definition = registry().get(name)
    nested = await _nested_warnings(definition, graph)
    found = [*await findings_of(definition, graph), *await check_scripts(graph), *nested]
    return CheckReport(is_valid=not has_errors(found), findings=found)


async def save(name: str, graph: JDMGraph, comment: str | None) -> SavedRule:
    """Save a graph as a new version, which is not active yet, and run the test cases with it.

    Raises:
        RuleNotFound: the app serves none of that name.
        ConfigValidationError: the graph is wrong; it says where.
        Unauthenticated, Forbidden: whoever asks may not see a rule that the graph asks.
    """
    definition = registry().get(name)
    # All that can fail comes before: after the commit an error would say that nothing was saved.
    told = [*await _nested_warnings(definition, graph), *await findings_of(definition, graph)]
    compiled, cases = await tried(definition, graph, _permit), await cases_of(definition)
    before = await rule_configuration.read_configs_with_default(name, definition.config)
    saved = await rule_configuration.write_config(name, RuleEngineConfig(jdm=graph), comment)
    report = await run_cases(definition, cases, graph, compiled)
    return SavedRule(**dict(described(definition, [saved, *before])), saved_id=saved.id, findings=told, cases=report)


async def _nested_warnings(definition: RuleDefinition, graph: JDMGraph) -> list[Finding]:
    """What is wrong with the rules that *graph* asks, as they are now. Whoever asks must be allowed to see each of them."""
    graphs: dict[str, JDMGraph | None] = {}
    broken: set[str] = set()
    waiting = graph.nested_names()
    while waiting:
        name = waiting.pop()
        if name in graphs:
            continue
        _permit(name)
        graphs[name] = None
        if registry().find(name) is None:
            continue
        try:
            chosen = await rule_configuration.chosen(name, RuleEngineConfig(jdm=JDMGraph(nodes=[], edges=[])))
        except ActiveConfigBroken:
            broken.add(name)
            continue
        if not chosen.is_default:
            graphs[name] = chosen.data.jdm
            waiting.extend(chosen.data.jdm.nested_names())
    known = {name: inner for name, inner in graphs.items() if inner is not None}
    plain = {finding.message for finding in check_nested(graph, definition.name, registry().names(), None)}
    found = check_nested(graph, definition.name, registry().names(), known, broken)
    return [finding for finding in found if finding.message not in plain]


# -- trying ---------------------------------------------------------------------------------------------------------------


async def simulate(value: Mapping[str, Any], graph: JDMGraph) -> EvaluateResponse | EvaluateError:
    """Evaluate a graph with a trace. Errors of the graph are an answer as well.

    Nested decisions are the active versions of the app's rules, which the trace shows.

    Raises:
        Unauthenticated, Forbidden: whoever asks may not see one of these.
    """
    for name in graph.nested_names():
        _permit(name)
    try:
        compiled = await compiled_draft(None, graph, _permit)
        return evaluated(await compiled.evaluate(context_text(value), trace=True))
    except RuleError as error:
        known = registry().names()
        found = [finding for finding in await asyncio.to_thread(check_graph, graph, known_rules=known) if has_errors([finding])]
        answer = refused(error)
        return answer.model_copy(update={"data": {**answer.data, "findings": [each.model_dump(mode="json") for each in found]}})


def _permit(name: str) -> None:
    """A graph shows what the rules decide that it asks: it is for those who may see them."""
    validate_authorization_for(RuleResource(name), RuleAction.VIEW_DETAILS)


async def run_stored_cases(name: str, config_id: UUID | None) -> CaseReport:
    """Run a rule's test cases with a version.

    Args:
        name: the rule.
        config_id: the version; None is the active one, `DEFAULT_UUID` the function itself.

    Raises:
        RuleNotFound: the app serves none of that name.
        ConfigNotFoundError: it has no such version.
        ActiveConfigBroken: the active version does not fit the code.
        Unauthenticated, Forbidden: it is not active, and whoever asks may not see a rule that it asks.
    """
    definition = registry().get(name)
    if config_id is None:
        chosen = await rule_configuration.chosen(name, definition.config)
        graph = None if chosen.is_default else chosen.data.jdm
    else:
        graph = None if config_id == DEFAULT_UUID else (await _readable(name, config_id)).jdm
    # What the active version decides, everybody learns who uses the rule.
    compiled = None if graph is None else await tried(definition, graph, None if config_id is None else _permit)
    return await run_cases(definition, await cases_of(definition), graph, compiled)


async def run_draft_cases(name: str, graph: JDMGraph) -> CaseReport:
    """Run a rule's test cases with a graph that is not stored.

    Raises:
        RuleNotFound: the app serves none of that name.
        Unauthenticated, Forbidden: whoever asks may not see a rule that the graph asks.
    """
    definition = registry().get(name)
    compiled = await tried(definition, graph, _permit)
    return await run_cases(definition, await cases_of(definition), graph, compiled)


async def replay_draft(name: str, graph: JDMGraph, last: int) -> ReplayReport:
    """Decide the newest recorded decisions of a rule again, with a graph, and say what would change.

    Raises:
        RuleNotFound: the app serves none of that name.
        RuleEvaluationFailed: the graph asks a rule that has no graph.
        Unauthenticated, Forbidden: whoever asks may not see a rule that the graph asks.
    """
    return await replay(registry().get(name), graph, last, _permit)


async def permit_graph(name: str, config: RuleEngineConfig) -> None:
    """Let pass whoever gives *config* as a version of the rule *name*, if they may see each rule that it asks.

    Raises:
        Unauthenticated, Forbidden: they may not.
    """
    await _nested_warnings(registry().get(name), config.jdm)


async def _readable(name: str, config_id: UUID) -> RuleEngineConfig:
    found = await rule_configuration.find(config_id)
    if found.object_name != name:
        raise ConfigNotFoundError(config_id, rule_configuration.object_type)
    if found.data is None:
        raise ActiveConfigBroken(f"Version {found.version} of the rule '{name}' cannot be read.")
    return found.data
