"""How is one way to call a function bound to its parameters?

A call's shape is how many arguments it passes by position and which by name. Each shape is bound once; calls of the same
shape then cost no more than their values.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Required, cast

from typing_extensions import TypedDict

from planar.engine.codec.forms import Form, Reader

Named = tuple[str, Form]
"""An argument as it is called in messages, and its form."""

_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Shape:
    """The form of each argument as it is passed, and what restores all of them at once."""

    positional: tuple[Named, ...]
    keywords: tuple[Named, ...]
    forms: tuple[Form, ...]
    keyword_forms: tuple[Form, ...]
    positional_reader: Reader
    keyword_reader: Reader


def bound(signature: inspect.Signature, count: int, names: Sequence[str], form_of: Callable[[inspect.Parameter], Form]) -> Shape:
    """The shape of a call with *count* arguments by position and the others by *names*.

    Raises:
        TypeError: the function cannot be called like that.
    """
    signature.bind(*range(count), **dict.fromkeys(names))
    parameters = signature.parameters
    # Python 3.13.0 takes an argument that is for a position only by its name where other names are free.
    for missing in [parameter.name for parameter in parameters.values() if _is_needed_in_its_place(parameter)][count:]:
        raise TypeError(f"missing a required positional-only argument: {missing!r}")
    by_position = [parameter for parameter in parameters.values() if parameter.kind in _BY_POSITION][:count]
    rest = _only(parameters, inspect.Parameter.VAR_POSITIONAL)
    free = _only(parameters, inspect.Parameter.VAR_KEYWORD)
    positional = [(parameter.name, form_of(parameter)) for parameter in by_position]
    if rest is not None:
        positional += [(f"*{rest.name}", form_of(rest))] * (count - len(by_position))
    keywords: list[Named] = []
    for name in names:
        parameter = parameters.get(name)
        owner = parameter if parameter is not None and parameter.kind in _BY_NAME else free
        keywords.append((name, form_of(cast("inspect.Parameter", owner))))
    return _shape(tuple(positional), tuple(keywords))


def _is_needed_in_its_place(parameter: inspect.Parameter) -> bool:
    return parameter.kind is inspect.Parameter.POSITIONAL_ONLY and parameter.default is inspect.Parameter.empty


def _only(parameters: Mapping[str, inspect.Parameter], kind: Any) -> inspect.Parameter | None:
    return next((parameter for parameter in parameters.values() if parameter.kind is kind), None)


def _shape(positional: tuple[Named, ...], keywords: tuple[Named, ...]) -> Shape:
    forms, keyword_forms = tuple(form for _, form in positional), tuple(form for _, form in keywords)
    return Shape(
        positional,
        keywords,
        forms,
        keyword_forms,
        Reader(_tuple_of(form.load for form in forms), _tuple_of(form.tagged for form in forms)),
        Reader(_object_of((name, form.load) for name, form in keywords), _object_of((name, form.tagged) for name, form in keywords)),
    )


def _tuple_of(loads: Iterable[Any]) -> Any:
    found = tuple(loads)
    return tuple[found] if found else tuple[()]


def _object_of(loads: Iterable[tuple[str, Any]]) -> Any:
    return cast("Any", TypedDict)("Arguments", {name: Required[load] for name, load in loads})
