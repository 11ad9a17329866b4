from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from pydantic import BaseModel

from planar.files.checking import files_in
from planar.files.models import PlanarFile


def file() -> PlanarFile:
    return PlanarFile(id=uuid4(), filename="a", content_type="b/c")


class Model(BaseModel):
    model_config = {"extra": "allow"}

    inner: dict[str, list[PlanarFile]]


@dataclass
class Data:
    one: PlanarFile
    other: tuple[object, ...]


def test_files_are_found_at_any_depth_in_their_order() -> None:
    first, second, third, fourth = file(), file(), file(), file()
    value = {"m": Model(inner={"k": [first, second]}, more=third), "d": Data(fourth, (1, "x", first))}
    assert list(files_in(value, ("root",))) == [
        (("root", "m", "inner", "k", 0), first),
        (("root", "m", "inner", "k", 1), second),
        (("root", "m", "more"), third),
        (("root", "d", "one"), fourth),
        (("root", "d", "other", 2), first),
    ]


def test_a_value_that_holds_itself_comes_to_an_end() -> None:
    held: list[object] = [file()]
    held.append(held)
    assert len(list(files_in(held))) == 1


def test_a_deep_value_needs_no_stack() -> None:
    value: object = file()
    for _ in range(2_000):
        value = [value]
    assert len(list(files_in(value))) == 1
    while isinstance(value, list):  # Python frees it step by step, and so do we
        (value,) = value
