"""What does an answer have to look like? The forms of tasks, and answers that are checked before anything is written."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from planar.human.errors import HumanTaskFormUnknown
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


class Forms:
    """The types of answers that code of this process asks for, by the name of the task and the form."""

    def __init__(self) -> None:
        self._types: dict[str, dict[str, type[BaseModel]]] = {}

    def add(self, name: str, output_type: type[BaseModel], schema: dict[str, Any]) -> None:
        """Remember that tasks of that name want *output_type*; the newest of the same form counts."""
        self._types.setdefault(name, {})[_key(schema)] = output_type

    def find(self, task: HumanTask) -> type[BaseModel]:
        """The type of the answer of *task*. One whose code was changed meanwhile is answered as the code wants it now.

        Raises:
            HumanTaskFormUnknown: nothing here asks such a question.
        """
        known = self._types.get(task.name, {})
        found = known.get(_key(task.output_schema))
        if found is None and len(known) == 1:
            (found,) = known.values()
        if found is None:
            raise HumanTaskFormUnknown(
                f"This process does not know what an answer to '{task.name}' has to look like: the module that declares that task is not"
                " imported here, or the task was changed. Declare it where the app is."
            )
        return found


FORMS: Final = Forms()
"""Filled by `Human` as modules are imported, because whoever serves an answer need not have asked the question."""


def checked(task: HumanTask, data: Any) -> BaseModel:
    """The answer that *data* is.

    Raises:
        Misfits: it does not fit; each entry says where. Becomes 422.
        HumanTaskFormUnknown: nothing here asks such a question.
    """
    return read(FORMS.find(task), data)


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


def lasting(answer: BaseModel, data: Any) -> Any:
    """What to keep of *answer*, which *data* stood for, so that the run reads the same again.

    It is what the model makes of it, with all that it has filled in or converted; *data* itself where the model does not read what it
    writes.

    Raises:
        Misfits: it would not be the same again.
    """
    dumped = data_of(answer)
    with suppress(Misfits):
        if read(type(answer), dumped) == answer:
            return dumped
    if data_of(read(type(answer), data)) != dumped:
        raise Misfits([{"type": "not_lasting", "loc": IN_BODY, "msg": "It does not mean the same when it is read again."}])
    return data


def _key(schema: dict[str, Any]) -> str:
    return json.dumps(schema, sort_keys=True, separators=(",", ":"))
