"""Arguments and options that several groups of commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AppPath = Annotated[Path | None, typer.Argument(metavar="PATH", help="The file with the app. Without it: app.py, then main.py.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="The settings file to use.")]
Variable = Annotated[str, typer.Option("--app", help="The name of the app in its file.")]
EnvironmentName = Annotated[str | None, typer.Option("--env", help="dev or prod. Without it: PLANAR_ENV, else dev.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a report.")]
