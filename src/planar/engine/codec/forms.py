"""How are the values of one annotation written and restored?

A `Form` is made once per annotation. Writing looks at the value, since its class decides; most values need no change, as
`text_of` writes them by itself. Restoring is done by pydantic: ``load`` is the annotation, rewritten where pydantic's own
reading would not give back what was written. ``tagged`` is the same for texts that name classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import PlainValidator, TypeAdapter

from planar.engine.codec.names import MARK
from planar.engine.codec.stored import AS_IS, NotStorable
from planar.engine.codec.values import plain

NO_TYPES: frozenset[type[Any]] = frozenset()
ALL_KINDS = frozenset({"null", "bool", "int", "float", "str", "list", "dict"})
_KINDS: dict[type[Any], str] = {type(None): "null", bool: "bool", int: "int", float: "float", str: "str", list: "list", dict: "dict"}


class Reader:
    """Restores the values of a type expression from JSON text; what pydantic needs for that is made at first use."""

    __slots__ = ("_load", "_plain", "_tagged", "_wrapped")

    def __init__(self, load: Any, tagged: Any) -> None:
        self._load = load
        self._tagged = tagged
        self._plain: Any = None
        self._wrapped: Any = None

    def read(self, text: str) -> Any:
        """The value that *text* stands for. Fields are found by their names, as they are written, never by aliases.

        Raises:
            pydantic.ValidationError: it does not fit.
        """
        if MARK not in text:
            if self._plain is None:
                self._plain = TypeAdapter[Any](self._load).validator
            return self._plain.validate_json(text, by_alias=False, by_name=True)
        if self._wrapped is None:
            self._wrapped = TypeAdapter[Any](self._tagged).validator
        return self._wrapped.validate_json(text, by_alias=False, by_name=True)


def _never(_: Any) -> bool:
    return False


@dataclass(slots=True, eq=False)
class Form:
    """How the values of ``hint`` are written and restored.

    ``dump`` gives the stored form of any value, raising NotStorable; values of exactly one of the types ``exact`` are their own
    stored form, those of ``same`` also come back identical. A value that is ``light``, which its class decides (that
    of each element in a list), is its own stored form too; but if it ``may_lose`` something and its text says null somewhere, ``dump``
    has to be asked whether it does. ``fits``: whether a value belongs to the annotation. ``kinds``: the
    kinds of JSON value that a stored form can be; ``reads`` adds those that ``load`` takes although they are not written.
    """

    hint: Any
    load: Any
    dump: Callable[[Any], Any]
    fits: Callable[[Any], bool]
    kinds: frozenset[str]
    tagged: Any = None
    exact: frozenset[type[Any]] = NO_TYPES
    same: frozenset[type[Any]] = NO_TYPES
    reads: frozenset[str] = frozenset()
    light: Callable[[Any], bool] = _never
    may_lose: bool = False
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        if self.tagged is None:
            self.tagged = self.load
        self.reader = Reader(self.load, self.tagged)

    @property
    def names_classes(self) -> bool:
        """Whether a stored form can name a class."""
        return self.tagged is not self.load


def kind_of(stored: Any) -> str:
    """The kind of a JSON value."""
    return _KINDS[type(stored)]


def raw_form() -> Form:
    """Without an annotation: written by its class, and given back as the JSON value that is stored."""
    return Form(Any, Any, plain, lambda _: True, ALL_KINDS, exact=AS_IS | {float}, same=AS_IS)


def unresolved_form(reason: str) -> Form:
    """For an annotation that means nothing here: an error that says so, at the first value."""

    def refuse(_: Any) -> Any:
        raise NotStorable(reason)

    return Form(object, Annotated[Any, PlainValidator(refuse)], refuse, lambda _: False, ALL_KINDS)
