"""What can go wrong with a rule.

::

    PlanarError
    └── RuleError
        ├── UnusableRule            500  a function cannot be a rule (also ValueError)
        ├── RuleNameTaken           500  two rules of one app share a name, or a rule has a name of a route (also ValueError)
        ├── RuleNotFound            404  the app serves no rule of that name (also LookupError and ValueError)
        ├── RuleCaseNotFound        404  the rule has no such test case (also LookupError)
        ├── RuleCaseTaken           409  the rule has a test case of that name
        ├── TooManyCases            409  the rule has as many test cases as it may
        ├── RuleInputUnusable       422  a value has no form that a graph can read (also ValueError)
        ├── RuleEvaluationFailed    422  a node of the graph failed; says which one and why
        ├── RuleResultMisfit        422  the result does not fit the return type; names the fields
        └── RuleSandboxError
            ├── RuleTimeout         422  a script took longer than it may
            ├── RuleCrashed         422  a script took more memory than it may, or ended its process
            ├── RuleSandboxBusy     503  too many scripts wait for their turn
            └── RuleNotChecked      503  whether a graph's scripts can be read cannot be found out now: try again
"""

from __future__ import annotations

from typing import ClassVar

from planar.errors import PlanarError
from planar.object_config.errors import NotJudgedNow


class RuleError(PlanarError):
    """A rule could not decide."""

    code = "rule_error"


class UnusableRule(RuleError, ValueError):
    """A function cannot be a rule."""

    code = "unusable_rule"


class RuleNameTaken(RuleError, ValueError):
    """Another rule of this app has the name."""

    code = "rule_name_taken"


class RuleNotFound(RuleError, LookupError, ValueError):
    """rule not found"""

    code = "rule_not_found"
    status = 404


class RuleCaseNotFound(RuleError, LookupError):
    """The rule has no such test case."""

    code = "rule_case_not_found"
    status = 404


class RuleCaseTaken(RuleError):
    """The rule has a test case of that name already."""

    code = "rule_case_taken"
    status = 409


class TooManyCases(RuleError):
    """The rule has as many test cases as it may."""

    code = "too_many_rule_cases"
    status = 409


class RuleInputUnusable(RuleError, ValueError):
    """A value in the input has no form that a graph can read."""

    code = "rule_input_unusable"
    status = 422


class RuleEvaluationFailed(RuleError):
    """A node of the rule's graph failed.

    Args:
        message: what to tell people.
        node_id: the node that failed; None if the graph as a whole did.
        node_name: what people call that node.
        reason: why, in the engine's words.
    """

    code: ClassVar[str] = "rule_evaluation_failed"
    status: ClassVar[int] = 422

    def __init__(self, message: str, node_id: str | None = None, node_name: str | None = None, reason: str = "") -> None:
        super().__init__(message)
        self.args = (message, node_id, node_name, reason)
        self.node_id = node_id
        self.node_name = node_name
        self.reason = reason


class RuleResultMisfit(RuleError):
    """What a rule's graph gave does not fit the function's return type.

    Args:
        message: what to tell people.
        fields: the names of the fields, dotted.
    """

    code = "rule_result_misfit"
    status = 422

    def __init__(self, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.args = (message, fields)
        self.fields = tuple(fields)


class RuleSandboxError(RuleError):
    """A script could not be executed."""

    code = "rule_sandbox_error"


class RuleTimeout(RuleSandboxError):
    """A script took longer than it may, and was stopped."""

    code = "rule_timeout"
    status = 422


class RuleCrashed(RuleSandboxError):
    """A script took more memory than it may, or ended its process."""

    code = "rule_crashed"
    status = 422


class RuleSandboxBusy(RuleSandboxError, NotJudgedNow):
    """Too many scripts wait for their turn. Try again later."""

    code = "rule_sandbox_busy"
    status = 503


class RuleNotChecked(RuleSandboxError, NotJudgedNow):
    """Whether the scripts of a graph can be read cannot be found out now. Try again later."""

    code = "rule_not_checked"
    status = 503
