"""What does an app need to be fit, and who knows whether it has it?"""

from __future__ import annotations

from typing import Protocol

from pydantic import BaseModel, ConfigDict


class Check(BaseModel):
    """One thing that an app needs to be fit. If it is not ``ok``, *detail* says what to do; *seconds* is what was measured, if anything."""

    model_config = ConfigDict(defer_build=True)

    ok: bool
    detail: str | None = None
    seconds: float | None = None


class Readiness(Protocol):
    """What a running app knows of its own fitness. Found among its services."""

    @property
    def works(self) -> bool:
        """Whether this process is to have a worker."""
        ...

    async def checks(self) -> dict[str, Check]:
        """The checks by name; ``worker`` is one of them."""
        ...
