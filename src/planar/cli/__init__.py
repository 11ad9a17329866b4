"""The `planar` command."""

from __future__ import annotations

from planar.cli.commands import app, main

__all__ = ["app", "main"]
