"""`@rule`: a function that decides, whose decision people may take over with a graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, Final, ParamSpec, Protocol, TypeVar, cast, overload

from pydantic import BaseModel

from planar.engine.codec.hints import Unresolved
from planar.engine.core.retry import RetryPolicy
from planar.logging import get_logger
from planar.rules.deciding import decide
from planar.rules.errors import RuleNotChecked, RuleSandboxBusy, UnusableRule
from planar.rules.models import Rule
from planar.rules.registration import RuleDefinition
from planar.rules.values import serialize_for_rule_evaluation
from planar.workflows.models import StepType
from planar.workflows.wrappers import StepOptions, StepWrapper

__all__ = ["RULE_REGISTRY", "RuleWrapper", "rule", "serialize_for_rule_evaluation"]

logger = get_logger(__name__)

P = ParamSpec("P")
R = TypeVar("R", bound=BaseModel)

_RETRY: Final = RetryPolicy(retry_on=(RuleSandboxBusy, RuleNotChecked))
"""A decision comes out the same each time, but for a sandbox that was busy or stood still."""
_BY_POSITION: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class RuleWrapper(StepWrapper[P, R]):
    """A rule: a durable step in a run, a plain call outside. It is awaited in both, whichever way its function was written."""

    def __init__(self, function: Callable[P, Any], description: str) -> None:
        super().__init__(function, StepOptions(_RETRY, False, StepType.RULE, function.__name__), return_type=None)
        self.definition = self._defined(function, description)
        (parameter,) = self.codec.signature.parameters.values()
        self._by_place = parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        self._body = self._awaitable
        self._awaitable = self._decide

    @property
    def __rule__(self) -> Rule:
        """What it takes and gives."""
        return self.definition.rule

    async def body(self, value: BaseModel) -> BaseModel:
        """What the function itself decides: version 0."""
        (parameter,) = self.codec.signature.parameters.values()
        body = cast("Any", self._body)
        by_name = parameter.kind is inspect.Parameter.KEYWORD_ONLY
        return cast("BaseModel", await (body(**{parameter.name: value}) if by_name else body(value)))

    async def _decide(self, *args: P.args, **kwargs: P.kwargs) -> R:
        given = cast("tuple[Any, ...]", args)
        if len(given) == 1 and not kwargs and self._by_place:
            (value,) = given  # binding it takes as long as a small table takes to decide
        else:
            (value,) = self.codec.signature.bind(*args, **kwargs).arguments.values()
        return cast("R", await decide(self.definition, value, lambda: self._body(*args, **kwargs)))

    def _defined(self, function: Callable[..., Any], description: str) -> RuleDefinition:
        takes, gives = _types(self, function)
        made = Rule(name=function.__name__, description=description, input=takes, output=gives)
        return RuleDefinition(made, f"{function.__module__}:{function.__qualname__}", self)


def _types(wrapper: StepWrapper[..., Any], function: Callable[..., Any]) -> tuple[type[BaseModel], type[BaseModel]]:
    """The models that a rule takes and gives.

    Raises:
        UnusableRule: it is no rule; the message says why.
    """
    signature = wrapper.codec.signature
    parameters = list(signature.parameters.values())
    name = function.__qualname__
    if len(parameters) != 1 or parameters[0].kind not in _BY_POSITION or parameters[0].name in ("self", "cls"):
        raise _refused(f"The rule {name} takes exactly one argument, a pydantic model: put everything that it needs into that.")
    (parameter,) = parameters
    if parameter.annotation is inspect.Parameter.empty:
        raise _refused(f"The parameter '{parameter.name}' of the rule {name} has no annotation: it needs a pydantic model.")
    if signature.return_annotation is inspect.Signature.empty:
        raise _refused(f"The rule {name} has no return annotation: it needs a pydantic model.")
    takes = _model(wrapper, parameter.annotation, f"The parameter '{parameter.name}' of the rule {name}")
    return takes, _model(wrapper, signature.return_annotation, f"The result of the rule {name}")


def _model(wrapper: StepWrapper[..., Any], annotation: Any, what: str) -> type[BaseModel]:
    hint = wrapper.codec.hint(annotation)
    if isinstance(hint, Unresolved):
        raise _refused(f"{what} cannot be read: {hint}. Define its model at the top level of a module, before the rule.")
    if not (isinstance(hint, type) and issubclass(hint, BaseModel)):
        raise _refused(f"{what} is {hint!r}, and has to be a pydantic model.")
    return hint


def _refused(message: str) -> UnusableRule:
    logger.warning("a function cannot be a rule", reason=message)
    return UnusableRule(message)


class RuleDecorator(Protocol):
    """Makes a function a rule: a plain one, or an ``async def``."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> RuleWrapper[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> RuleWrapper[P, R]: ...


_DEFINED: Final[dict[str, RuleDefinition]] = {}
"""The rules that were defined in this process, by name; of two, the later one."""


class RuleNames(Mapping[str, Rule]):
    """The rules that were defined in this process, by name: a view. What an app serves is what it registers."""

    def __getitem__(self, name: str) -> Rule:
        return _DEFINED[name].rule

    def __iter__(self) -> Iterator[str]:
        return iter(_DEFINED)

    def __len__(self) -> int:
        return len(_DEFINED)


RULE_REGISTRY: Final = RuleNames()


def rule(*, description: str) -> RuleDecorator:
    """Make a function a rule. Its body is version 0; a graph that is promoted decides in its place.

    Args:
        description: what the rule is for, for the people who edit it.

    Raises:
        UnusableRule: (a ValueError) the function does not take exactly one pydantic model and return one, or *description* is empty.
    """
    if not isinstance(description, str) or not description.strip():  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not check types
        raise _refused("A rule needs a description, for the people who edit it: @rule(description=...).")

    def decorate(function: Callable[..., Any]) -> RuleWrapper[..., Any]:
        if not callable(function) or not hasattr(function, "__qualname__"):
            raise _refused(f"@rule is for functions, not for {function!r}.")
        wrapper: RuleWrapper[..., Any] = RuleWrapper(function, description)
        _DEFINED[wrapper.definition.name] = wrapper.definition
        return wrapper

    return cast("RuleDecorator", decorate)
