"""What is told of an app that does not start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from planar.cli.startup import ToldLifespan, describe_life_failure
from planar.errors import PlanarError

pytestmark = pytest.mark.anyio

LIFESPAN = {"type": "lifespan"}

Life = Callable[[Callable[[dict[str, Any]], Awaitable[None]]], Awaitable[None]]


async def messages_of(life: Life, heard: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """What the server hears of an app that lives like *life*; also in *heard*, for an app that raises."""
    heard = [] if heard is None else heard

    async def send(message: Any) -> None:
        heard.append(dict(message))

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await life(send)

    await ToldLifespan(app, Path("/elsewhere"))(LIFESPAN, receive, send)
    return heard


async def test_a_failed_start_is_printed_and_not_logged(capfd: pytest.CaptureFixture[str]) -> None:
    heard: list[dict[str, Any]] = []

    async def fails(send: Any) -> None:
        await send({"type": "lifespan.startup.failed", "message": "Traceback ...\n  many lines"})
        raise PlanarError("The database is gone. Look for it.")

    with pytest.raises(PlanarError):
        await messages_of(fails, heard)
    assert heard == [{"type": "lifespan.startup.failed", "message": ""}]
    assert capfd.readouterr().err == "Error: The database is gone. Look for it.\n"


async def test_a_reason_that_an_app_gives_itself_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    async def says_so(send: Any) -> None:
        await send({"type": "lifespan.startup.failed", "message": "no licence"})

    assert await messages_of(says_so) == [{"type": "lifespan.startup.failed", "message": ""}]
    assert capfd.readouterr().err == "no licence\n"


async def test_an_app_that_starts_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    async def starts(send: Any) -> None:
        await send({"type": "lifespan.startup.complete"})

    assert await messages_of(starts) == [{"type": "lifespan.startup.complete"}]
    assert capfd.readouterr().err == ""


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


def test_code_of_the_user_that_took_part_is_shown() -> None:
    shown = describe_life_failure(raised(PlanarError("no session")), Path(__file__).parent)
    assert f'File "{__file__}"' in shown
    assert shown.splitlines()[-1].endswith("PlanarError: no session")


def test_an_unforeseen_error_is_shown_with_its_traceback() -> None:
    shown = describe_life_failure(raised(KeyError("x")), Path("/elsewhere"))
    assert shown.startswith("Traceback")
    assert f'File "{__file__}"' in shown
