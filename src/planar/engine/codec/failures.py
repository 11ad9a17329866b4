"""How is an error remembered, and raised again as what it was?

An error is captured by what would rebuild it, and rebuilt at once to see whether that gives the same error: its class,
arguments, text and attributes. Where it does not, it is remembered by its name and text only and raised as a `StepError`.
The first run raises the rebuilt error too, so that code which catches it takes the same way at every replay.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from pydantic_core import from_json

from planar.engine.codec.compiler import Compiler
from planar.engine.codec.names import TYPE, derived, in_module, is_same_file, is_wrapped
from planar.engine.codec.stored import text_of
from planar.engine.codec.values import same
from planar.engine.core.failure import Failure
from planar.engine.errors import StepError

_NESTED = "$failure"
_open = Compiler("", {}, {}).open


def capture_failure(error: BaseException) -> Failure:
    """What is remembered of *error*; `restore_failure` of it is what the caller should be given, at the first run too."""
    message = _text(error)
    kind, notes = type(error), tuple(_whole(str(note)) for note in getattr(error, "__notes__", ()))
    path = f"{kind.__module__}:{kind.__qualname__}"
    if not isinstance(error, Exception) or _class_at(path) is not kind:
        return Failure(kind.__name__, message, notes=notes)
    for recipe in _recipes(error):
        try:
            args, state = _written(recipe)
            failure = Failure(kind.__name__, message, path, args, notes, state)
            rebuilt = _rebuilt(load_failure(dump_failure(failure)))
        except Exception:  # constructors and values can fail in any way; then this is not how the error is rebuilt
            continue
        if _is_equal(error, rebuilt):
            return failure
    return Failure(kind.__name__, message, notes=notes)


def restore_failure(failure: Failure, *, fallback: type[StepError] = StepError) -> Exception:
    """The error that *failure* remembers; a *fallback* with its type and message if its class cannot be restored."""
    error: Exception | None = None
    if failure.path is not None and failure.args is not None:
        try:
            error = _rebuilt(failure)
        except Exception:  # the class is gone, or is made differently now
            error = None
    if error is None:
        error = fallback(failure.type, failure.message)
    for note in failure.notes:
        error.add_note(note)
    return error


def dump_failure(failure: Failure) -> str:
    """*failure* as JSON text."""
    parts = {"type": failure.type, "message": _whole(failure.message), "path": failure.path, "args": failure.args}
    more = {"notes": list(failure.notes), "state": failure.state}
    return text_of({**parts, **{name: part for name, part in more.items() if part}})


def load_failure(text: str) -> Failure:
    """The failure that *text* stands for. No text is a failure of which nothing was recorded."""
    if not text:
        return Failure("Error", "Nothing was recorded of this error.")
    parts: dict[str, Any] = from_json(text)
    return Failure(parts["type"], parts["message"], parts.get("path"), parts.get("args"), tuple(parts.get("notes", ())), parts.get("state"))


@dataclass(frozen=True, slots=True)
class _Recipe:
    """What may rebuild an error: its class, or a class method of it (*maker*), called with *args*; then given *state*."""

    args: tuple[Any, ...]
    state: dict[str, Any] | None = None
    maker: str | None = None
    is_made: bool = True
    """Whether the constructor is called; it is not for an error that takes other arguments than it keeps."""


def _recipes(error: Exception) -> Iterator[_Recipe]:
    """What may rebuild *error*, the plainest first.

    ``__reduce__`` is how an error says it itself: an OSError names its file there, not in ``args``.
    """
    yield _Recipe(error.args)
    maker, args, state = _said(error)
    if args is not None:
        yield _Recipe(args, state or None, maker)
    yield _Recipe(error.args, _own(error), is_made=False)


def _said(error: Exception) -> tuple[str | None, tuple[Any, ...] | None, dict[str, Any]]:
    """The maker, arguments and state that ``__reduce__`` gives; no arguments, if it gives no way back to the same class."""
    try:
        reduced = cast("tuple[Any, ...]", error.__reduce__())
        made_by, args, given = (*reduced, None)[:3]
    except Exception:  # it was never meant to be copied
        return None, None, {}
    state = {name: part for name, part in cast("dict[str, Any]", given or {}).items() if name != "__notes__"}
    if made_by is type(error):
        return None, args, state
    is_own = getattr(made_by, "__self__", None) is type(error)
    return (cast("Any", made_by).__name__, args, state) if is_own else (None, None, {})


def _own(error: Exception) -> dict[str, Any]:
    return {name: part for name, part in vars(error).items() if name != "__notes__"}


def _written(recipe: _Recipe) -> tuple[str, str | None]:
    """The two texts that a failure keeps of a recipe."""
    args: Any = [_dump_part(part) for part in recipe.args]
    if recipe.maker is not None or not recipe.is_made:
        args = {"by": recipe.maker or "__new__", "args": args}
    state = None if recipe.state is None else text_of({name: _dump_part(part) for name, part in recipe.state.items()})
    return text_of(args), state


def _rebuilt(failure: Failure) -> Exception:
    """The error itself, made from what is remembered."""
    kind = _class_at(failure.path or "")
    if kind is None:
        raise LookupError(failure.path)
    written: Any = from_json(failure.args or "[]")
    recipe = cast("dict[str, Any]", written if isinstance(written, dict) else {"by": None, "args": written})
    maker: str | None = recipe["by"]
    args = tuple(_load_part(part) for part in recipe["args"])
    state = {name: _load_part(part) for name, part in from_json(failure.state or "{}").items()}
    if maker == "__new__":
        error = kind.__new__(kind, *args)
        error.args = args
        error.__dict__.update(state)
        return error
    error = cast("Exception", getattr(kind, maker)(*args) if maker else kind(*args))
    if state:
        error.__setstate__(state)
    return error


def _is_equal(error: Exception, rebuilt: Exception) -> bool:
    """Whether *rebuilt* is the same in everything that code can ask it."""
    return (
        type(rebuilt) is type(error)
        and _text(rebuilt) == _text(error)
        and (_said(error)[0] is not None or _alike(error.args, rebuilt.args))
        and _alike(_own(error), _own(rebuilt))
        and _alike(_said(error), _said(rebuilt))
    )


def _alike(first: Any, second: Any) -> bool:
    if isinstance(first, Exception) and isinstance(second, Exception):
        return _is_equal(first, second)
    if isinstance(first, list | tuple) and type(cast("object", first)) is type(second):
        items = cast("list[Any]", first)
        return len(items) == len(second) and all(map(_alike, items, second))
    if isinstance(first, dict) and isinstance(second, dict):
        entries, others = cast("dict[Any, Any]", first), cast("dict[Any, Any]", second)
        return entries.keys() == others.keys() and all(_alike(part, others[name]) for name, part in entries.items())
    return same(first, second)


def _dump_part(part: Any) -> Any:
    """One argument; errors in it are remembered like the error itself."""
    if isinstance(part, Exception):
        return {_NESTED: dump_failure(capture_failure(part))}
    if isinstance(part, list):
        return [_dump_part(item) for item in cast("list[Any]", part)]
    if (
        isinstance(part, dict)
        and all(isinstance(name, str) for name in cast("dict[Any, Any]", part))
        and _NESTED not in part
        and TYPE not in part
    ):
        return {name: _dump_part(item) for name, item in cast("dict[str, Any]", part).items()}
    return _open.dump(part)


def _load_part(part: Any) -> Any:
    if isinstance(part, list):
        return [_load_part(item) for item in cast("list[Any]", part)]
    if not isinstance(part, dict) or is_wrapped(part):
        return _open.restore(part)
    entries = cast("dict[str, Any]", part)
    if _NESTED in entries:
        return restore_failure(load_failure(entries[_NESTED]))
    return {name: _load_part(item) for name, item in entries.items()}


def _class_at(path: str) -> type[Exception] | None:
    """The class of errors at ``module:qualname``; also where its file is called differently in this process."""
    module, _, qualname = path.rpartition(":")
    if module and module != "__main__":
        with suppress(Exception):  # the module is gone, or fails: then the class is not there
            importlib.import_module(module)
    found = in_module(module, qualname)
    if found is not None:
        return found if issubclass(found, Exception) else None
    if "<locals>" in qualname:
        return None
    others = {kind for kind in derived(Exception) if kind.__qualname__ == qualname and is_same_file(kind.__module__, module)}
    return others.pop() if len(others) == 1 else None


def _text(error: BaseException) -> str:
    try:
        return _whole(str(error))
    except Exception:  # a text that cannot be made is no text
        return ""


def _whole(text: str) -> str:
    """*text* with the characters replaced that no file can hold (halves of a pair)."""
    return text.encode("utf-8", "replace").decode("utf-8")
