"""An error comes back from the journal as itself, or is the documented `StepError` on the first run as well."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import types
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import IntegrityError

from planar.engine.codec import capture_failure, dump_failure, load_failure, restore_failure
from planar.engine.core.failure import Failure
from planar.engine.errors import ArgumentNotStorable, RunCancelled, StepError, WorkflowError
from planar.errors import PlanarError


class Declined(Exception):
    """An error with a constructor of its own, whose arguments are not those it keeps."""

    def __init__(self, code: int, *, who: str) -> None:
        super().__init__(f"{who}: {code}")
        self.code = code
        self.who = who


class Owed(Exception):
    def __init__(self, amount: Decimal, to: UUID) -> None:
        super().__init__(amount, to)
        self.amount = amount


class Forgetful(Exception):
    """An error that does not tell its base class its arguments."""

    def __init__(self, number: int) -> None:
        self.number = number


class Holding(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.handle = object()


class Stubborn(Exception):
    def __str__(self) -> str:
        raise RuntimeError


class Growing(Exception):
    """An error that is not what it was when it is made a second time."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}!")


class Late(PlanarError):
    """It is too late."""

    code = "late"


class Form(BaseModel):
    number: int


def invalid() -> ValidationError:
    try:
        Form.model_validate({"number": "many"})
    except ValidationError as error:
        return error
    raise AssertionError


def again(error: BaseException) -> Exception:
    """*error* as the caller gets it: now, and from the journal, both alike."""
    failure = capture_failure(error)
    assert load_failure(dump_failure(failure)) == failure
    first, replayed = restore_failure(failure), restore_failure(load_failure(dump_failure(failure)))
    assert type(first) is type(replayed)
    assert str(first) == str(replayed)
    return replayed


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        ValueError(),
        KeyError("key"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        FileNotFoundError(2, "No such file", "/tmp/x"),
        json.JSONDecodeError("bad", "doc", 1),
        ImportError("no", name="module", path="/p"),
        TimeoutError(),
        asyncio.QueueEmpty(),
        StopIteration(3),
        Declined(3, who="bank"),
        Owed(Decimal("1.0"), UUID(int=5)),
        Forgetful(4),
        Late("too late", since=Decimal(1)),
        StepError("Gone", "it is gone"),
        WorkflowError("Gone", "it is gone"),
        RunCancelled("stop"),
        ArgumentNotStorable("no", argument="x"),
        ExceptionGroup("several", [ValueError(1), Declined(2, who="me")]),
        IntegrityError("insert", {"id": 1}, sqlite3.IntegrityError("UNIQUE constraint failed")),
    ],
)
def test_an_error_comes_back_as_itself(error: Exception) -> None:
    restored = again(error)
    assert type(restored) is type(error)
    assert str(restored) == str(error)
    assert repr(restored.args) == repr(error.args)
    assert {name: repr(value) for name, value in vars(restored).items()} == {name: repr(value) for name, value in vars(error).items()}


def test_what_an_error_keeps_outside_its_arguments_comes_back() -> None:
    missing: Any = again(FileNotFoundError(2, "No such file", "/tmp/x"))
    assert (missing.errno, missing.filename) == (2, "/tmp/x")
    unimportable: Any = again(ImportError("no", name="module"))
    assert unimportable.name == "module"


def test_a_validation_error_comes_back_with_its_errors() -> None:
    restored = again(invalid())
    assert isinstance(restored, ValidationError)
    assert restored.errors() == invalid().errors()
    assert str(restored) == str(invalid())


def test_a_key_error_keeps_its_quotes_as_they_are() -> None:
    assert str(again(again(KeyError("key")))) == "'key'"


def test_notes_come_back_once() -> None:
    for error in (Declined(1, who="me"), Holding("no"), ValueError("no")):
        error.add_note("first")
        error.add_note("second")
        assert again(error).__notes__ == ["first", "second"]


class Outer:
    class Nested(Exception):
        pass


def test_a_class_inside_a_class_is_found() -> None:
    assert type(again(Outer.Nested("x"))) is Outer.Nested


def local_error() -> Exception:
    class Local(Exception):
        pass

    return Local("inside")


@pytest.mark.parametrize(
    ("error", "name", "message"),
    [
        (local_error(), "Local", "inside"),
        (Holding("held"), "Holding", "held"),
        (asyncio.CancelledError("stop"), "CancelledError", "stop"),
        (SystemExit(3), "SystemExit", "3"),
    ],
)
def test_an_error_that_cannot_be_restored_is_a_step_error_on_the_first_run_too(error: BaseException, name: str, message: str) -> None:
    restored = again(error)
    assert type(restored) is StepError
    assert restored.type == name
    assert restored.message == message


def test_an_error_that_its_constructor_would_change_again_is_rebuilt_without_it() -> None:
    restored = again(Growing("a"))
    assert (type(restored), restored.args) == (Growing, ("a!",))


def test_an_error_that_has_no_text_is_remembered_without_one() -> None:
    failure = capture_failure(Stubborn(1))
    assert failure.message == ""
    assert type(restore_failure(failure)) is Stubborn


def test_a_failed_run_has_an_error_of_its_own_to_fall_back_on() -> None:
    assert type(restore_failure(capture_failure(Holding("held")), fallback=WorkflowError)) is WorkflowError
    assert type(restore_failure(capture_failure(ValueError("x")), fallback=WorkflowError)) is ValueError


def test_a_class_that_is_gone_is_a_step_error() -> None:
    failure = Failure("Gone", "it is gone", "tests.no_such_module:Gone", "[]", ("note",))
    restored = restore_failure(failure)
    assert (type(restored), str(restored), restored.__notes__) == (StepError, "it is gone", ["note"])


@pytest.mark.parametrize("path", ["builtins:SystemExit", "builtins:print", "builtins:dict", "os:system", ":", "x", f"{__name__}:Form"])
def test_only_classes_of_errors_are_ever_called(path: str) -> None:
    assert type(restore_failure(Failure("X", "x", path, '["true"]'))) is StepError


def test_a_class_is_found_where_its_file_is_called_differently_now() -> None:
    tail = __name__.rpartition(".")[2]
    for module in ("__main__", tail):
        restored = restore_failure(Failure("Declined", "x", f"{module}:Outer.Nested", '["x"]'))
        assert type(restored) is Outer.Nested


def test_the_class_is_imported_where_it_is_defined() -> None:
    module = types.ModuleType("planar_test_errors_on_demand")
    exec("class OnDemand(Exception): pass", module.__dict__)
    error = module.OnDemand("x")
    sys.modules[module.__name__] = module
    try:
        failure = capture_failure(error)
        assert failure.path == "planar_test_errors_on_demand:OnDemand"
        assert type(restore_failure(failure)) is module.OnDemand
    finally:
        del sys.modules[module.__name__]


def test_a_text_with_half_a_pair_of_characters_still_is_an_error() -> None:
    restored = again(ValueError("\ud800"))
    assert type(restored) is StepError
    assert restored.message == "?"


def test_the_text_of_a_failure_is_small_where_there_is_little_to_say() -> None:
    assert json.loads(dump_failure(Failure("X", "x"))) == {"type": "X", "message": "x", "path": None, "args": None}
    assert load_failure("") == Failure("Error", "Nothing was recorded of this error.")


def test_a_nested_error_that_cannot_be_restored_makes_the_outer_one_a_step_error() -> None:
    assert type(again(ExceptionGroup("several", [Holding("x")]))) is StepError
