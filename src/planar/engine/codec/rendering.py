"""How is a pydantic model written, so that it comes back as it was?

By itself, where its class cannot lose anything. Otherwise it is looked at first: what it would lose without a word (an
infinite number, the fields of a subclass, a secret, a column that was not loaded) is an error instead.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from planar.engine.codec.stored import NotStorable, ordered, text_of
from planar.engine.codec.survey import EXTRA, Survey, is_table, survey_of

_MASK = "**********"


def written(model: Any) -> Any:
    """What `text_of` writes for *model*, an instance of a pydantic model or dataclass: itself where that is safe, else its values.

    Raises:
        NotStorable: it holds what would be lost.
    """
    survey = survey_of(cast("type[Any]", type(model)))
    if survey.harmless or not _needs_care(model, survey):
        return model
    return render(model)


def render(model: Any) -> Any:
    """What ``model_dump(mode="json")`` gives, without what the model computes by itself; sets are in order.

    Raises:
        NotStorable: it holds what would be lost.
    """
    survey = survey_of(cast("type[Any]", type(model)))
    if survey.tables:
        _check_loaded(model)
    has_sets = bool(survey.watched) and _look(model)
    dumped = _dump(model, "json")
    if has_sets:
        dumped = _settled(_dump(model, "python"), dumped)
    dumped = to_jsonable_python(dumped, inf_nan_mode="strings")
    if survey.secrets and _MASK in text_of(dumped):
        raise NotStorable("it holds a secret, which is never written to the journal: read it inside the step that needs it")
    if has_subclasses(survey):
        _check_classes(model, dumped)
    return dumped


def _needs_care(model: Any, survey: Survey) -> bool:
    if survey.secrets or survey.tables or survey.infinite or has_subclasses(survey):
        return True
    return bool(survey.watched) and _look(model)


def has_subclasses(survey: Survey) -> bool:
    """Whether an instance may hold, where a class is annotated, one of a subclass."""
    return any(_is_extended(cls) for cls in survey.classes)


def _is_extended(cls: type[Any]) -> bool:
    """Whether other classes than its own parametrizations derive from *cls*."""
    return any(not getattr(child, "__pydantic_generic_metadata__", {}).get("origin") for child in cls.__subclasses__())


def _dump(model: Any, mode: str) -> Any:
    return model.__pydantic_serializer__.to_python(model, mode=mode, by_alias=False, round_trip=True, warnings=False)


def _look(value: Any, owner: type[Any] | None = None) -> bool:
    """Whether *value* holds a set of several elements; an infinite number that would be written as null is refused."""
    if isinstance(value, float):
        if not math.isfinite(value) and owner is not None and not survey_of(owner).infinite:
            raise NotStorable(
                f"{value} would be written as null by {owner.__name__}: give it model_config = ConfigDict(ser_json_inf_nan='strings')"
            )
        return False
    if isinstance(value, BaseModel):
        kind = type(value)
        return _look_at_fields(value, kind, survey_of(kind).watched)
    if isinstance(value, Mapping):
        entries = cast("Mapping[Any, Any]", value)
        return _look_at_all(entries.values(), entries.keys(), owner)
    if isinstance(value, list | tuple | deque):
        items = cast("list[Any]", value)
        return _look_at_all(items, range(len(items)), owner)
    if isinstance(value, set | frozenset):
        return len(cast("set[Any]", value)) > 1
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        writes_itself = type(value) if hasattr(value, "__pydantic_serializer__") else owner
        return _look_at_fields(value, writes_itself, tuple(field.name for field in dataclasses.fields(value)))
    return False


def _look_at_fields(value: Any, owner: type[Any] | None, names: tuple[str, ...]) -> bool:
    has_sets = False
    for name in names:
        try:
            has_sets |= _look(getattr(value, name, None), owner)
        except NotStorable as error:
            raise (error if name == EXTRA else error.inside_field(name)) from None
    return has_sets


def _look_at_all(values: Iterable[Any], keys: Iterable[Any], owner: type[Any] | None) -> bool:
    has_sets = False
    for key, value in zip(keys, values, strict=True):
        try:
            has_sets |= _look(value, owner)
        except NotStorable as error:
            raise error.inside(key) from None
    return has_sets


def _settled(python: Any, stored: Any) -> Any:
    """*stored* with the lists that were sets in *python* in order."""
    if isinstance(python, set | frozenset) and isinstance(stored, list):
        return ordered(cast("list[Any]", stored))
    if isinstance(python, list | tuple) and isinstance(stored, list):
        pairs = zip(cast("list[Any]", python), cast("list[Any]", stored), strict=False)
        return [_settled(before, after) for before, after in pairs]
    if isinstance(python, dict) and isinstance(stored, dict):
        entries = zip(cast("dict[Any, Any]", python).values(), cast("dict[str, Any]", stored).items(), strict=False)
        return {key: _settled(before, after) for before, (key, after) in entries}
    return stored


def _check_loaded(value: Any) -> None:
    """A row whose columns were not loaded would come back with their defaults."""
    if isinstance(value, BaseModel):
        kind = type(value)
        if is_table(kind):
            missing = [name for name in kind.model_fields if name not in value.__dict__]
            if missing:
                raise NotStorable(f"{', '.join(missing)} of this {kind.__name__} is not loaded: `await session.refresh(...)` it first")
        for name in kind.model_fields:
            _check_loaded(value.__dict__.get(name))
    elif isinstance(value, Mapping):
        for part in cast("Mapping[Any, Any]", value).values():
            _check_loaded(part)
    elif isinstance(value, list | tuple | set | frozenset):
        for part in cast("Iterable[Any]", value):
            _check_loaded(part)


def _check_classes(model: Any, dumped: Any) -> None:
    """A subclass in a field of its base would come back as the base, without its own fields."""
    try:
        restored: Any = cast("Any", type(model)).__pydantic_validator__.validate_json(text_of(dumped), by_alias=False, by_name=True)
    except ValidationError:
        return  # whoever restores it says so, with the place
    _compare(model, restored)


def _compare(before: Any, after: Any) -> None:
    if isinstance(before, BaseModel) and isinstance(after, BaseModel):
        _refuse_change(type(before), type(after))
        _compare_fields(before, after, tuple(type(before).model_fields))
    elif dataclasses.is_dataclass(before) and dataclasses.is_dataclass(after) and not isinstance(before, type):
        _refuse_change(type(before), cast("type[Any]", type(after)))
        _compare_fields(before, after, tuple(field.name for field in dataclasses.fields(before)))
    elif isinstance(before, Mapping) and isinstance(after, Mapping):
        pairs = zip(cast("Mapping[Any, Any]", before).items(), cast("Mapping[Any, Any]", after).values(), strict=False)
        for (key, first), second in pairs:
            _compare_under(key, first, second)
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple):
        items = zip(cast("list[Any]", before), cast("list[Any]", after), strict=False)
        for index, (first, second) in enumerate(items):
            _compare_under(index, first, second)


def _compare_under(key: Any, before: Any, after: Any) -> None:
    try:
        _compare(before, after)
    except NotStorable as error:
        raise error.inside(key) from None


def _compare_fields(before: Any, after: Any, names: tuple[str, ...]) -> None:
    for name in names:
        try:
            _compare(getattr(before, name, None), getattr(after, name, None))
        except NotStorable as error:
            raise error.inside_field(name) from None


def _refuse_change(before: type[Any], after: type[Any]) -> None:
    if before is not after and issubclass(before, after):
        raise NotStorable(
            f"{before.__name__} stands where {after.__name__} is annotated and would come back without its own fields: "
            f"annotate the field as `{after.__name__} | {before.__name__}`"
        )
