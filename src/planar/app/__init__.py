"""The composition root: what a user registers, and how the parts come together."""

from __future__ import annotations

from planar.app.application import PLANAR_BASE_PATH, PlanarApp

__all__ = ["PLANAR_BASE_PATH", "PlanarApp"]
