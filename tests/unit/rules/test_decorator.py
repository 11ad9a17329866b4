"""What can be a rule?"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from planar.rules import Rule, rule
from planar.rules.decorator import RULE_REGISTRY
from planar.rules.engine_errors import read_failure
from planar.rules.errors import RuleCrashed, RuleResultMisfit, RuleSandboxBusy, RuleTimeout, UnusableRule
from planar.rules.registration import RuleRegistry
from planar.workflows.models import StepType

pytestmark = pytest.mark.anyio


class Question(BaseModel):
    number: int


class Answer(BaseModel):
    number: int


@rule(description="Twice as much.")
def double(question: Question) -> Answer:
    return Answer(number=question.number * 2)


@rule(description="By name only.")
async def by_name(*, question: Question) -> Answer:
    return Answer(number=question.number)


async def test_a_rule_is_awaited_whichever_way_it_was_written() -> None:
    assert await double(Question(number=2)) == Answer(number=4)
    assert await double(question=Question(number=2)) == Answer(number=4)
    assert await by_name(question=Question(number=2)) == Answer(number=2)
    assert await by_name.definition.function.body(Question(number=7)) == Answer(number=7)


def test_a_rule_says_what_it_is() -> None:
    assert double.__name__ == "double"
    assert double.__rule__ == Rule(name="double", description="Twice as much.", input=Question, output=Answer)
    assert double.identity.kind is StepType.RULE
    assert RULE_REGISTRY["double"] is double.__rule__
    assert double.__rule__.to_config() == double.__rule__.to_config()


def none(question: Question, other: Question) -> Answer: ...  # type: ignore[empty-body]
def nothing() -> Answer: ...  # type: ignore[empty-body]
def untyped(question) -> Answer: ...  # type: ignore[no-untyped-def,empty-body]
def unreturned(question: Question): ...  # type: ignore[no-untyped-def]
def text(question: str) -> Answer: ...  # type: ignore[empty-body]
def to_text(question: Question) -> str: ...  # type: ignore[empty-body]
def optional(question: Question | None) -> Answer: ...  # type: ignore[empty-body]
def many(*question: Question) -> Answer: ...  # type: ignore[empty-body]
def unknown(question: Missing) -> Answer: ...  # type: ignore[name-defined,empty-body]  # noqa: F821 - that is the point
def method(self: Question) -> Answer: ...  # type: ignore[empty-body]


@pytest.mark.parametrize("function", [none, nothing, untyped, unreturned, text, to_text, optional, many, unknown, method])
def test_what_cannot_be_a_rule_is_refused_when_it_is_decorated(function: Any) -> None:
    with pytest.raises(ValueError, match=function.__name__) as caught:
        rule(description="It cannot be.")(function)
    assert isinstance(caught.value, UnusableRule)


@pytest.mark.parametrize("description", ["", "  ", None])
def test_a_rule_needs_a_description(description: Any) -> None:
    with pytest.raises(UnusableRule, match="description"):
        rule(description=description)


def test_a_module_that_is_loaded_again_replaces_its_rules() -> None:
    registry = RuleRegistry()
    registry.register(double.definition)
    again = rule(description="Anew.")(double.original_fn)
    registry.register(again.definition)
    assert [each.rule.description for each in registry] == ["Anew."]


@pytest.mark.parametrize(
    ("text", "reason", "node"),
    [
        (
            '{"type":"NodeError","source":"Error: no\\n    at handler (node:f:1:52)\\n","nodeId":"f"}\n\nStack backtrace:\n   0: x',
            "no",
            "f",
        ),
        ('{"type":"InvalidGraph","source":{"type":"cyclicGraph"}}', "the graph goes in a circle", None),
        ("Invalid JSON\n\nCaused by:\n    nodes[1]: bad\n\nStack backtrace:\n 0: y", "Invalid JSON: nodes[1]: bad", None),
        ("[1]", "[1]", None),
        ("", "", None),
    ],
)
def test_the_engines_words_are_understood(text: str, reason: str, node: str | None) -> None:
    failure = read_failure(text)
    assert (failure.reason, failure.node_id) == (reason, node)


def test_a_rule_is_tried_again_only_if_the_sandbox_was_busy() -> None:
    policy = double.retry
    assert policy.covers(RuleSandboxBusy())
    assert not any(policy.covers(error) for error in (RuleTimeout(), RuleCrashed(), RuleResultMisfit("no"), ValueError()))
