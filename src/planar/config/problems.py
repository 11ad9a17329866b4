"""How is a mistake in the settings told? By its key, its line, and the key that was perhaps meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError

from planar.config.document import Document, Path, dotted


def describe(error: ValidationError, model: type[BaseModel], data: Mapping[str, Any], document: Document | None) -> str:
    """Every mistake that *error* found in *data*, one a line. Values are never repeated: they may be secrets.

    Args:
        error: what the validation of *model* said.
        model: the class that was validated.
        data: what was given to it.
        document: the text that the settings came from, for the lines; None if there was none.
    """
    told: dict[str, tuple[int, str]] = {}
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        extra = problem["type"] == "extra_forbidden"
        path = _path(problem["loc"], data, keep_last=extra or problem["type"] == "missing")
        text = _unknown_key(path, model) if extra else problem["msg"].removeprefix("Value error, ")
        line = document.line(path) if document is not None else None
        # Two branches of a union complain of one value; the first is enough.
        place = f"line {line}: " if line else ""
        told.setdefault(dotted(path), (line or 0, f"  {place}{dotted(path)}{': ' if path else ''}{text}"))
    source = document.source if document is not None else ""
    return "\n".join([f"Configuration validation error: {source}".rstrip(), *(text for _, text in sorted(told.values()))])


def _path(location: Sequence[str | int], data: Any, *, keep_last: bool) -> Path:
    """The location as keys of *data*: pydantic also puts in the names of union branches, which nobody wrote."""
    path: list[str | int] = []
    for position, part in enumerate(location):
        if isinstance(data, Mapping) and part in data:
            data = cast("Mapping[str | int, Any]", data)[part]
        elif isinstance(data, list) and isinstance(part, int) and part < len(cast("list[Any]", data)):
            data = cast("list[Any]", data)[part]
        elif not (keep_last and position == len(location) - 1):
            continue
        path.append(part)
    return tuple(path)


def _unknown_key(path: Path, model: type[BaseModel]) -> str:
    known = sorted(_keys_beside(path, model))
    meant = get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
    return f"unknown key; did you mean `{meant[0]}`?" if meant else f"unknown key; known here: {', '.join(known)}"


def _keys_beside(path: Path, model: type[BaseModel]) -> set[str]:
    """The keys that may stand where the last key of *path* stands."""
    here = [model]
    for part in path[:-1]:
        inner = [owner.model_fields[part].annotation for owner in here if part in owner.model_fields]
        # A key that is no field is a name given by the user, in a mapping of sections: it leads to the same classes.
        here = [found for annotation in inner for found in models_in(annotation)] or here
    return {key for owner in here for key in owner.model_fields}


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every model that a value of the type *annotation* may be or contain."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)
