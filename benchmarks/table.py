"""How is a figure printed? One row each, so that a run reads as a table."""

from __future__ import annotations


def row(what: str, figures: str, bar: str = "") -> None:
    """One row of the table."""
    print(f"{what:<34}{figures:<84}{bar}", flush=True)


def ratio(what: str, unit: str, floor: float, engine: float, bar: str, peer: float | None = None) -> None:
    """A row with the floor, the engine, and the engine's share of the floor.

    Args:
        peer: the same of DBOS: how many times as much the engine does, or how many times as long DBOS takes, is added.
    """
    digits = 0 if floor > 100 else 2
    figures = f"floor {floor:7.{digits}f}{unit:<4} engine {engine:7.{digits}f}{unit:<4} ratio {engine / floor:5.2f}"
    if peer is not None:
        times = engine / peer if unit == "/s" else peer / engine
        figures += f"   DBOS {peer:.1f}{unit}, {times:.0f} times"
    row(what, figures, bar)
