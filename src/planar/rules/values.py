"""How does a graph see a value, and how does its result become one?

A graph reads JSON. A decimal becomes a number with all its digits, of which the engine keeps 28; a moment is a text in ISO 8601, a
naive one with ``Z``; a date and a time are ISO texts; an enumeration is its value, a UUID its text, a set a sorted list.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, Final, cast
from uuid import UUID

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from planar.rules.errors import RuleInputUnusable, RuleResultMisfit
from planar.rules.limits import MAX_DEPTH

MAX_NUMBER: Final = Decimal(2**96 - 1)
"""The largest number that the engine can hold."""
MAX_DIGITS: Final = 28
"""How many digits it keeps for certain, and how many behind the point at most."""

_PLAIN: Final = (str, bool, type(None))
_SMALL: Final = 2**63


def serialize_for_rule_evaluation(value: Any) -> Any:
    """*value* as a graph sees it: texts, numbers (decimals as such), booleans, None, dictionaries and lists.

    Raises:
        RuleInputUnusable: (a ValueError) something has no such form; the message says where it stands.
    """
    return _plain(value, "")


def context_text(value: Any) -> str:
    """*value* as the JSON text that a graph is evaluated with; decimals keep all their digits.

    Raises:
        RuleInputUnusable: (a ValueError) something in it has no such form.
    """
    known = value.model_dump(by_alias=True) if isinstance(value, BaseModel) else value
    try:
        return orjson.dumps(_plain(known, ""), default=_fragment).decode()
    except orjson.JSONEncodeError as error:  # half a character
        raise RuleInputUnusable(f"The input has no form in JSON: {error}.") from None


def _plain(value: Any, place: str, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise RuleInputUnusable(f"Values are nested more than {MAX_DEPTH} deep at {place[:80]}…, which graphs cannot read.")
    if type(value) is dict:  # most often by far, and told from a mapping at no cost
        return _object(cast("dict[Any, Any]", value), place, depth)
    # bool and IntEnum are ints, str enums are strs: the order matters.
    if isinstance(value, Enum):
        return _plain(value.value, place, depth)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(by_alias=True), place, depth)
    if isinstance(value, int | float | Decimal):
        return _number(value, place)
    if isinstance(value, datetime):
        return value.isoformat() + ("Z" if value.tzinfo is None else "")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return _object(cast("Mapping[Any, Any]", value), place, depth)
    if isinstance(value, list | tuple):
        return [_plain(item, f"{place}[{number}]", depth + 1) for number, item in enumerate(cast("list[Any]", value))]
    if isinstance(value, AbstractSet):
        members = [_plain(item, f"{place}[…]", depth + 1) for item in cast("AbstractSet[Any]", value)]
        return sorted(members, key=lambda item: orjson.dumps(item, default=_fragment))
    return _other(value, place)


def _object(value: Mapping[Any, Any], place: str, depth: int) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, item in value.items():
        kind = type(item)  # pyright: ignore[reportUnknownVariableType] - of a value of any type
        if type(name) is str and (kind in _PLAIN or ((kind is int or kind is float) and -_SMALL < item < _SMALL)):
            plain[name] = item  # as most values of most decisions are
        else:
            plain[_key(name, place)] = _plain(item, f"{place}.{name}" if place else str(name), depth + 1)
    return plain


def _key(name: Any, place: str) -> str:
    plain = _plain(name, place)
    if not isinstance(plain, str | int) or isinstance(plain, bool):
        raise RuleInputUnusable(f"A key of {place or 'the input'} is {name!r}: graphs read fields by names that are texts.")
    return str(plain)


def _number(value: float | Decimal, place: str) -> int | float | Decimal:
    where = place or "the input"
    if not math.isfinite(value):
        raise RuleInputUnusable(f"{where} is {value}, which is no number that a graph can compute with.")
    if (value.copy_abs() if isinstance(value, Decimal) else abs(value)) > MAX_NUMBER:
        raise RuleInputUnusable(f"{where} is {value}: graphs compute with numbers up to {MAX_NUMBER}.")
    if isinstance(value, Decimal) and not _is_exact(value):
        raise RuleInputUnusable(f"{where} has more than {MAX_DIGITS} digits, which is what graphs compute with: round it first.")
    if isinstance(value, int):
        return int(value) if abs(value) < 2**63 else Decimal(value)
    return value


def _is_exact(value: Decimal) -> bool:
    """Whether the engine keeps every digit: it holds a whole number of 96 bits, and where in it the point is."""
    _, digits, exponent = value.as_tuple()
    text = "".join(map(str, digits))
    if isinstance(exponent, int) and exponent < 0:
        plain = text.rstrip("0")
        exponent = min(0, exponent + len(text) - len(plain))
        return exponent >= -MAX_DIGITS and int(plain or "0") <= MAX_NUMBER
    return True


def _other(value: Any, place: str) -> Any:
    try:
        return to_jsonable_python(value, by_alias=True, bytes_mode="base64")
    except (PydanticSerializationError, ValueError) as error:
        raise RuleInputUnusable(f"{place or 'The input'} is {type(value).__name__}, which has no form in JSON.") from error


def _fragment(value: Any) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(type(value).__name__)


def fit_result(output: type[BaseModel], result: Any, what: str) -> BaseModel:
    """What a graph gave, as the return type of its rule.

    Args:
        output: the return type.
        result: what the engine returned.
        what: the rule and its version, for the words of an error.

    Raises:
        RuleResultMisfit: it does not fit; the message names each field.
    """
    try:
        return output.model_validate_json(orjson.dumps(result, default=_fragment))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        misfits = [(".".join(str(part) for part in each["loc"]), each["msg"], each["type"]) for each in found]
        told = "; ".join(_misfit(*each) for each in misfits)
        fields = tuple(dict.fromkeys(place for place, _, _ in misfits))
        raise RuleResultMisfit(f"{what} gave a result that does not fit {output.__name__}: {told}.", fields) from None


def _misfit(place: str, message: str, kind: str) -> str:
    if kind == "missing":
        return f"there is no value for the field '{place}'"
    return f"the field '{place}': {message}" if place else message
