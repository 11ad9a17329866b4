"""The client, under the name of older applications."""

from __future__ import annotations

from planar.testing.client import PlanarTestClient, planar_test_client

__all__ = ["PlanarTestClient", "planar_test_client"]
