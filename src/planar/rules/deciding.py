"""How does a rule decide? By the version that is used here: the function itself, or a stored graph."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final

from pydantic import BaseModel

from planar.context import Services, find_services
from planar.object_config.choosing import Chosen, VersionChooser
from planar.object_config.errors import ActiveConfigBroken
from planar.rules.compiled import CompiledGraph, CompiledGraphs
from planar.rules.errors import RuleEvaluationFailed, RuleNameTaken
from planar.rules.graph import JDMGraph
from planar.rules.models import RuleEngineConfig
from planar.rules.registration import RuleDefinition, RuleRegistry
from planar.rules.rule_configuration import rule_configuration
from planar.rules.values import context_text, fit_result

_CODE: Final = RuleEngineConfig(jdm=JDMGraph(nodes=[], edges=[]))
"""Stands for the function itself, whose graph nobody asks for."""


async def decide(definition: RuleDefinition, value: Any, body: Callable[[], Awaitable[Any]]) -> Any:
    """What the rule decides for *value*; outside of an app, what its function does.

    Args:
        definition: the rule.
        value: what it is given.
        body: calls the function itself.

    Raises:
        RuleEvaluationFailed: a node of the graph failed.
        RuleResultMisfit: the graph's result does not fit the return type.
        RuleInputUnusable: something in *value* has no form that a graph can read.
        ActiveConfigBroken: the stored version does not fit the code.
        RuleNameTaken: the app has registered another rule of this name, whose versions these would be.
    """
    services = find_services()
    chooser = services.find(VersionChooser) if services is not None else None
    if services is None or chooser is None:
        return await body()
    graphs = services.find(CompiledGraphs)
    chosen = chooser.at_hand(definition.key)
    graph = graphs.ready(definition.key, (definition, chosen)) if graphs is not None and chosen is not None else None
    if graph is None:
        _check_name(services, definition)
        chosen = chosen or await chooser.choose(rule_configuration, definition.name, _CODE)
        if chosen.is_default:
            return await body()
        graph = await compiled(services, definition, chosen)
    evaluation = await graph.evaluate(context_text(value))
    return fit_result(definition.output, evaluation.result, graph.what)


def _check_name(services: Services, definition: RuleDefinition) -> None:
    registry = services.find(RuleRegistry)
    registered = registry.find(definition.name) if registry is not None else None
    if registered is not None and registered is not definition and registered.source != definition.source:
        raise RuleNameTaken(
            f"The app serves {registered.source} as the rule '{definition.name}', and {definition.source} has the same name: rename one."
        )


async def compiled(services: Services, definition: RuleDefinition, chosen: Chosen[RuleEngineConfig]) -> CompiledGraph:
    """The graph of a version, with the versions of nested rules that are used here, compiled once."""
    graphs = services.find(CompiledGraphs)
    alone = (definition.name, definition.output, chosen.config_id.int)
    found = graphs.find(alone) if graphs is not None else None
    if graphs is not None and found is not None:
        # What a version holds never changes, so it asks no other rule.
        graphs.keep_ready(definition.key, (definition, chosen), found)
        return found
    what = f"Rule '{definition.name}' version {chosen.version}"
    nested = await nested_versions(what, definition.name, chosen.data.jdm)
    key: Hashable = (*alone, tuple((name, version.config_id) for name, version in nested.items())) if nested else alone

    def make() -> CompiledGraph:
        inner = {name: version.data.jdm for name, version in nested.items()}
        return CompiledGraph(what, chosen.data.jdm, inner, definition.output)

    return graphs.get(key, make) if graphs is not None else make()


Permit = Callable[[str], None]
"""Raises an error unless whoever asks may see the rule of that name."""


async def nested_versions(
    what: str, name: str | None, graph: JDMGraph, permit: Permit | None = None
) -> dict[str, Chosen[RuleEngineConfig]]:
    """The versions of the rules that *graph* asks, and that these ask; each is the one that is used here.

    Args:
        what: the rule and its version, for the words of an error.
        name: the rule's name, which none of them may ask again.
        graph: the graph.
        permit: asked of each rule before anything of it is read.

    Raises:
        RuleEvaluationFailed: one is code, or they ask each other in a circle.
    """
    found: dict[str, Chosen[RuleEngineConfig]] = {}

    async def visit(names: list[str], path: tuple[str, ...]) -> None:
        for each in names:
            if each in path:
                raise RuleEvaluationFailed(f"{what} cannot end: its nested rules ask each other, {' → '.join((*path, each))}.")
            if each not in found:
                if permit is not None:
                    permit(each)
                found[each] = await _graph_of(what, each)
            await visit(found[each].data.jdm.nested_names(), (*path, each))

    await visit(graph.nested_names(), (name,) if name is not None else ())
    return found


async def _graph_of(what: str, name: str) -> Chosen[RuleEngineConfig]:
    chosen = await rule_configuration.chosen(name, _CODE)
    if chosen.is_default:
        raise RuleEvaluationFailed(
            f"{what} asks the rule '{name}', whose active version is code, which a graph cannot ask. Promote a graph of '{name}'.",
            reason=f"the rule '{name}' has no active graph",
        )
    return chosen


async def compiled_draft(definition: RuleDefinition | None, graph: JDMGraph, permit: Permit | None = None) -> CompiledGraph:
    """A graph that is not stored, or not used, compiled for this one use.

    Args:
        definition: the rule that it is of, if it is of one.
        graph: the graph.
        permit: asked of each rule that it asks, directly or not. Whoever gives a graph could read their decisions by it.

    Raises:
        RuleEvaluationFailed: one of these is code, or does not fit the code any more, or they ask each other in a circle.
    """
    what = f"The draft of rule '{definition.name}'" if definition is not None else "The graph"
    name, output = (definition.name, definition.output) if definition is not None else (None, None)
    try:
        nested = await nested_versions(what, name, graph, permit)
    except ActiveConfigBroken as error:
        raise RuleEvaluationFailed(f"{what} asks a rule that cannot decide: {error.message}", reason=error.message) from None
    return CompiledGraph(what, graph, {name: version.data.jdm for name, version in nested.items()}, output, is_draft=True)


async def evaluate_compiled(
    definition: RuleDefinition, graph: CompiledGraph, value: Any, *, trace: bool = False
) -> tuple[BaseModel, dict[str, Any]]:
    """What a compiled graph decides for *value*, and, with *trace*, what each node did."""
    evaluation = await graph.evaluate(context_text(value), trace=trace)
    return fit_result(definition.output, evaluation.result, graph.what), evaluation.trace
