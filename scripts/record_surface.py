"""Write the `__all__` of every public module into tests/surface/recorded_all.toml, where a test compares it.

A name that users import can so only appear or disappear in a change that says so.

    python scripts/record_surface.py
"""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path

SURFACE = Path(__file__).resolve().parent.parent / "tests" / "surface"
NAMES = SURFACE / "public_names.toml"
RECORDED = SURFACE / "recorded_all.toml"
HEADER = "# The `__all__` of each public module. Written by `make record-surface`; a difference fails a test.\n"


def public_modules() -> list[str]:
    """The modules that users import from, as far as they are built."""
    listed = tomllib.loads(NAMES.read_text())["module"]
    return sorted(module["name"] for module in listed if module.get("built"))


def surface() -> dict[str, list[str]]:
    """Module name to its sorted public names. A module without `__all__` is left out: it re-exports nothing on purpose."""
    found = {name: getattr(importlib.import_module(name), "__all__", None) for name in public_modules()}
    return {name: sorted(names) for name, names in found.items() if names is not None}


def render(recorded: dict[str, list[str]]) -> str:
    blocks = ["".join(f'    "{name}",\n' for name in names) for names in recorded.values()]
    return HEADER + "".join(f'\n"{module}" = [\n{block}]\n' for module, block in zip(recorded, blocks, strict=True))


if __name__ == "__main__":
    RECORDED.write_text(render(surface()))
