"""Texts that no database can compare are refused wherever a text can be asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import BaseModel

from planar import PlanarApp
from planar.modeling.orm import PlanarBaseEntity
from planar.rules import rule
from planar.workflows import workflow
from tests.integration.files.conftest import OpenFiles

pytestmark = pytest.mark.anyio


class TextRow(PlanarBaseEntity, table=True):
    """An entity with a text."""

    title: str = ""


@workflow()
async def text_run(title: str = "") -> str:
    """Takes a text."""
    return title


class Level(BaseModel):
    """What the rule takes and gives."""

    level: int


@rule(description="Decides something.")
def text_rule(level: Level) -> Level:
    return level


NAMES = {"entity_name": "TextRow", "workflow_name": "text_run", "rule_name": "text_rule", "object_type": "rule", "by": "title"}
"""What leads to something that is there."""


def questions(document: dict[str, Any]) -> Iterator[str]:
    """The addresses of GET routes, each with one text that holds the character of number 0."""
    for path, routes in document["paths"].items():
        asked = [each for each in routes.get("get", {}).get("parameters", []) if each["in"] in ("path", "query")]
        texts = [each for each in asked if is_text(each["schema"])]
        for bad in texts:
            given = {each["name"]: NAMES.get(each["name"], "x") for each in asked if each["required"] or each is bad}
            given[bad["name"]] = "\0"
            address = path
            for name in [name for name in given if f"{{{name}}}" in path]:
                address = address.replace(f"{{{name}}}", quote(given.pop(name)))
            yield f"{address}?{'&'.join(f'{name}={quote(value)}' for name, value in given.items())}"


def is_text(schema: dict[str, Any]) -> bool:
    if any(is_text(each) for each in schema.get("anyOf", [])):
        return True
    return schema.get("type") == "string" and "format" not in schema and "enum" not in schema


async def test_the_character_of_number_0_is_never_an_error_of_the_app(open_files: OpenFiles) -> None:
    def serve(app: PlanarApp) -> None:
        app.register_entity(TextRow).register_rule(text_rule)

    async with open_files([text_run], prepare=serve) as api:
        addresses = list(questions((await api.client.get("/openapi.json")).json()))
        assert len(addresses) > 30
        answers = {address: (await api.client.get(address)).status_code for address in addresses}
        assert {address: status for address, status in answers.items() if not 400 <= status < 500} == {}


async def test_a_list_of_files_refuses_a_text_that_nothing_can_hold(open_files: OpenFiles) -> None:
    async with open_files() as api:
        for asked in ("name=%00", "created_by=%00", "content_type=%00", "content_type=%00/*"):
            answer = await api.client.get(f"/planar/v1/file/?{asked}")
            assert (answer.status_code, answer.json()["code"]) == (422, "validation_error"), answer.text
