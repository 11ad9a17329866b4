"""How is a class named in a stored value, and found again?

Only where the annotation alone does not tell the class: a subclass, one of several members of a union, a generic model.
The value is then stored as ``{"$type": name, "$value": stored form}``. A class in the module of the function itself is named
``:qualname``, because that module is called differently when the process is started differently; any other
``module:qualname``; a generic one as a list of the class and its arguments.

Finding a class never imports a module: what is named in a value must be there already.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any, cast, get_args, get_origin

from planar.engine.codec.stored import NotStorable

TYPE = "$type"
VALUE = "$value"
MARK = f'"{TYPE}"'
"""A JSON text without this holds no named class."""


def wrapped(label: Any, stored: Any) -> dict[str, Any]:
    """*stored* with the name of its class."""
    return {TYPE: label, VALUE: stored}


def is_wrapped(stored: Any) -> bool:
    """Whether *stored* is a value with the name of its class."""
    return isinstance(stored, dict) and len(cast("dict[str, Any]", stored)) == 2 and TYPE in stored and VALUE in stored


class Names:
    """The names of classes, as they are seen from one function: *module* is its own, *scope* what surrounds its definition."""

    def __init__(self, module: str, scope: Mapping[str, Any]) -> None:
        self._module = module
        self._scope = scope
        self._labels: dict[tuple[type[Any], type[Any]], Any] = {}

    def label(self, kind: type[Any], base: type[Any]) -> Any:
        """The name under which `find` gives *kind* again, where *base* is annotated.

        Raises:
            NotStorable: nothing leads back to it, as to a class that was made inside a function.
        """
        found = self._labels.get((kind, base))
        if found is None:
            found = self.describe(kind)
            if self._find_or_none(found, base) is not kind:
                raise NotStorable(f"the class {kind.__qualname__} could not be found again: define it at the top of a module")
            self._labels[kind, base] = found
        return found

    def _find_or_none(self, label: Any, base: type[Any]) -> Any:
        try:
            return self.find(label, base)
        except LookupError:
            return None

    def describe(self, hint: Any) -> Any:
        """The name of any type expression. Only the names of classes can be found again."""
        generic: dict[str, Any] = getattr(hint, "__pydantic_generic_metadata__", {})
        origin = generic.get("origin") or get_origin(hint)
        args: tuple[Any, ...] = generic.get("args") or get_args(hint)
        if origin is not None and args:
            return [self.describe(origin), *(self.describe(arg) for arg in args)]
        if isinstance(hint, type):
            return f"{'' if hint.__module__ == self._module else hint.__module__}:{hint.__qualname__}"
        return str(hint)

    def find(self, label: Any, base: type[Any]) -> Any:
        """The class of that name, if it is *base* or derives from it.

        Raises:
            LookupError: there is none, or more than one could be meant.
        """
        if isinstance(label, list) and label:
            names = cast("list[Any]", label)
            origin = self.find(names[0], base)
            args = tuple(self.find(name, object) for name in names[1:])
            return parametrized(origin, args)
        if not isinstance(label, str) or ":" not in label:
            raise LookupError(f"{label!r} is not the name of a class")
        module, _, qualname = label.rpartition(":")
        kind = (
            self._in_scope(module, qualname)
            or in_module(module or self._module, qualname)
            or _derived(base, module or self._module, qualname)
        )
        if kind is None or not issubclass(kind, base):
            raise LookupError(f"there is no class {label!r} here that could stand for {base.__name__}")
        return kind

    def _in_scope(self, module: str, qualname: str) -> type[Any] | None:
        found = self._scope.get(qualname.rpartition(".")[2])
        is_it = isinstance(found, type) and found.__qualname__ == qualname and found.__module__ == (module or self._module)
        return found if is_it else None


def parametrized(generic: Any, args: tuple[Any, ...]) -> Any:
    """``generic[args]``."""
    return generic[args if len(args) != 1 else next(iter(args))]


def in_module(module: str, qualname: str) -> type[Any] | None:
    """The class *qualname* of a loaded module, or None."""
    found: Any = sys.modules.get(module)
    for name in qualname.split("."):
        found = getattr(found, "__dict__", {}).get(name)
    return cast("type[Any]", found) if isinstance(found, type) else None


def _derived(base: type[Any], module: str, qualname: str) -> type[Any] | None:
    """The only class derived from *base* with that name, in that file whatever its module is called."""
    if base is object:
        return None
    found = {kind for kind in derived(base) if kind.__qualname__ == qualname and is_same_file(kind.__module__, module)}
    return next(iter(found)) if len(found) == 1 else None


def derived(base: type[Any]) -> Iterator[type[Any]]:
    """*base* and every class that derives from it."""
    waiting, seen = [base], {base}
    while waiting:
        kind = waiting.pop()
        yield kind
        children = [child for child in type.__subclasses__(kind) if child not in seen]
        seen.update(children)
        waiting.extend(children)


def is_same_file(module: str, other: str) -> bool:
    """Whether two names of modules can be one file, started as `main`, as `app.main` or as a script."""
    return module == other or "__main__" in (module, other) or module.endswith(f".{other}") or other.endswith(f".{module}")
