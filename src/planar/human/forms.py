"""What does an answer have to look like? The forms of tasks, and answers that are checked before anything is written."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from planar.human.errors import HumanTaskFormUnknown
from planar.human.fitting import fits
from planar.human.models import HumanTask
from planar.modeling.errors import Misfits
from planar.modeling.json_schema import FormSchema

T = TypeVar("T", bound=BaseModel)

IN_BODY: Final = ("body", "output_data")


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The form of *model*."""
    return model.model_json_schema(schema_generator=FormSchema)


def is_object(schema: dict[str, Any], seen: frozenset[str] = frozenset(), defs: dict[str, Any] | None = None) -> bool:
    """Whether all that fits *schema* are JSON objects, which answers are."""
    known: dict[str, Any] = schema.get("$defs", {}) if defs is None else defs
    reference = schema.get("$ref", "").rpartition("/")[2]
    if reference:
        return reference not in seen and is_object(known.get(reference, {}), seen | {reference}, known)
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        return all(is_object(branch, seen, known) for branch in branches)
    return schema.get("type") == "object"


def data_of(value: BaseModel | None) -> Any:
    """*value* as JSON values, in which its model finds its fields again."""
    return None if value is None else value.model_dump(mode="json", by_alias=True)


def written(answer: BaseModel) -> Any:
    """The same of an answer.

    Raises:
        Misfits: its model reads what it cannot write, such as bytes that are no text.
    """
    try:
        return data_of(answer)
    except ValueError:
        raise Misfits([{"type": "not_lasting", "loc": IN_BODY, "msg": "It cannot be written as JSON again."}]) from None


class Forms:
    """The types of answers that code of this process asks for, by the name of the task and the form."""

    def __init__(self) -> None:
        self._types: dict[str, dict[str, type[BaseModel]]] = {}

    def add(self, name: str, output_type: type[BaseModel], schema: dict[str, Any]) -> None:
        """Remember that tasks of that name want *output_type*; the newest of the same form counts."""
        self._types.setdefault(name, {})[_key(schema)] = output_type

    def find(self, task: HumanTask) -> tuple[type[BaseModel], bool]:
        """The type of the answer of *task*, and whether it is of the very form that was asked for, and not the one that its code has now.

        Raises:
            HumanTaskFormUnknown: nothing here asks such a question.
        """
        known = self._types.get(task.name, {})
        found = known.get(_key(task.output_schema))
        if found is not None:
            return found, True
        if len(known) != 1:
            raise HumanTaskFormUnknown(
                f"This process does not know what an answer to '{task.name}' has to look like: the module that declares that task is not"
                " imported here, or the task was changed. Declare it where the app is."
            )
        return next(iter(known.values())), False


FORMS: Final = Forms()
"""Filled by `Human` as modules are imported, because whoever serves an answer need not have asked the question."""


def checked(task: HumanTask, data: Any) -> tuple[BaseModel, bool]:
    """The answer that *data* is, and whether its type is of the very form that was asked for.

    Whoever asked may have the form that is stored, or the next one already. Where this process has another one, an answer fits both.

    Raises:
        Misfits: it does not fit; each entry says where. Becomes 422.
        HumanTaskFormUnknown: nothing here asks such a question, or it fits only one of two forms.
    """
    output_type, is_same = FORMS.find(task)
    if is_same:
        return read(output_type, data), True
    is_asked_for = fits(task.output_schema, data)
    try:
        answer = read(output_type, data)
    except Misfits:
        if not is_asked_for:
            raise
        raise _otherwise(task) from None
    if not is_asked_for:
        raise _otherwise(task)
    return answer, False


def _otherwise(task: HumanTask) -> HumanTaskFormUnknown:
    return HumanTaskFormUnknown(
        f"What an answer to '{task.name}' has to look like was changed since this was asked, and the answer does not fit both the form that"
        " is stored with the task and the one that this process knows. Answer so that it fits both, or where the code is that asked."
    )


def read(output_type: type[T], data: Any) -> T:
    """The value of *output_type* that the JSON value *data* stands for.

    Raises:
        Misfits: it does not fit.
    """
    try:
        # As text: a strict model takes what JSON cannot say (a date, a tuple) from text only.
        return output_type.model_validate_json(json.dumps(data, allow_nan=False))
    except ValidationError as error:
        entries = error.errors(include_url=False, include_input=False, include_context=False)
        raise Misfits([{**entry, "loc": (*IN_BODY, *entry["loc"])} for entry in entries]) from None
    except (TypeError, ValueError) as error:
        raise Misfits([{"type": "not_json", "loc": IN_BODY, "msg": f"It is not JSON: {error}"}]) from None


def lasting(answer: BaseModel, data: Any, schema: dict[str, Any] | None = None) -> Any:
    """What to keep of *answer*, which *data* stood for, so that the run reads the same again.

    It is what the model makes of it, with all that it has filled in or converted; *data* itself where the model does not read what it
    writes, or where that does not fit *schema*, the form that was asked for.

    Raises:
        Misfits: it would not be the same again.
    """
    dumped = written(answer)
    with suppress(Misfits):
        if (schema is None or fits(schema, dumped)) and read(type(answer), dumped) == answer:
            return dumped
    if written(read(type(answer), data)) != dumped:
        raise Misfits([{"type": "not_lasting", "loc": IN_BODY, "msg": "It does not mean the same when it is read again."}])
    return data


def _key(schema: dict[str, Any]) -> str:
    return json.dumps(schema, sort_keys=True, separators=(",", ":"))
