"""What makes a command end with an error, though no code is at fault?"""

from __future__ import annotations

from planar.errors import PlanarError


class CommandFailed(PlanarError):
    """The command cannot do what it was asked. Shown as one message, without a traceback; the exit code is 1."""

    code = "command_failed"
