"""The client, under the name of older applications.

A module and the function in it share the name ``planar.testing.planar_test_client``. Once this module is loaded, Python finds the
module there; so the module can be called like the function.
"""

from __future__ import annotations

import sys
from contextlib import AbstractAsyncContextManager
from types import ModuleType
from typing import Any

from planar.testing.client import PlanarTestClient, planar_test_client

__all__ = ["PlanarTestClient", "planar_test_client"]


class _CallableModule(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> AbstractAsyncContextManager[PlanarTestClient]:
        return planar_test_client(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
