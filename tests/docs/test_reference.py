"""The reference pages say what the code says: nothing is missing, and nothing is made up."""

from __future__ import annotations

import builtins
import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, TypedDict, TypeVar, get_args, get_origin
from uuid import UUID

import pytest
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from planar import PlanarApp, PlanarConfig, sqlite_config, workflows
from planar.cli import app as planar_command
from planar.engine.codec import CallCodec
from planar.engine.core.lifecycle import LEGAL
from planar.engine.core.model import ENDED, RunStatus, StepStatus
from planar.engine.doctor.findings import Code, Severity
from planar.errors import PlanarError
from planar.workflows import RetryPolicy, exceptions
from planar.workflows.schemas import RunReason
from tests.docs.pages import ROOT, blocks_of
from tests.docs.tables import code_in, rows_of

REFERENCE = ROOT / "docs" / "reference"
LIFECYCLE = ROOT / "docs" / "explanation" / "status-and-lifecycle.md"


# -- configuration --------------------------------------------------------------------------------------------------------


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key of a settings file that *model* takes; ``*`` is a name of the user's choice."""
    for name, field in model.model_fields.items():
        inner = list(models_in(field.annotation))
        if not inner:
            yield f"{prefix}{name}"
        star = "*." if get_origin(without_none(field)) is dict else ""
        for found in inner:
            yield from keys_of(found, f"{prefix}{name}.{star}")


def without_none(field: FieldInfo) -> Any:
    args = [arg for arg in get_args(field.annotation) if arg is not type(None)]
    return args[0] if len(args) == 1 and type(None) in get_args(field.annotation) else field.annotation


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def test_the_page_lists_every_key_of_the_settings_and_no_other() -> None:
    documented = [code_in(row[0]) for row in rows_of(REFERENCE / "configuration.md", "Key")]
    assert sorted(documented) == sorted(set(keys_of(PlanarConfig)))


def defaults_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        inner = list(models_in(field.annotation))
        star = "*." if get_origin(without_none(field)) is dict else ""
        for found in inner:
            yield from defaults_of(found, f"{prefix}{name}.{star}")
        if not inner and not field.is_required() and field.default_factory is None:
            yield f"{prefix}{name}", field.default


def test_the_numbers_and_switches_on_the_page_are_the_defaults() -> None:
    documented = {code_in(row[0]): row[1].strip("`") for row in rows_of(REFERENCE / "configuration.md", "Key")}
    by_environment = {"cors.allow_credentials"}
    plain = {key: value for key, value in defaults_of(PlanarConfig) if type(value) in (int, float, bool) and key not in by_environment}
    assert len(plain) > 10
    assert {key: json.loads(documented[key]) for key in plain} == plain


# -- errors ---------------------------------------------------------------------------------------------------------------


def classes_of_errors() -> set[type[PlanarError]]:
    for path in sorted((ROOT / "src" / "planar").rglob("*.py")):
        parts = path.relative_to(ROOT / "src").with_suffix("").parts
        if "migrations" not in parts and parts[-1] not in ("__init__", "__main__"):
            import_module(".".join(parts))
    found: set[type[PlanarError]] = set()
    waiting = [PlanarError]
    while waiting:
        below = [kind for kind in waiting.pop().__subclasses__() if kind.__module__.startswith("planar.")]
        found.update(below)
        waiting += below
    return found


def test_the_page_lists_every_error_with_its_code_and_status() -> None:
    documented = sorted((code_in(row[0]), code_in(row[1]), int(row[2])) for row in rows_of(REFERENCE / "errors.md", "Class"))
    assert documented == sorted((kind.__name__, kind.code, kind.status) for kind in classes_of_errors())


def test_what_the_page_says_that_an_error_is_as_well_it_is() -> None:
    kinds = {kind.__name__: kind for kind in classes_of_errors()}
    others = {name: kind for name, kind in vars(builtins).items() if isinstance(kind, type)} | kinds
    for row in rows_of(REFERENCE / "errors.md", "Class"):
        _, also, names = row[3].partition("; also ")
        if also:
            assert all(issubclass(kinds[code_in(row[0])], others[name]) for name in re.findall(r"`(\w+)`", names)), row


# -- workflows ------------------------------------------------------------------------------------------------------------


def words_in_code(page: Path) -> set[str]:
    """Every name that stands in backticks, or in a heading's."""
    return {word for code in re.findall(r"`([^`\n]+)`", page.read_text()) for word in re.findall(r"\w+", code)}


def test_the_page_names_everything_that_workflows_are_made_of() -> None:
    assert set(workflows.__all__) - words_in_code(REFERENCE / "workflows.md") == set()


def test_the_errors_that_a_workflow_may_catch_are_on_the_page_of_errors() -> None:
    assert set(exceptions.__all__) - words_in_code(REFERENCE / "errors.md") == set()


def test_the_page_lists_the_arguments_of_a_step_and_no_other() -> None:
    documented = [code_in(row[0]) for row in rows_of(REFERENCE / "workflows.md", "Argument", "Meaning")]
    assert documented == list(inspect.signature(workflows.step).parameters)


def test_the_page_lists_the_fields_of_a_retry_policy_with_their_defaults() -> None:
    names = {"timedelta": timedelta, "Exception": Exception}
    documented = {code_in(row[0]): eval(code_in(row[1]), names) for row in rows_of(REFERENCE / "workflows.md", "Field", "Default")}
    assert documented == {field.name: field.default for field in fields(RetryPolicy)}


# -- HTTP -----------------------------------------------------------------------------------------------------------------


def test_the_page_lists_every_route_with_its_action() -> None:
    paths = PlanarApp(config=sqlite_config(":memory:")).fastapi.openapi()["paths"]
    served = [
        (method.upper(), path.removeprefix("/planar/v1"), operation["x-planar-action"])
        for path, operations in paths.items()
        for method, operation in operations.items()
    ]
    documented = [(row[0], code_in(row[1]), code_in(row[3])) for row in rows_of(REFERENCE / "http-api.md", "Method")]
    assert sorted(documented) == sorted(served)


# -- command line ---------------------------------------------------------------------------------------------------------


def options_of(command: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], set[str]]]:
    """Each command with the names of its options, from the tree that typer makes."""
    for name, below in getattr(command, "commands", {}).items():
        yield from options_of(below, (*names, name))
    if not hasattr(command, "commands"):
        arguments = {"[PATH]": "PATH", "PATH": "PATH"}
        yield (
            names,
            {
                parameter.opts[0] if parameter.param_type_name == "option" else arguments.get(parameter.metavar, parameter.metavar)
                for parameter in command.params
            },
        )


def _commands() -> dict[tuple[str, ...], set[str]]:
    return dict(options_of(typer.main.get_command(planar_command)))


def test_the_page_lists_the_commands_of_entities_with_their_options() -> None:
    text = (REFERENCE / "command-line.md").read_text()
    found = {names: {name for name in options if name.startswith("--")} for names, options in _commands().items() if names[0] == "entities"}
    assert found
    for names in found:
        assert f"`planar {' '.join(names)}" in text
    rows = rows_of(REFERENCE / "command-line.md", "Option of entities")
    documented = {(name.strip(" `"), code_in(row[0])) for row in rows for name in row[1].split(",")}
    assert documented == {(names[1], option) for names, options in found.items() for option in options}


def test_the_page_lists_every_command_and_option() -> None:
    text = (REFERENCE / "command-line.md").read_text()
    rows = [code_in(row[0]) for row in rows_of(REFERENCE / "command-line.md", "Argument or option")]
    commands = {names: options for names, options in _commands().items() if names[0] != "entities"}
    changing = {names[1]: found for names, found in commands.items() if names[0] == "db"}
    for names in commands:
        assert f"`planar {' '.join(names)} [PATH]`" in text or names[0] == "db"
    assert [code_in(row[0]).split()[2] for row in rows_of(REFERENCE / "command-line.md", "Command")] == list(changing)
    assert set(rows) == {name for found in commands.values() for name in found if not name.strip("[").startswith(("REVISION", "FROM"))}
    starts = [*(place for place, name in enumerate(rows) if name == "PATH"), rows.index("--path")]
    assert set(rows[starts[-1] :]) == {name for found in changing.values() for name in found if name.startswith("--")}
    serving, working, looking, examining, collecting, listing = (rows[start:end] for start, end in pairwise(starts))
    assert set(serving[: serving.index("--no-worker")]) == commands["dev",]
    assert set(serving) == commands["prod",]
    assert set(working) == commands["worker",]
    assert set(looking) == commands["config", "show"] == commands["config", "check"]
    assert set(examining) == commands["doctor",]
    assert set(collecting) == commands["files", "gc"]
    assert set(listing) == commands["files", "list"]


def test_the_guide_to_the_doctor_lists_every_finding_with_its_severities() -> None:
    guide = ROOT / "docs" / "how-to" / "ask-the-doctor.md"
    rows = rows_of(guide, "Code", "Severity")
    assert [code_in(row[0]) for row in rows] == [code.value for code in Code]
    assert {word for row in rows for word in row[1].split(", ")} == {severity.value for severity in Severity}


# -- states ---------------------------------------------------------------------------------------------------------------


def test_the_diagram_shows_the_legal_changes_of_a_run_and_no_other() -> None:
    (diagram,) = [block.text for block in blocks_of(LIFECYCLE) if block.language == "mermaid"]
    drawn = re.findall(r"(\S+) --> (\S+)", diagram)
    changes = {(before, after) for before, after in drawn if "[*]" not in (before, after)}
    assert changes == {(before.value, after.value) for before, following in LEGAL.items() for after in following}
    assert {after for before, after in drawn if before == "[*]"} == {RunStatus.PENDING.value}
    assert {before for before, after in drawn if after == "[*]"} == {status.value for status in ENDED}


def test_the_page_lists_every_status_and_reason() -> None:
    statuses = [code_in(row[0]) for row in rows_of(LIFECYCLE, "Status")]
    assert statuses == [*RunStatus, *StepStatus]
    assert {code_in(row[0]) for row in rows_of(LIFECYCLE, "`reason`")} == set(RunReason)


# -- serialization --------------------------------------------------------------------------------------------------------

T = TypeVar("T")


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: int


class Size(NamedTuple):
    width: int
    height: int


class Options(TypedDict):
    verbose: bool


class Order(BaseModel):
    number: int
    price: Decimal


class Page(BaseModel, Generic[T]):
    items: list[T]


NAMES: dict[str, Any] = {
    kind.__name__: kind for kind in (Colour, Point, Size, Options, Order, Page, Decimal, UUID, Path, date, datetime, time, timedelta)
} | {"UTC": UTC, "Literal": Literal}


@pytest.mark.parametrize(
    ("annotation", "value", "stored"),
    [tuple(map(code_in, row)) for row in rows_of(REFERENCE / "serialization.md", "Annotation")],
)
def test_a_value_is_stored_as_the_page_shows_and_restored_as_it_was(annotation: str, value: str, stored: str) -> None:
    given = eval(value, dict(NAMES))

    async def function(argument: Any) -> Any: ...

    hint = eval(annotation, dict(NAMES))
    function.__annotations__ = {"argument": hint, "return": hint}
    codec = CallCodec(function)
    text, result = codec.roundtrip_result(given)
    assert json.loads(text) == json.loads(stored)
    args, kwargs = codec.dump_call((given,), {})
    (argument,) = codec.load_call(args, kwargs)[0]
    for restored in (result, argument, codec.load_result(text)):
        assert restored == given
        assert type(restored) is type(given)
