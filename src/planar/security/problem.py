"""Which shape has every answer that says no? For the OpenAPI document, and for whoever writes a route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel


class Problem(BaseModel):
    """What was wrong, for people (``detail``) and for machines (``code``, which does not change between versions)."""

    detail: str
    code: str


def problems(descriptions: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that can say no: ``responses=problems({404: "There is no such run."})``.

    Args:
        descriptions: a sentence for each status.
    """
    return {status: {"model": Problem, "description": description} for status, description in descriptions.items()}
