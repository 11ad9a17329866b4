"""What does a graph give for an input? The call that needs no rule, for simulation and for code of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel

from planar.rules.compiled import CompiledGraph, Evaluation
from planar.rules.errors import RuleError, RuleEvaluationFailed
from planar.rules.graph import JDMGraph
from planar.rules.values import context_text

__all__ = ["EvaluateError", "EvaluateResponse", "evaluate_rule"]


class EvaluateResponse(BaseModel):
    """What came out: the engine's ``performance`` as a text, the ``result``, and what each node did, by its id."""

    success: Literal[True] = True
    performance: str
    result: Any
    trace: dict[str, Any]


class EvaluateError(BaseModel):
    """What went wrong: ``data`` has the ``nodeId``, the ``nodeName`` and the ``reason``; ``code`` is that of the error."""

    success: Literal[False] = False
    title: str
    message: str
    code: str
    data: dict[str, Any]


async def evaluate_rule(
    jdm: JDMGraph, input: Mapping[str, Any] | BaseModel, nested: Mapping[str, JDMGraph] | None = None
) -> EvaluateResponse | EvaluateError:
    """Evaluate a graph, with a trace. What fails is an answer, too.

    Args:
        jdm: the graph.
        input: what comes in.
        nested: the graphs of nested decisions, by name.
    """
    try:
        graph = CompiledGraph("The graph", jdm, nested)
        return evaluated(await graph.evaluate(context_text(input), trace=True))
    except RuleError as error:
        return refused(error)


def evaluated(evaluation: Evaluation) -> EvaluateResponse:
    """The answer for an evaluation that went well."""
    return EvaluateResponse(performance=evaluation.performance, result=evaluation.result, trace=evaluation.trace)


def refused(error: RuleError) -> EvaluateError:
    """The answer for one that did not."""
    data: dict[str, Any] = {}
    if isinstance(error, RuleEvaluationFailed):
        data = {"nodeId": error.node_id, "nodeName": error.node_name, "reason": error.reason}
    return EvaluateError(title=_TITLES.get(error.code, "The rule could not decide"), message=error.message, code=error.code, data=data)


_TITLES = {
    "rule_evaluation_failed": "A node failed",
    "rule_timeout": "A script was stopped",
    "rule_crashed": "A script was stopped",
    "rule_input_unusable": "The input cannot be used",
    "rule_result_misfit": "The result does not fit",
}
