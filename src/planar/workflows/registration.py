"""What does a workflow take and give, as its function says? The model of its input, and the schemas that people read.

The model is made once, when the workflow is registered, so that a parameter that nobody could ever send is an error then.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, create_model
from pydantic.errors import PydanticInvalidForJsonSchema

from planar.engine.catalog import Definition
from planar.engine.codec import CallCodec
from planar.engine.codec.hints import Unresolved
from planar.modeling.json_schema import FormSchema
from planar.workflows.errors import UnusableSignature
from planar.workflows.wrappers import WorkflowWrapper

NO_DESCRIPTION: Final = "No docstring provided for this function."

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class StartRequest(BaseModel):
    """The parameters of a workflow, by name; subclasses have one field for each."""

    # Bytes are base64, as in what is stored and shown of a run.
    model_config = ConfigDict(extra="forbid", protected_namespaces=(), val_json_bytes="base64", ser_json_bytes="base64")


@dataclass(frozen=True, slots=True)
class Signature:
    """What a workflow says about itself.

    ``fields`` has, for each parameter, the name of the model's field; ``positional`` are those that Python takes by position only.
    """

    description: str
    pydantic_model: type[BaseModel]
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    fields: Mapping[str, str]
    positional: frozenset[str]

    def read(self, text: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The positional and the named arguments that the JSON object *text* holds, defaults included.

        Raises:
            pydantic.ValidationError: it does not fit.
        """
        request = self.pydantic_model.model_validate_json(text)
        values = {parameter: getattr(request, field) for parameter, field in self.fields.items()}
        by_position = tuple(value for parameter, value in values.items() if parameter in self.positional)
        return by_position, {parameter: value for parameter, value in values.items() if parameter not in self.positional}


@dataclass(frozen=True, slots=True)
class RegisteredWorkflow:
    """A workflow as an app serves it."""

    obj: WorkflowWrapper[..., Any]
    name: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    pydantic_model: type[BaseModel]

    @classmethod
    def of(cls, wrapper: WorkflowWrapper[..., Any]) -> RegisteredWorkflow:
        """What *wrapper* says about itself.

        Raises:
            UnusableSignature: a parameter cannot be an input.
        """
        found = signature_of(wrapper.definition)
        return cls(wrapper, wrapper.name, found.description, found.input_schema, found.output_schema, found.pydantic_model)


_signatures: WeakKeyDictionary[Callable[..., Any], dict[str, Signature]] = WeakKeyDictionary()


def signature_of(definition: Definition) -> Signature:
    """What *definition* says about itself; read once.

    Raises:
        UnusableSignature: a parameter cannot be an input; the message names it and says what to do.
    """
    by_name = _signatures.setdefault(definition.function, {})
    found = by_name.get(definition.name)
    if found is None:
        found = by_name[definition.name] = _read_signature(definition)
    return found


def create_pydantic_model_for_workflow(workflow: WorkflowWrapper[..., Any]) -> type[BaseModel]:
    """The model of the workflow's parameters: one field each, with its type and default; nothing else is accepted.

    Raises:
        UnusableSignature: a parameter cannot be an input.
    """
    return signature_of(workflow.definition).pydantic_model


def _read_signature(definition: Definition) -> Signature:
    name, function = definition.name, definition.function
    codec = definition.codec if isinstance(definition.codec, CallCodec) else CallCodec(function)
    signature = codec.signature
    # What is collected by *args and **kwargs has no name to be sent under: it stays empty.
    parameters = [parameter for parameter in signature.parameters.values() if parameter.kind not in _VARIADIC]
    fields = _field_names([parameter.name for parameter in parameters])
    declared: dict[str, Any] = {}
    for parameter in parameters:
        hint = codec.hint(parameter.annotation)
        if isinstance(hint, Unresolved):
            raise UnusableSignature(f"The parameter '{parameter.name}' of workflow '{name}' cannot be an input: {hint}.")
        declared[fields[parameter.name]] = (hint, _field_of(parameter, fields[parameter.name]))
    model, schema = _input_of(name, declared)
    return Signature(
        description=inspect.getdoc(function) or NO_DESCRIPTION,
        pydantic_model=model,
        input_schema=schema,
        output_schema=_output_schema(codec.hint(signature.return_annotation)),
        fields=fields,
        positional=frozenset(parameter.name for parameter in parameters if parameter.kind is inspect.Parameter.POSITIONAL_ONLY),
    )


def _field_of(parameter: inspect.Parameter, field: str) -> Any:
    default: Any = ... if parameter.default is inspect.Parameter.empty else parameter.default
    return Field(default, alias=parameter.name) if field != parameter.name else Field(default)


def _field_names(parameters: list[str]) -> dict[str, str]:
    """A name for the field of each parameter: its own, unless a pydantic model has no room for that."""
    taken = set(parameters)
    names: dict[str, str] = {}
    for parameter in parameters:
        names[parameter] = parameter
        if parameter.startswith("_") or hasattr(StartRequest, parameter):
            free = f"parameter_{parameter.strip('_')}"
            while free in taken:
                free += "_"
            taken.add(free)
            names[parameter] = free
    return names


def _input_of(name: str, declared: Mapping[str, Any]) -> tuple[type[BaseModel], dict[str, Any]]:
    try:
        model: type[BaseModel] = create_model(f"{_camel_case(name)}StartRequest", __base__=StartRequest, **declared)
        return model, model.model_json_schema(schema_generator=FormSchema)
    except (PydanticUserError, PydanticInvalidForJsonSchema, TypeError) as error:
        raise UnusableSignature(_why_unusable(name, declared, error)) from error


def _why_unusable(name: str, declared: Mapping[str, Any], error: Exception) -> str:
    for field, declaration in declared.items():
        try:
            create_model("Tried", __base__=StartRequest, **{field: declaration}).model_json_schema(schema_generator=FormSchema)
        except (PydanticUserError, PydanticInvalidForJsonSchema, TypeError):
            return (
                f"The parameter '{declaration[1].alias or field}' of workflow '{name}' cannot be an input: JSON has no form for"
                f" {declaration[0]!r}. Annotate it with types that pydantic can read."
            )
    return f"The parameters of workflow '{name}' cannot be an input: {error}"


def _output_schema(hint: Any) -> dict[str, Any]:
    for candidate in (Any if isinstance(hint, Unresolved) else hint, Any):
        try:
            model = create_model("DynamicOutputModel", output_type=(candidate, ...))
            return model.model_json_schema(mode="serialization", schema_generator=FormSchema)
        except (PydanticUserError, PydanticInvalidForJsonSchema, TypeError):
            continue  # nobody sends a result: one without a schema is shown as anything
    return {}


def _camel_case(name: str) -> str:
    words = re.split(r"[\W_]+", name.rpartition(".")[2])
    return "".join(word[:1].upper() + word[1:] for word in words)
