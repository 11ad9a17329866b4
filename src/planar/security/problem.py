"""Which shape has every answer that says no? For the OpenAPI document, and for whoever writes a route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Problem(BaseModel):
    """What was wrong, for people (``detail``) and for machines (``code``, which does not change between versions)."""

    detail: str
    code: str


class Misfit(BaseModel):
    """One thing in a request that does not fit: where it stands, and what is wrong with it."""

    model_config = ConfigDict(defer_build=True)

    type: str
    loc: list[str | int]
    msg: str
    input: Any = None
    ctx: dict[str, Any] | None = None


class ValidationProblem(BaseModel):
    """What in a request does not fit."""

    model_config = ConfigDict(defer_build=True)

    detail: list[Misfit]
    code: Literal["validation_error"]


def problems(descriptions: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that can say no: ``responses=problems({404: "There is no such run."})``.

    Args:
        descriptions: a sentence for each status.
    """
    return {status: {"model": Problem, "description": description} for status, description in descriptions.items()}
