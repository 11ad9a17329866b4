"""What can be typed? Names, arguments and options only: what a command does is loaded when it is called.

So `planar --version` and `planar --help` load neither the web framework nor the database layer.
"""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from planar._version import VERSION
from planar.cli.db_group import DB, DB_COMMANDS, db_app
from planar.cli.entity_group import ENTITY_TARGETS, entities_app
from planar.cli.file_group import COLLECT_FILES, LIST_FILES, files_app
from planar.cli.options import ConfigOptions, DoctorOptions, FailOn, ServeOptions, WorkOptions
from planar.cli.parameters import AppPath, AsJson, ConfigFile, EnvironmentName, Variable
from planar.cli.targets import end_with

RUN_DEV = "planar.cli.dev:run_dev"
RUN_PROD = "planar.cli.prod:run_prod"
RUN_WORKER = "planar.cli.worker:run_worker"
SHOW_CONFIG = "planar.cli.config_commands:show"
CHECK_CONFIG = "planar.cli.config_commands:check"
RUN_DOCTOR = "planar.cli.doctor:run_doctor"
TARGETS = (
    RUN_DEV,
    RUN_PROD,
    RUN_WORKER,
    SHOW_CONFIG,
    CHECK_CONFIG,
    RUN_DOCTOR,
    COLLECT_FILES,
    LIST_FILES,
    *(DB + name for name in DB_COMMANDS),
    *ENTITY_TARGETS,
)
"""The functions behind the commands, as ``module:name``."""

app = typer.Typer(
    name="planar",
    help="Serve a Planar app, and look at its settings and its database.",
    # A traceback with local variables would print secrets.
    pretty_exceptions_enable=False,
    add_completion=False,
)
config_app = typer.Typer(help="Look at the settings: what they are, and whether they can be used.", no_args_is_help=True)
app.add_typer(config_app, name="config")
app.add_typer(db_app, name="db")
app.add_typer(entities_app, name="entities")
app.add_typer(files_app, name="files")

Script = Annotated[bool, typer.Option("--script", help="Run the file as a program instead of serving it.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")]
Host = Annotated[str, typer.Option(help="The address to listen on.")]
Processes = Annotated[
    int,
    typer.Option("--workers", min=1, envvar="PLANAR_WORKERS", help="How many processes; each has a worker, if any has."),
]
NoWorker = Annotated[bool, typer.Option("--no-worker", help="Only serve: runs are started here, and executed by other processes.")]
Concurrency = Annotated[
    int | None,
    typer.Option(min=1, help="How many runs a process advances at once. Without it: workflows.max_concurrent_runs of the settings."),
]
HealthPort = Annotated[
    int | None, typer.Option(min=0, max=65535, help="A port to answer health checks on; 0 takes a free one. Without it: none.")
]
HealthHost = Annotated[str, typer.Option(help="The address to answer health checks on.")]
SettingsOf = Annotated[Literal["dev", "prod"], typer.Option("--env", help="Whose settings.")]

FailFrom = Annotated[FailOn, typer.Option("--fail-on", help="From which severity on the exit code is not 0.")]
LoadApp = Annotated[bool, typer.Option("--load-app", help="Import the app, to check its own tables and its workflows as well.")]


@app.callback(invoke_without_command=True)
def planar(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.", is_eager=True)] = False,
) -> None:
    """Serve a Planar app, and look at its settings and its database."""
    if version:
        typer.echo(f"planar {VERSION}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def dev(
    path: AppPath = None,
    port: Port = 8000,
    host: Host = "127.0.0.1",
    config: ConfigFile = None,
    variable: Variable = "app",
    script: Script = False,
) -> None:
    """Serve an app on this machine, and again whenever its code changes."""
    end_with(RUN_DEV, ServeOptions("dev", path, host, port, config, variable, script))


@app.command()
def prod(
    path: AppPath = None,
    port: Port = 8000,
    host: Host = "0.0.0.0",
    config: ConfigFile = None,
    variable: Variable = "app",
    script: Script = False,
    no_worker: NoWorker = False,
    workers: Processes = 1,
) -> None:
    """Serve an app in production, and execute its runs."""
    end_with(RUN_PROD, ServeOptions("prod", path, host, port, config, variable, script, not no_worker, workers))


@app.command()
def worker(
    path: AppPath = None,
    config: ConfigFile = None,
    variable: Variable = "app",
    environment: SettingsOf = "prod",
    concurrency: Concurrency = None,
    workers: Processes = 1,
    health_port: HealthPort = None,
    health_host: HealthHost = "0.0.0.0",
) -> None:
    """Execute an app's runs, and serve nothing."""
    end_with(RUN_WORKER, WorkOptions(environment, path, config, variable, concurrency, workers, health_host, health_port))


@app.command()
def doctor(
    path: AppPath = None,
    environment: EnvironmentName = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    fail_on: FailFrom = FailOn.ERROR,
    load_app: LoadApp = False,
    variable: Variable = "app",
) -> None:
    """Look into the app's database: what is stuck, lost, late or about to fail, and what to do. Nothing is changed."""
    end_with(RUN_DOCTOR, DoctorOptions(environment, path, config, as_json, fail_on, load_app, variable))


@config_app.command("show")
def show_config(path: AppPath = None, environment: EnvironmentName = None, config: ConfigFile = None) -> None:
    """Print the settings that an app would get, with secrets masked."""
    end_with(SHOW_CONFIG, ConfigOptions(environment, path, config))


@config_app.command("check")
def check_config(path: AppPath = None, environment: EnvironmentName = None, config: ConfigFile = None) -> None:
    """Tell whether an app could start with its settings; exit code 1 if not."""
    end_with(CHECK_CONFIG, ConfigOptions(environment, path, config))


def main() -> None:
    """The `planar` command."""
    app()
