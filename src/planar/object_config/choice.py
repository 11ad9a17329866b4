"""The version to use here, for code that knows an object by its type and name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel

from planar.context import current_services
from planar.object_config.choosing import Chosen, VersionChooser
from planar.object_config.registration import ConfigurableTypes

T = TypeVar("T", bound=BaseModel)


async def chosen_version(object_type: str, object_name: str, default: T | Callable[[], T], *, pinned: bool = True) -> Chosen[T]:
    """The version of an object to use here.

    In a run it is the one that was active when the run, or the one that started it, first used the object: a promotion changes nothing
    for runs that have begun to use it. Elsewhere it is the active one; what another process promoted is seen a tenth of a second later.

    Args:
        object_type: a type that the app has registered.
        object_name: which object.
        default: the code's own version, or a function that makes it, called only if it is the one.
        pinned: False for the latest version in a step, whatever the run has used. The step's record says which it was.

    Returns:
        Its version (0 is the code's own), its id and its content, which is shared: do not change it.

    Raises:
        ActiveConfigBroken: the version does not fit the code. Nothing else is used in its place.
        VersionNotPinned: (a RuntimeError) workflow code, not a step, asked for the latest.
        UnknownObjectType: the app has no such type.
        ServiceNotFound: the code runs outside a request, a run and ``app.run_standalone``.
    """
    services = current_services()
    kind = services.get(ConfigurableTypes).get(str(object_type))
    return await services.get(VersionChooser).choose(kind.io, object_name, default, pinned=pinned)
