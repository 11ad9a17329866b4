"""Under which name is a change signed?"""

from __future__ import annotations

from typing import Final

from planar.context import current_actor

SYSTEM_USER: Final = "system"
"""Who signs what nobody in particular did."""


class SecurityContext:
    """The identity of the current task, for code that signs what it does."""

    @staticmethod
    def get_current_user() -> str:
        """The ``sub`` of whoever acts in this task, or ``system``."""
        actor = current_actor()
        return actor.sub if actor is not None else SYSTEM_USER
