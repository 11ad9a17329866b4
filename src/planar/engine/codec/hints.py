"""What do the annotations of a function mean?

They may be texts (postponed), name classes that are defined later, or classes that exist only inside the function which
defines this one. They are looked up when they are first needed; one that means nothing is told with its remedy.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FrameType, SimpleNamespace
from typing import Any, ForwardRef, NewType, NotRequired, Required, TypeVar, get_args, get_origin

import typing_extensions


@dataclass(frozen=True, slots=True)
class Unresolved:
    """An annotation that means nothing here."""

    annotation: str

    def __str__(self) -> str:
        return (
            f"its annotation {self.annotation!r} cannot be resolved: define or import what it names at the top of the module, "
            "not only `if TYPE_CHECKING`"
        )


def enclosing_scope(function: Callable[..., Any]) -> dict[str, Any]:
    """The types that are defined inside the functions around the definition of *function*, as far as these are running now."""
    target = inspect.unwrap(function)
    code = getattr(target, "__code__", None)
    qualname: str = getattr(target, "__qualname__", "")
    if code is None or "<locals>" not in qualname:
        return {}
    around = {qualname[:index] for index in range(len(qualname)) if qualname.startswith(".<locals>.", index)}
    scope = {name: found for name, found in _captured(target) if _is_type(found)}
    for frame in _frames():
        if frame.f_code.co_filename == code.co_filename and frame.f_code.co_qualname in around:
            scope.update({name: found for name, found in frame.f_locals.items() if name not in scope and _is_type(found)})
    return scope


def _captured(function: Any) -> Iterator[tuple[str, Any]]:
    """What *function* itself uses of the functions around it."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue


def _frames() -> Iterator[FrameType]:
    frame = inspect.currentframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_type(found: Any) -> bool:
    return isinstance(found, type | TypeVar | NewType | typing_extensions.TypeAliasType) or get_origin(found) is not None


def function_hint(function: Callable[..., Any], annotation: Any, scope: Mapping[str, Any]) -> Any:
    """What *annotation* of *function* means; `Unresolved` if nothing."""
    target: Any = inspect.unwrap(function)
    target = getattr(target, "func", target)  # functools.partial
    return meaning(annotation, getattr(target, "__globals__", {}), scope)


def meaning(annotation: Any, names: Mapping[str, Any], scope: Mapping[str, Any]) -> Any:
    """What *annotation* means where *names* and, before them, *scope* are known; `Unresolved` if nothing."""
    if isinstance(annotation, type):
        return annotation
    holder = SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(holder, dict(names), dict(scope), include_extras=True)["it"]
    except Exception:  # an annotation is code, and can fail in any way
        return Unresolved(annotation if isinstance(annotation, str) else repr(annotation))


def class_hints(cls: Any, scope: Mapping[str, Any]) -> dict[str, Any]:
    """What the annotations of the fields of *cls* mean, each by itself."""
    try:
        return typing.get_type_hints(cls, localns={**scope, **_own_names(cls)}, include_extras=True)
    except Exception:  # one of them means nothing; the others still do
        pass
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        names = vars(inspect.getmodule(base) or SimpleNamespace())
        for name, annotation in inspect.get_annotations(base).items():
            hints[name] = meaning(annotation, names, {**scope, **_own_names(base)})
    return hints


def _own_names(cls: Any) -> dict[str, Any]:
    """A class may name itself in its fields, also one that is defined inside a function."""
    return {cls.__name__: cls}


def named(reference: str | ForwardRef, names: Mapping[str, Any], scope: Mapping[str, Any]) -> Any:
    """What a reference inside another annotation means."""
    text = reference.__forward_arg__ if isinstance(reference, ForwardRef) else reference
    return meaning(text, names, scope)


def substituted(hint: Any, bound: Mapping[Any, Any]) -> Any:
    """*hint* with its type parameters replaced."""
    if isinstance(hint, TypeVar):
        return bound.get(hint, hint)
    parameters: tuple[Any, ...] = getattr(hint, "__parameters__", ())
    if not bound or isinstance(hint, type) or not parameters:
        return hint
    return hint[tuple(bound.get(parameter, parameter) for parameter in parameters)]


def bound_parameters(cls: Any, args: tuple[Any, ...]) -> dict[Any, Any]:
    """Which type stands for which type parameter in ``cls[args]``."""
    parameters: tuple[Any, ...] = getattr(cls, "__parameters__", ())
    return dict(zip(parameters, args, strict=False))


def stripped(hint: Any) -> Any:
    """*hint* without what says only whether a key must be there."""
    while get_origin(hint) in _WRAPPERS:
        hint = get_args(hint)[0]
    return hint


_WRAPPERS: tuple[Any, ...] = (
    Required,
    NotRequired,
    typing.Final,
    typing.ClassVar,
    typing_extensions.ReadOnly,
    typing_extensions.Required,
    typing_extensions.NotRequired,
)


def awaited(hint: Any) -> Any:
    """The type of the result, where a plain function is annotated to return an awaitable of it."""
    origin = get_origin(hint)
    name = getattr(origin, "__name__", "")
    args = get_args(hint)
    return args[-1] if name in ("Awaitable", "Coroutine", "Future", "Task") and args else hint
