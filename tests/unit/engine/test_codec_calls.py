"""A call that cannot be stored or restored is an error that names the function and the argument."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable, Coroutine
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from planar.engine.codec import CallCodec
from planar.engine.errors import ArgumentNotStorable, CallNotRestorable, ResultNotStorable
from tests.unit.engine.codec_shapes import Animal, Color, Opaque, returning, survives, through

if TYPE_CHECKING:
    from nowhere import Missing


async def transfer(amount: Decimal, /, to: str, *notes: date, urgent: bool = False, **extra: Color) -> int:
    return 1


async def plainly(value, other=None): ...


async def unresolved(value: Missing, other: int = 0) -> Missing: ...


def cyclic() -> list[Any]:
    found: list[Any] = []
    found.append({"inside": found})
    return found


def nested(depth: int) -> Any:
    found: Any = 1
    for _ in range(depth):
        found = [found]
    return found


def test_each_argument_is_stored_as_it_is_passed_and_restored_by_its_parameter() -> None:
    codec = CallCodec(transfer)
    call = ((Decimal("1.0"), "me", date(2020, 1, 1), date(2020, 1, 2)), {"urgent": True, "paint": Color.RED})
    texts = codec.dump_call(*call)
    assert texts == ('["1.0","me","2020-01-01","2020-01-02"]', '{"urgent":true,"paint":"r"}')
    assert codec.load_call(*texts) == call


def test_defaults_are_not_stored() -> None:
    codec = CallCodec(transfer)
    assert codec.dump_call((Decimal(1),), {"to": "me"}) == ('["1"]', '{"to":"me"}')
    assert codec.load_call('["1"]', '{"to":"me"}') == ((Decimal(1),), {"to": "me"})


def test_a_call_without_arguments_is_empty_texts() -> None:
    async def nothing() -> None: ...

    assert CallCodec(nothing).dump_call((), {}) == ("[]", "{}")
    assert CallCodec(nothing).load_call("[]", "{}") == ((), {})


@pytest.mark.parametrize(
    ("args", "kwargs", "what"),
    [
        ((), {}, "missing a required"),
        ((Decimal(1),), {}, "missing a required argument: 'to'"),
        ((Decimal(1), "me"), {"to": "you"}, "multiple values for argument 'to'"),
        ((), {"amount": 1, "to": "me"}, "amount"),
    ],
)
def test_a_call_that_python_would_refuse_is_a_type_error(args: tuple[Any, ...], kwargs: dict[str, Any], what: str) -> None:
    with pytest.raises(TypeError, match=what) as caught:
        CallCodec(transfer).dump_call(args, kwargs)
    assert "transfer()" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (lambda: 1, "a `function` has no stored form"),
        (threading.Lock(), "a `lock` has no stored form"),
        (object(), "an `object` has no stored form"),
        (cyclic(), "contains itself"),
        (nested(190), "nested too deeply"),
        ((number for number in [1]), "a `generator` can be read only once: pass a list"),
        ("\ud800", "lone surrogate"),
        ({"a": [1, {"b": object()}]}, r"at \['a'\]\[1\]\['b'\]: an `object`"),
        ({(1, 2): 1}, r"the key \(1, 2\) is more than one value"),
        ({1: 1, "1": 2}, "two keys are both written as '1'"),
        (int, "the class `int` has no stored form"),
        (threading, "a `module` has no stored form"),
        (Opaque.THING, "an `object` has no stored form"),
    ],
)
def test_what_cannot_be_stored_is_an_error_at_the_call(value: Any, reason: str) -> None:
    for arguments in (((1, value), {}), ((1,), {"other": value})):
        with pytest.raises(ArgumentNotStorable, match=reason) as caught:
            CallCodec(plainly).dump_call(*arguments)
        assert str(caught.value).startswith("The argument `other` of plainly() cannot be stored: ")
        assert caught.value.details == {"argument": "other", "function": "plainly"}
    with pytest.raises(ResultNotStorable, match=reason):
        CallCodec(plainly).roundtrip_result(value)


def test_an_open_file_is_an_error_at_the_call(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, pytest.raises(ArgumentNotStorable, match="TextIOWrapper"):
        CallCodec(plainly).dump_call((file,), {})


@pytest.mark.parametrize("hint", [list[int], dict[str, list[Any]], Animal, int | str, Callable[[], int], tuple[int, str]])
@pytest.mark.parametrize("value", [object(), [object()], {"a": [object()]}])
def test_an_annotation_does_not_make_it_storable(hint: Any, value: Any) -> None:
    with pytest.raises(ArgumentNotStorable, match="`value`"):
        CallCodec(returning(hint)).dump_call((value,), {})


def test_the_first_wrong_argument_is_named_among_many() -> None:
    with pytest.raises(ArgumentNotStorable, match=r"`\*notes` of transfer\(\)"):
        CallCodec(transfer).dump_call((Decimal(1), "me", date(2020, 1, 1), object()), {"urgent": True})


def test_a_datetime_is_not_cut_down_to_the_date_that_is_annotated() -> None:
    with pytest.raises(ArgumentNotStorable, match="a datetime stands where a date is annotated"):
        CallCodec(returning(date)).dump_call((datetime(2020, 1, 1, tzinfo=UTC),), {})


@pytest.mark.parametrize(
    ("args", "kwargs", "what"),
    [
        ('["x","me"]', "{}", "`amount`"),
        ('["1","me","soon"]', "{}", "`\\*notes`"),
        ('["1"]', '{"to":5}', "`to`: Input should be a valid string"),
        ('["1"]', "{}", "missing a required argument: 'to'"),
        ('["1","me"]', '{"urgent":"maybe"}', "`urgent`"),
        ("{}", "{}", "not a list and an object"),
        ('["1', "{}", "not JSON"),
        ('["1","me"]', '{"paint":"green"}', "`paint`"),
    ],
)
def test_recorded_arguments_that_do_not_fit_any_more_are_named(args: str, kwargs: str, what: str) -> None:
    with pytest.raises(CallNotRestorable, match=what) as caught:
        CallCodec(transfer).load_call(args, kwargs)
    assert "transfer()" in str(caught.value)


def test_an_argument_that_the_function_lost_is_named() -> None:
    with pytest.raises(CallNotRestorable, match="unexpected keyword argument 'gone'"):
        CallCodec(plainly).load_call("[1]", '{"gone":1}')


def test_the_message_about_a_wrong_argument_does_not_repeat_its_value() -> None:
    with pytest.raises(CallNotRestorable) as caught:
        CallCodec(returning(Animal)).load_call('[{"name":["top secret"]}]', "{}")
    assert "top secret" not in str(caught.value)


def test_a_result_that_does_not_fit_its_annotation_fails_at_the_step() -> None:
    with pytest.raises(ResultNotStorable, match=r"example\(\) does not fit its annotation int: Input should be a valid integer"):
        CallCodec(returning(int)).roundtrip_result("five")


def test_a_number_too_long_to_be_read_again_fails_at_the_step() -> None:
    assert survives(int, 10**3000)
    with pytest.raises(ResultNotStorable):
        CallCodec(returning(int)).roundtrip_result(10**5000)


def test_a_recorded_result_that_does_not_fit_any_more_is_told() -> None:
    with pytest.raises(CallNotRestorable, match="recorded result"):
        CallCodec(returning(int)).load_result('"five"')


def test_no_text_is_no_result() -> None:
    assert CallCodec(returning(Animal)).load_result(None) is None


def test_an_explicit_return_type_goes_before_the_annotation() -> None:
    assert CallCodec(returning(str), return_type=list[Decimal]).roundtrip_result([Decimal(1)]) == ('["1"]', [Decimal(1)])


def test_a_function_that_returns_an_awaitable_is_annotated_with_what_it_gives() -> None:
    assert survives(Coroutine[Any, Any, Decimal], None)
    assert CallCodec(returning(Coroutine[Any, Any, Decimal])).roundtrip_result(Decimal(1)) == ('"1"', Decimal(1))


def test_what_a_function_returns_that_should_return_nothing_is_kept_as_it_is_stored() -> None:
    async def sloppy() -> None: ...

    assert CallCodec(sloppy).roundtrip_result({"a": Decimal(1)})[1] == {"a": "1"}


def test_an_annotation_that_means_nothing_is_an_error_with_a_remedy_only_where_it_matters() -> None:
    codec = CallCodec(unresolved)
    with pytest.raises(ArgumentNotStorable, match=r"`value` of unresolved\(\) .*'Missing' cannot be resolved.*TYPE_CHECKING"):
        codec.dump_call((1,), {})
    with pytest.raises(ResultNotStorable, match="'Missing' cannot be resolved"):
        codec.roundtrip_result(1)
    with pytest.raises(CallNotRestorable, match="'Missing' cannot be resolved"):
        codec.load_call("[1]", "{}")
    assert codec.dump_call((None,), {"other": 1}) == ("[null]", '{"other":1}')


def test_types_that_exist_only_inside_a_function_are_known() -> None:
    class Inner(BaseModel):
        number: int

    class Kind(Enum):
        ONE = 1

    async def local(inner: Inner, kinds: dict[Kind, Inner]) -> Kind: ...

    codec = CallCodec(local)
    call = ((Inner(number=1), {Kind.ONE: Inner(number=2)}), {})
    assert codec.load_call(*codec.dump_call(*call)) == call
    assert codec.roundtrip_result(Kind.ONE) == ("1", Kind.ONE)


def test_types_that_are_defined_after_the_function_are_known_at_the_first_call() -> None:
    codec = CallCodec(takes_later)
    assert codec.load_call(*codec.dump_call((Later(number=1),), {})) == ((Later(number=1),), {})


async def takes_later(later: Later) -> None: ...


class Later(BaseModel):
    number: int


def test_wrapped_and_partial_functions_and_builtins_are_understood() -> None:
    @functools.wraps(transfer)
    async def wrapper(*args: Any, **kwargs: Any) -> Any: ...

    assert CallCodec(wrapper).load_call('["1","me"]', "{}") == ((Decimal(1), "me"), {})
    partial = CallCodec(functools.partial(plainly, other=3))
    assert partial.load_call(*partial.dump_call((1,), {})) == ((1,), {})
    assert CallCodec(dict.get).dump_call(({"a": 1}, "a"), {}) == ('[{"a":1},"a"]', "{}")


def test_a_function_with_free_arguments_can_be_called_in_any_number_of_ways() -> None:
    async def free(*args: int, **kwargs: Decimal) -> None: ...

    codec = CallCodec(free)
    for count in range(300):
        call = (tuple(range(count % 20)), {f"name{count}": Decimal(count)})
        assert codec.load_call(*codec.dump_call(*call)) == call


def test_a_type_that_contains_itself_may_be_deep() -> None:
    value: Any = {"end": [1.5, None]}
    for _ in range(40):
        value = {"inside": [value]}
    codec = CallCodec(takes_tree)
    assert codec.load_call(*codec.dump_call((value,), {})) == ((value,), {})


Tree = dict[str, "Tree"] | list["Tree"] | float | None


async def takes_tree(tree: Tree) -> None: ...


def test_texts_are_json_that_any_program_can_read() -> None:
    args, kwargs = CallCodec(transfer).dump_call((Decimal("NaN"), "\x00"), {"paint": Color.BLUE})
    assert json.loads(args) == ["NaN", "\x00"]
    assert json.loads(kwargs) == {"paint": "b"}
    assert json.loads(CallCodec(returning(float)).roundtrip_result(float("inf"))[0]) == "Infinity"
    assert through(float, float("inf")) == float("inf")
