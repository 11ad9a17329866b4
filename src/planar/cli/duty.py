"""What does one process of a command do? It answers requests, executes runs, or both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from planar.cli.entry import ASGIApp, Entry, load_app
from planar.cli.errors import CommandFailed


@dataclass(frozen=True)
class Duty:
    """One process's part, the same for every process of a command."""

    entry: Entry
    variable: str
    serves: bool = True
    """Whether the app's own routes are answered; otherwise at most those of its health."""
    works: bool = True
    """Whether a worker executes runs."""
    concurrency: int | None = None
    """How many runs the worker advances at once; None leaves it to the settings."""

    @property
    def name(self) -> str:
        """The app, for people."""
        return f"{self.entry.module}:{self.variable}"

    def load(self) -> ASGIApp:
        """Import the app, and tell it its part.

        Raises:
            CommandFailed: there is no such app, or it cannot be told: it is no PlanarApp.
            Exception: whatever the file itself raises.
        """
        app = load_app(self.entry, self.variable)
        if self.serves and self.works:
            # What any application does.
            return app
        take_role: Callable[..., object] | None = getattr(app, "take_role", None)
        if take_role is None:
            raise CommandFailed(
                f"{self.variable!r} in {self.entry.path} is no PlanarApp, so its worker cannot be switched on or off. Name the PlanarApp"
                " with --app."
            )
        take_role(works=self.works, max_concurrent_runs=self.concurrency)
        return app
