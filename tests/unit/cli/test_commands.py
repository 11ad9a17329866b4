from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from planar import _version
from planar.cli import app, commands, targets
from planar.cli.options import ConfigOptions, DatabaseOptions, DoctorOptions, FailOn, FileOptions, ServeOptions, WorkOptions

runner = CliRunner()

HEAVY = ("fastapi", "starlette", "uvicorn", "sqlalchemy", "sqlmodel", "watchfiles", "yaml", "asyncio")


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["dev", "--help"], ["db", "--help"]])
def test_asking_for_words_loads_no_framework(arguments: list[str]) -> None:
    program = (
        "import sys; from planar.cli import main\n"
        f"sys.argv = ['planar', *{arguments!r}]\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "LOADED []"


def test_the_version_is_that_of_the_package() -> None:
    answer = runner.invoke(app, ["--version"])
    assert (answer.exit_code, answer.output) == (0, f"planar {_version.VERSION}\n")


def test_the_bare_command_shows_its_help() -> None:
    answer = runner.invoke(app, [])
    assert answer.exit_code == 0
    assert all(word in answer.output for word in ("Usage", "dev", "prod", "worker", "config", "--version"))


@pytest.mark.parametrize("target", commands.TARGETS)
def test_the_function_behind_every_command_exists(target: str) -> None:
    assert callable(targets.load_target(target))


@pytest.mark.parametrize(
    ("arguments", "target", "options"),
    [
        (["files", "gc"], commands.COLLECT_FILES, FileOptions(None, None, None)),
        (
            ["files", "gc", "a.py", "--env", "prod", "--config", "c.yaml", "--older-than", "2d", "--dry-run", "--yes", "--json"],
            commands.COLLECT_FILES,
            FileOptions("prod", Path("a.py"), Path("c.yaml"), True, "2d", True, True),
        ),
        (["files", "list", "--limit", "7"], commands.LIST_FILES, FileOptions(None, None, None, limit=7)),
        (["dev"], commands.RUN_DEV, ServeOptions("dev", None, "127.0.0.1", 8000, None, "app", False)),
        (["prod"], commands.RUN_PROD, ServeOptions("prod", None, "0.0.0.0", 8000, None, "app", False)),
        (
            ["dev", "a/b.py", "--port", "1", "--host", "h", "--config", "c.yaml", "--app", "x", "--script"],
            commands.RUN_DEV,
            ServeOptions("dev", Path("a/b.py"), "h", 1, Path("c.yaml"), "x", True),
        ),
        (
            ["prod", "--no-worker", "--workers", "3"],
            commands.RUN_PROD,
            ServeOptions("prod", None, "0.0.0.0", 8000, None, "app", False, works=False, processes=3),
        ),
        (["worker"], commands.RUN_WORKER, WorkOptions("prod", None, None, "app", None, 1, "0.0.0.0", None)),
        (
            [
                "worker",
                "a.py",
                "--config",
                "c.yaml",
                "--app",
                "x",
                "--env",
                "dev",
                "--concurrency",
                "9",
                "--workers",
                "2",
                "--health-port",
                "0",
                "--health-host",
                "h",
            ],
            commands.RUN_WORKER,
            WorkOptions("dev", Path("a.py"), Path("c.yaml"), "x", 9, 2, "h", 0),
        ),
        (["config", "show"], commands.SHOW_CONFIG, ConfigOptions(None, None, None)),
        (
            ["config", "check", "a.py", "--env", "prod", "--config", "c.yaml"],
            commands.CHECK_CONFIG,
            ConfigOptions("prod", Path("a.py"), Path("c.yaml")),
        ),
        (["doctor"], commands.RUN_DOCTOR, DoctorOptions(None, None, None, False, FailOn.ERROR, False, "app")),
        (
            ["doctor", "a.py", "--env", "prod", "--config", "c.yaml", "--json", "--fail-on", "warning", "--load-app", "--app", "x"],
            commands.RUN_DOCTOR,
            DoctorOptions("prod", Path("a.py"), Path("c.yaml"), True, FailOn.WARNING, True, "x"),
        ),
        (["db", "init"], commands.DB + "init", DatabaseOptions(None, None, None, "app")),
        (
            ["db", "init", "--path", "a.py", "--env", "prod", "--config", "c.yaml", "--app", "x"],
            commands.DB + "init",
            DatabaseOptions("prod", Path("a.py"), Path("c.yaml"), "x"),
        ),
        (["db", "revision", "-m", "more"], commands.DB + "revision", DatabaseOptions(None, None, None, "app", message="more")),
        (
            ["db", "revision", "--message", "more", "--empty"],
            commands.DB + "revision",
            DatabaseOptions(None, None, None, "app", message="more", empty=True),
        ),
        (
            ["db", "revision", "-m", "join", "--merge"],
            commands.DB + "revision",
            DatabaseOptions(None, None, None, "app", message="join", merge=True),
        ),
        (["db", "upgrade"], commands.DB + "upgrade", DatabaseOptions(None, None, None, "app")),
        (
            ["db", "upgrade", "12", "--adopt", "--lock-timeout", "2"],
            commands.DB + "upgrade",
            DatabaseOptions(None, None, None, "app", lock_seconds=2.0, target="12", adopt=True),
        ),
        (["db", "downgrade", "base", "-y"], commands.DB + "downgrade", DatabaseOptions(None, None, None, "app", target="base", yes=True)),
        (
            ["db", "stamp", "12", "--force"],
            commands.DB + "stamp",
            DatabaseOptions(None, None, None, "app", target="12", force=True),
        ),
        (["db", "current"], commands.DB + "current", DatabaseOptions(None, None, None, "app")),
        (["db", "history"], commands.DB + "history", DatabaseOptions(None, None, None, "app")),
        (["db", "check", "--json"], commands.DB + "check", DatabaseOptions(None, None, None, "app", as_json=True)),
        (
            ["db", "sql", "1:2", "--dialect", "sqlite"],
            commands.DB + "sql",
            DatabaseOptions(None, None, None, "app", target="1:2", dialect="sqlite"),
        ),
    ],
)
def test_what_is_typed_reaches_the_function_and_its_code_is_the_exit_code(
    arguments: list[str], target: str, options: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[object] = []

    def load(name: str) -> object:
        called.append(name)
        return lambda given: called.append(given) or 5

    monkeypatch.setattr(targets, "load_target", load)
    answer = runner.invoke(app, arguments)
    assert called == [target, options]
    assert answer.exit_code == 5


@pytest.mark.parametrize(
    "arguments",
    [
        ["dev", "--port", "70000"],
        ["dev", "--nothing"],
        ["dev", "--no-worker"],
        ["prod", "--workers", "0"],
        ["worker", "--port", "1"],
        ["worker", "--concurrency", "0"],
        ["worker", "--env", "typo"],
        ["doctor", "--fail-on", "info"],
        ["db", "revision"],
        ["db", "downgrade"],
        ["db", "stamp"],
        ["db", "upgrade", "--lock-timeout", "0"],
        ["db", "sql", "--dialect", "oracle"],
        ["else"],
    ],
)
def test_wrong_usage_ends_with_two(arguments: list[str]) -> None:
    assert runner.invoke(app, arguments).exit_code == 2


@pytest.mark.parametrize(("arguments", "processes"), [(["prod"], 4), (["worker"], 4), (["prod", "--workers", "2"], 2)])
def test_the_number_of_processes_is_the_options_else_the_variables(
    arguments: list[str], processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Any] = []
    monkeypatch.setattr(targets, "load_target", lambda name: lambda given: called.append(given) or 0)
    assert runner.invoke(app, arguments, env={"PLANAR_WORKERS": "4"}).exit_code == 0
    assert called[0].processes == processes


def test_a_number_of_processes_that_is_none_is_told_with_its_variable() -> None:
    answer = runner.invoke(app, ["prod"], env={"PLANAR_WORKERS": "many"})
    assert answer.exit_code == 2
    assert "PLANAR_WORKERS" in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dev"], "Error: Could not find app.py or main.py in "),
        (["prod", "absent.py"], "Error: Specified app path absent.py not found or is not a file\n"),
        (["dev", "."], "Error: Specified app path . not found or is not a file\n"),
        (["dev", "--config", "absent.yaml"], "Error: Config file absent.yaml not found\n"),
        (["worker", "absent.py"], "Error: Specified app path absent.py not found or is not a file\n"),
        (["dev", "--script"], "Error: Could not find app.py or main.py in "),
        (["config", "show", "--config", "absent.yaml"], "Error: Config file absent.yaml not found\n"),
        (["config", "check", "--env", "typo"], "Error: PLANAR_ENV is 'typo'; it must be one of: dev, prod.\n"),
    ],
)
def test_a_mistake_of_the_user_is_one_message_and_ends_with_one(arguments: list[str], message: str) -> None:
    answer = runner.invoke(app, arguments)
    assert answer.exit_code == 1
    assert answer.stderr.startswith(message)
    assert answer.exception is None or isinstance(answer.exception, SystemExit)


def test_show_prints_where_the_settings_come_from_and_masks_secrets(home: Path) -> None:
    (home / ".env").write_text("KEY=geheim\n")
    (home / "planar.prod.yaml").write_text(
        "db_connections: {app: 'postgresql://u:geheim@h/d'}\nai_providers:\n  openai: {api_key: '${KEY}'}\n"
    )
    answer = runner.invoke(app, ["config", "show", "--env", "prod"])
    assert answer.exit_code == 0
    assert answer.output.splitlines()[:5] == [
        "# environment: prod",
        f"# settings file: {home / 'planar.prod.yaml'}",
        f"# variables file: {home / '.env'}",
        "# database: postgresql+asyncpg://u:***@h/d",
        "# connections: at most 26 in each process",
    ]
    assert "api_key: '**********'" in answer.output
    assert "geheim" not in answer.output


def test_check_refuses_what_this_version_does_not_have(home: Path) -> None:
    (home / "planar.yaml").write_text("sse_hub: true\n")
    answer = runner.invoke(app, ["config", "check"])
    assert answer.exit_code == 1
    assert "sse_hub: the event stream is not available yet" in answer.stderr
    (home / "planar.yaml").write_text("sse_hub: false\n")
    answer = runner.invoke(app, ["config", "check"])
    assert answer.exit_code == 0
    assert answer.output.endswith("The configuration can be used.\n")


def test_settings_beside_a_named_app_are_found(home: Path) -> None:
    (home / "service").mkdir()
    (home / "service" / "main.py").write_text("")
    (home / "service" / "planar.yaml").write_text("use_alembic: false\n")
    answer = runner.invoke(app, ["config", "show", "service/main.py"])
    assert f"# settings file: {home / 'service' / 'planar.yaml'}" in answer.output
    assert "use_alembic: false" in answer.output
    assert os.environ["PLANAR_ENTRY_POINT"] == str(home / "service" / "main.py")
