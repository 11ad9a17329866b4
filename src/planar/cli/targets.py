"""How does a command come to its function? It is loaded when the command is given, and its answer is the exit code."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NoReturn, Protocol, cast

import typer

from planar.errors import PlanarError


class _Target(Protocol):
    def __call__(self, options: Any, /) -> int: ...


def load_target(target: str) -> _Target:
    """The function named ``module:name``, imported now."""
    module, _, name = target.partition(":")
    return cast("_Target", getattr(import_module(module), name))


def end_with(target: str, options: object) -> NoReturn:
    """Run a command's function and end with its code; an error that users cause is one message."""
    try:
        code = load_target(target)(options)
    except PlanarError as error:
        typer.echo(f"Error: {error}", err=True)
        code = 1
    raise typer.Exit(code)
