"""Thousands of random rows, made, changed, deleted and asked for over HTTP, are what plain Python says."""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest

from tests import stores
from tests.integration.entities.conftest import Entities
from tests.integration.entities.model import FIELDS, Question, random_question, random_row, random_value

pytestmark = pytest.mark.anyio

IS_LONG = bool(os.environ.get(stores.LONG))
ROWS = 10_000 if IS_LONG else 1000
QUESTIONS = 30 if IS_LONG else 25
PART = 500
SEEDS = [int(seed) for seed in os.environ.get("PLANAR_SEED", "20,21,22").split(",")] if IS_LONG else [20]
"""The long form plays others as well, or those that are given."""


@pytest.mark.parametrize("seed", SEEDS)
async def test_random_rows_are_what_plain_python_says(api: Entities, seed: int) -> None:
    print(f"PLANAR_LONG=1 PLANAR_SEED={seed} plays it again" if IS_LONG else f"seed {seed}")
    random = Random(seed)
    rows: dict[str, dict[str, Any]] = {}
    for _ in range(0, ROWS, PART):
        made = await api.make_many("Sample", [random_row(random) for _ in range(PART)])
        rows.update((row["id"], row["data"]) for row in made)
    await change(api, random, rows)
    await delete(api, random, rows)
    known = list(rows.values())
    for number in range(QUESTIONS):
        question = random_question(random)
        await compare(api, random, question, known, number)


async def change(api: Entities, random: Random, rows: dict[str, dict[str, Any]]) -> None:
    """Change some rows one by one, and many together."""
    for row_id in random.sample(list(rows), 50):
        changes = {name: random_value(random, name) for name in random.sample(FIELDS, 3)}
        answer = await api.ask("PATCH", f"/Sample/instances/{row_id}", changes)
        assert answer.status_code == 200, answer.text
        rows[row_id] = answer.json()["data"]
    chosen = random.sample(list(rows), PART)
    changes = [{"id": row_id, "data": {"maybe": random_value(random, "maybe"), "number": n}} for n, row_id in enumerate(chosen)]
    answer = await api.ask("PATCH", "/Sample/instances/bulk", changes)
    assert answer.status_code == 200, answer.text
    for item, asked in zip(answer.json()["items"], changes, strict=True):
        assert item["data"] | asked["data"] == item["data"]
        rows[item["id"]] = item["data"]


async def delete(api: Entities, random: Random, rows: dict[str, dict[str, Any]]) -> None:
    """Delete some rows together."""
    gone = random.sample(list(rows), PART // 5)
    answer = await api.ask("DELETE", "/Sample/instances/bulk", gone)
    assert answer.status_code == 200, answer.text
    for row_id in gone:
        del rows[row_id]


async def compare(api: Entities, random: Random, question: Question, rows: list[dict[str, Any]], number: int) -> None:
    """Ask for the whole list by cursor or by offset, a page at a time, and look whether it is the one that is expected."""
    expected = question.answer(rows)
    params: dict[str, Any] = {"limit": random.choice((97, 400, 1000)), "references": "false"}
    if question.sort:
        params["sort"] = ",".join(question.sort)
    found: list[dict[str, Any]] = []
    while True:
        page = await api.list("Sample", *question.filters, **params)
        assert page["total"] == len(expected), (number, question)
        found += [item["data"] for item in page["items"]]
        if page["next"] is None:
            break
        params |= {"after": page["next"]} if number % 2 else {"offset": len(found)}
    assert [row["id"] for row in found] == [row["id"] for row in expected], (number, question)
    assert found == expected
