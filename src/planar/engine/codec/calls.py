"""How do the arguments and the result of one function become JSON text, and values again?

One `CallCodec` belongs to one function. Everything that can be known in advance is kept: the forms of the annotations, how
a call of a certain shape is bound, and what pydantic needs to restore it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import from_json

from planar.engine.codec.binding import Named, Shape, bound
from planar.engine.codec.compiler import Compiler
from planar.engine.codec.forms import Form, Reader
from planar.engine.codec.hints import awaited, enclosing_scope, function_hint
from planar.engine.codec.reasons import reason, reasons_by_argument, shown
from planar.engine.codec.stored import text_of
from planar.engine.codec.unions import optional_form
from planar.engine.errors import ArgumentNotStorable, CallNotRestorable, ResultNotStorable

_SHAPES_KEPT = 128
"""A function with free keyword arguments can be called in any number of ways; so many are kept."""
_NULL = "null"
"""What stands in the text of a value that is light, if a number of it is lost; often it is a None, and none is."""
_LONG = 4000
"""From so many characters a number may be too long to be read again."""


class CallCodec:
    """Writes and restores the calls and the results of *function*.

    *return_type* is the type of the result, where the annotation of the function does not tell it. Annotations are looked up
    at the first call; make the codec where the function is defined, so that types which exist only there are known.
    """

    def __init__(self, function: Callable[..., Any], *, return_type: Any = None) -> None:
        self.function = function
        self.name: str = getattr(function, "__qualname__", None) or repr(function)
        self._return_type = return_type
        self._scope = enclosing_scope(function)
        self._shapes: dict[tuple[Any, ...], Shape] = {}

    def dump_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, str]:
        """The JSON texts of the positional and of the keyword arguments, as they were passed; defaults are not stored.

        Raises:
            TypeError: the arguments do not fit the function's parameters.
            ArgumentNotStorable: a value has no stored form; the message names the argument.
        """
        shape = self._shape(len(args), tuple(kwargs))
        try:
            args_text = _text(args, shape.forms) if args else "[]"
            return args_text, _text(kwargs.values(), shape.keyword_forms, tuple(kwargs)) if kwargs else "{}"
        except Exception as error:  # a user's serializer can fail in any way
            raise self._blamed(shape, args, kwargs) or error from None

    def load_call(self, args: str, kwargs: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments that two JSON texts stand for, each as its parameter is annotated.

        Raises:
            CallNotRestorable: they do not fit the function; the message names each argument that does not.
        """
        count, names = self._counted(args, kwargs)
        try:
            shape = self._shape(count, names)
        except TypeError as error:
            raise CallNotRestorable(f"The recorded arguments do not fit the function any more: {error}.") from None
        positional: tuple[Any, ...] = self._read(shape.positional_reader, args, shape.positional) if count else ()
        keywords: dict[str, Any] = self._read(shape.keyword_reader, kwargs, shape.keywords) if names else {}
        return positional, keywords

    def roundtrip_result(self, value: Any) -> tuple[str, Any]:
        """The JSON text of a result, and the value that it stands for: what the caller is given, now and at every replay.

        Raises:
            ResultNotStorable: the value has no stored form, or does not fit the annotation.
        """
        form = self._result
        try:
            text = _result_text(value, form)
            if type(value) in form.same and len(text) < _LONG:
                return text, value
            return text, form.reader.read(text)
        except ValidationError as error:
            message = f"The result of {self.name}() does not fit its annotation {shown(self._result_hint)}: {reason(error)}."
        except Exception as error:  # a user's serializer or validator can fail in any way
            message = f"The result of {self.name}() cannot be stored: {reason(error)}."
        raise ResultNotStorable(message)

    def load_result(self, text: str | None) -> Any:
        """The result that *text* stands for; None without a text.

        Raises:
            CallNotRestorable: it does not fit the annotation any more.
        """
        if text is None:
            return None
        try:
            return self._result.reader.read(text)
        except Exception as error:  # a user's validator can fail in any way
            raise CallNotRestorable(f"The recorded result of {self.name}() cannot be restored: {reason(error)}.") from None

    @cached_property
    def signature(self) -> inspect.Signature:
        """The parameters of the function; any are allowed where Python does not tell them."""
        try:
            return inspect.signature(self.function)
        except (TypeError, ValueError):
            return inspect.signature(lambda *args, **kwargs: None)  # pyright: ignore[reportUnknownLambdaType]

    @cached_property
    def _compiler(self) -> Compiler:
        target = inspect.unwrap(self.function)
        self._scope |= {name: kind for name, kind in enclosing_scope(self.function).items() if name not in self._scope}
        return Compiler(getattr(target, "__module__", ""), getattr(target, "__globals__", {}), self._scope)

    @cached_property
    def _result(self) -> Form:
        hint = self._result_hint
        return self._form(Any if hint is type(None) else hint)

    @cached_property
    def _result_hint(self) -> Any:
        return self._return_type if self._return_type is not None else awaited(self.hint(self.signature.return_annotation))

    def hint(self, annotation: Any) -> Any:
        """What an annotation of the function means; Any without one."""
        if annotation is inspect.Parameter.empty:
            return Any
        return function_hint(self.function, annotation, self._scope)

    def _form(self, hint: Any) -> Form:
        return optional_form(self._compiler.form(hint))

    def _shape(self, count: int, names: Sequence[str]) -> Shape:
        key = (count, *names)
        shape = self._shapes.get(key)
        if shape is None:
            try:
                shape = bound(self.signature, count, names, self._form_of)
            except TypeError as error:
                raise TypeError(f"{self.name}() {error}") from None
            if len(self._shapes) < _SHAPES_KEPT:
                self._shapes[key] = shape
        return shape

    def _form_of(self, parameter: inspect.Parameter) -> Form:
        return self._form(self.hint(parameter.annotation))

    def _counted(self, args: str, kwargs: str) -> tuple[int, list[str]]:
        """How many positional arguments there are, and the names of the others."""
        try:
            positional: Any = from_json(args) if args != "[]" else []
            keywords: Any = from_json(kwargs) if kwargs != "{}" else {}
        except ValueError as error:
            raise CallNotRestorable(f"The arguments of {self.name}() are not JSON: {error}.") from None
        if not isinstance(positional, list) or not isinstance(keywords, dict):
            raise CallNotRestorable(f"The arguments of {self.name}() are not a list and an object.")
        return len(cast("list[Any]", positional)), list(cast("dict[str, Any]", keywords))

    def _read(self, reader: Reader, text: str, arguments: tuple[Named, ...]) -> Any:
        try:
            return reader.read(text)
        except ValidationError as error:
            reasons = reasons_by_argument(error, arguments)
        except Exception as error:  # a user's validator can fail in any way
            reasons = reason(error)
        raise CallNotRestorable(f"The arguments of {self.name}() cannot be restored: {reasons}.")

    def _blamed(self, shape: Shape, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ArgumentNotStorable | None:
        """The error that names the argument which has no stored form."""
        arguments = zip((*shape.positional, *shape.keywords), (*args, *kwargs.values()), strict=True)
        for (name, form), value in arguments:
            try:
                text_of(form.dump(value))
            except Exception as error:  # see dump_call
                return ArgumentNotStorable(
                    f"The argument `{name}` of {self.name}() cannot be stored: {reason(error)}.", argument=name, function=self.name
                )
        return None


def _text(values: Collection[Any], forms: tuple[Form, ...], names: tuple[str, ...] | None = None) -> str:
    """The text of *values*, each by its form: a list, or with *names* an object.

    Raises:
        Exception: a value has no stored form, or a user's serializer failed.
    """
    stored: list[Any] = []
    doubtful: list[tuple[Any, Form]] = []
    for value, form in zip(values, forms, strict=True):
        if type(value) in form.exact:
            stored.append(value)
        elif form.light(value):
            stored.append(value)
            if form.may_lose:
                doubtful.append((value, form))
        else:
            stored.append(form.dump(value))
    text = text_of(stored if names is None else dict(zip(names, stored, strict=True)))
    if doubtful and _NULL in text:
        for value, form in doubtful:
            form.dump(value)
    return text


def _result_text(value: Any, form: Form) -> str:
    if type(value) in form.exact:
        return text_of(value)
    if not form.light(value):
        return text_of(form.dump(value))
    try:
        text = text_of(value)
    except Exception:
        form.dump(value)  # it may say better what is wrong
        raise
    if form.may_lose and _NULL in text:
        form.dump(value)
    return text
