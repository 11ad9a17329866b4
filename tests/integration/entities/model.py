"""What lists of samples should show, in plain Python: random rows, random questions, and their answers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cmp_to_key
from random import Random
from typing import Any
from uuid import UUID

WORDS = ("", "a", "A", "ab", "Zoë", "zoe", "ÄRGER", "ärger", "50%", "x_y", "x,y", 'q"q', "\\", "naïve", "[a]*?", "b c", "ß", "日本")
LEVELS = ("gold", "silver", "bronze")
DECIMALS = ("0.00", "-1.50", "9.99", "10.00", "1234567890.12", "0.10")
MOMENT = datetime(2024, 1, 1, tzinfo=UTC)
DAY = date(2024, 2, 27)

READ: dict[str, Callable[[str], Any]] = {
    "price": Decimal,
    "day": date.fromisoformat,
    "moment": datetime.fromisoformat,
    "other": UUID,
}
"""How a field that JSON has no type for is read."""

NULLABLE = frozenset({"maybe", "ratio", "price", "level", "day", "moment", "other"})
SORTABLE = ("text", "maybe", "number", "ratio", "price", "flag", "level", "day", "moment", "other", "id")

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
EQUAL = ("eq", "ne", "in", "not_in", "is_null")
ORDERED = (*EQUAL, "gt", "ge", "lt", "le", "between")
OPERATORS = {
    **dict.fromkeys(("number", "ratio", "price", "day", "moment", "other"), ORDERED),
    **dict.fromkeys(("flag", "level"), EQUAL),
    **dict.fromkeys(("text", "maybe"), (*ORDERED, "contains", "ilike")),
    "labels": ("contains",),
}


def random_value(random: Random, name: str) -> Any:
    """A value of the field, as JSON has it; often one that others have, too."""
    if name in NULLABLE and random.random() < 0.25:
        return None
    match name:
        case "text" | "maybe":
            return random.choice(WORDS)
        case "number":
            return random.choice((random.randint(-5, 5), random.randint(-(2**31), 2**31 - 1)))
        case "ratio":
            return random.choice((0.1, -2.5, 1e300, 5e-324, float(random.randint(-3, 3))))
        case "price":
            return random.choice(DECIMALS)
        case "flag":
            return random.random() < 0.5
        case "level":
            return random.choice(LEVELS)
        case "day":
            return (DAY + timedelta(days=random.randint(0, 5))).isoformat()
        case "moment":
            return (MOMENT + timedelta(microseconds=random.randint(0, 3) * 1_000_001)).isoformat()
        case "other":
            return str(UUID(int=random.randint(0, 3) << 120))
        case _:
            return [random.choice((*WORDS[:6], 1, True)) for _ in range(random.randint(0, 3))]


FIELDS = ("text", "maybe", "number", "ratio", "price", "flag", "level", "day", "moment", "other", "labels")


def random_row(random: Random) -> dict[str, Any]:
    """A new row."""
    return {name: random_value(random, name) for name in FIELDS}


@dataclass
class Question:
    """A list that is asked for: the filters as text, what holds for a row that is shown, and the order."""

    filters: list[str] = field(default_factory=list)
    holds: list[Callable[[dict[str, Any]], bool]] = field(default_factory=list)
    sort: list[str] = field(default_factory=list)

    def answer(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows that are shown, in their order."""
        found = [row for row in rows if all(holds(row) for holds in self.holds)]
        return sorted(found, key=cmp_to_key(self._compare))

    def _compare(self, left: dict[str, Any], right: dict[str, Any]) -> int:
        for name in [*self.sort, "id"]:
            descending, plain = name.startswith("-"), name.removeprefix("-")
            a, b = placed(plain, left[plain]), placed(plain, right[plain])
            if a is None or b is None:
                if (a is None) != (b is None):
                    return 1 if a is None else -1
            elif a != b:
                return (1 if a > b else -1) * (-1 if descending else 1)
        return 0


def placed(name: str, value: Any) -> Any:
    """What a value is ordered by."""
    if value is None:
        return None
    return LEVELS.index(value) if name == "level" else UUID(value) if name == "id" else READ.get(name, lambda same: same)(value)


def random_question(random: Random) -> Question:
    """A question with up to three filters and up to three fields to order by."""
    question = Question()
    for name in random.sample(FIELDS, random.randint(0, 3)):
        text, holds = random_filter(random, name)
        question.filters.append(text)
        question.holds.append(holds)
    question.sort = [random.choice(("", "-")) + name for name in random.sample(SORTABLE, random.randint(0, 3))]
    return question


def random_filter(random: Random, name: str) -> tuple[str, Callable[[dict[str, Any]], bool]]:
    """A filter as text, and the same in Python."""
    sign = random.choice(OPERATORS[name])
    given = [some_value(random, name) for _ in range({"between": 2, "in": 3, "not_in": 3}.get(sign, 1))]
    values = [placed(name, value) for value in given]
    if sign == "is_null":
        wanted = random.random() < 0.5
        return f"{name}:is_null:{str(wanted).lower()}", lambda row: (row[name] is None) is wanted
    texts = [escaped(value) if sign == "ilike" else written(value) for value in given]
    text = texts[0] if len(texts) == 1 else ",".join('"' + item.replace('"', '""') + '"' for item in texts)
    return f"{name}:{sign}:{text}", lambda row: row[name] is not None and meets(name, sign, placed(name, row[name]), values)


def meets(name: str, sign: str, value: Any, given: list[Any]) -> bool:
    """Whether a value that is there meets a comparison."""
    match sign:
        case "in":
            return value in given
        case "not_in":
            return value not in given
        case "between":
            return given[0] <= value <= given[1]
        case "contains" if name == "labels":
            return any(type(member) is type(given[0]) and member == given[0] for member in value)
        case "contains":
            return given[0] in value
        case "ilike":
            return value.lower() == given[0].lower()
        case _:
            return COMPARISONS[sign](value, given[0])


def some_value(random: Random, name: str) -> Any:
    """A value to compare with."""
    if name == "labels":
        return random.choice((*WORDS[:6], 1, True))
    while (value := random_value(random, name)) is None:
        pass
    return value


def escaped(value: str) -> str:
    """A value as a pattern that means it and nothing else."""
    for sign in "\\%_":
        value = value.replace(sign, "\\" + sign)
    return value


def written(value: Any) -> str:
    """A value as a filter writes it."""
    return str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, float) else str(value)
