"""A service in one file: a workflow of two steps, and a route of its own beside the framework's.

Start it with `planar dev examples/simple_service/main.py`; README.md shows the requests.
"""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter
from pydantic import BaseModel

from planar import PlanarApp
from planar.workflows import step, suspend, workflow


class Greeting(BaseModel):
    name: str
    text: str
    letters: int


@step()
async def write_greeting(name: str) -> str:
    return f"Hello, {name}!"


@step(max_retries=2)
async def count_letters(text: str) -> int:
    return sum(letter.isalpha() for letter in text)


@workflow()
async def greet(name: str, after_seconds: float = 0.0) -> Greeting:
    """Greet somebody, at once or later."""
    text = await write_greeting(name)
    if after_seconds > 0:
        await suspend(interval=timedelta(seconds=after_seconds))
    return Greeting(name=name, text=text, letters=await count_letters(text))


router = APIRouter(prefix="/greetings")


@router.post("")
async def greet_now(name: str) -> Greeting:
    """A workflow is a function: a request may simply await it."""
    return await greet(name)


app = PlanarApp(title="Greetings").register_workflow(greet).register_router(router)
