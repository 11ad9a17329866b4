"""`planar entities import` and `export`, as they are typed: what goes in, what comes out, and how they end."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from planar.cli import app as commands
from planar.cli import entity_commands
from planar.entities.import_report import ImportReport
from tests.databases import Databases

pytestmark = pytest.mark.anyio

MODULE = "app_of_entity_commands"
APP = """
from sqlalchemy import MetaData
from sqlalchemy.orm import registry
from planar import PlanarApp
from planar.db.tables import create_application_tables
from planar.modeling.orm import Field, PlanarBaseEntity

class Base(PlanarBaseEntity, registry=registry(metadata=MetaData())):
    pass

class Fruit(Base, table=True):
    code: str = Field(unique=True)
    title: str | None = None

async def make_tables(engine) -> None:
    await create_application_tables(engine, Base.metadata)

print("said by the app")
app = PlanarApp(on_startup=make_tables).register_entity(Fruit)
"""
Planar = Callable[..., Awaitable[Result]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory, with an app; what it changes in the process is put back."""
    monkeypatch.chdir(tmp_path)
    for name in ("PLANAR_CONFIG", "PLANAR_ENV", "PLANAR_ENTRY_POINT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / f"{MODULE}.py").write_text(APP)
    yield tmp_path
    sys.modules.pop(MODULE, None)


@pytest.fixture
async def planar(databases: Databases, folder: Path) -> Planar:
    """Runs a command below ``planar entities``, in this process and in a thread: it has a loop of its own."""
    settings = folder / "settings.yaml"
    settings.write_text(yaml.safe_dump({"db_connections": {"app": await databases.url()}, "app": {"db_connection": "app"}}))

    async def run(*arguments: str, sent: bytes | None = None) -> Result:
        sys.modules.pop(MODULE, None)
        typed = ["entities", *arguments, "--path", f"{MODULE}.py", "--config", str(settings)]
        return await asyncio.to_thread(CliRunner().invoke, commands, typed, input=sent)

    return run


async def test_rows_come_in_and_go_out_by_commands(planar: Planar, folder: Path) -> None:
    (folder / "fruits.csv").write_text("code,title\na,Apple\nb,\n")
    trial = await planar("import", "Fruit", "fruits.csv", "--dry-run")
    assert (trial.exit_code, trial.stdout) == (0, "2 lines: 2 created, 0 updated. Nothing was written: this was a trial.\n"), trial.output
    done = await planar("import", "Fruit", "fruits.csv")
    assert (done.exit_code, done.stdout) == (0, "2 lines: 2 created, 0 updated.\n")
    piped = await planar("import", "Fruit", "-", "--mode", "upsert", "--match", "code", "--json", sent=b"code,title\nb,Pear\nc,Cherry\n")
    told = json.loads(piped.stdout)
    assert (piped.exit_code, told["created"], told["updated"]) == (0, 1, 1)

    out = await planar("export", "Fruit", "--fields", "code,title", "--sort=-code", "--filter", "code:gt:a")
    # Nothing that the app prints, and no bar, is in the file.
    assert (out.exit_code, out.stdout_bytes) == (0, b"code,title\r\nc,Cherry\r\nb,Pear\r\n")
    assert (await planar("export", "Fruit", "copy.jsonl", "--fields", "code", "--sort", "code")).exit_code == 0
    assert (folder / "copy.jsonl").read_text().splitlines() == ['{"code":"a"}', '{"code":"b"}', '{"code":"c"}']
    assert not list(folder.glob(".*.part"))


async def test_lines_that_do_not_fit_end_the_command_with_3(planar: Planar, folder: Path) -> None:
    (folder / "fruits.jsonl").write_text('{"code": "a"}\n{"title": "x"}\n')
    refused = await planar("import", "Fruit", "fruits.jsonl")
    assert refused.exit_code == entity_commands.REFUSED
    assert refused.stdout.splitlines() == ["line 2, code: Field required", "2 lines, 1 errors. Nothing was written."]
    counted = await planar("list", "--json")
    assert json.loads(counted.stdout) == {"Fruit": 0}


async def test_what_cannot_be_done_is_one_message(planar: Planar, folder: Path) -> None:
    (folder / "fruits.csv").write_text("code\na\n")
    for arguments, words in (
        (("import", "Fruit", "nothing.csv"), "nothing.csv cannot be read"),
        (("import", "Fish", "fruits.csv"), "Fish"),
        (("import", "Fruit", "fruits.csv", "--match", "colour"), "colour"),
        (("export", "Fruit", "nowhere/copy.csv"), "cannot be written"),
        (("export", "Fruit", "--sort", "colour"), "colour"),
    ):
        answer = await planar(*arguments)
        assert answer.exit_code == 1, (arguments, answer.output)
        assert "Error: " in answer.stderr
        assert words in answer.stderr
        assert "Traceback" not in answer.output
    assert not [path for path in folder.iterdir() if "copy" in path.name]


async def test_the_commands_tell_how_far_they_are(planar: Planar, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    class Imported(entity_commands.ImportProgress):
        def show(self, report: ImportReport) -> None:
            super().show(report)
            (task,) = self.bar.tasks
            seen.append((task.description, task.completed, task.total))

    class Exported(entity_commands.ExportProgress):
        def show(self, count: int) -> None:
            super().show(count)
            seen.append(self.bar.tasks[0].completed)

    monkeypatch.setattr(entity_commands, "ImportProgress", Imported)
    monkeypatch.setattr(entity_commands, "ExportProgress", Exported)
    content = "code\n" + "".join(f"{number:04}\n" for number in range(600))
    (folder / "fruits.csv").write_text(content)
    size = os.path.getsize("fruits.csv")
    assert (await planar("import", "Fruit", "fruits.csv")).exit_code == 0
    assert [description for description, _, _ in seen] == ["reading"] * 2 + ["writing"] * 2
    assert [seen[1][1:], seen[2][1:], seen[3][1:]] == [(size, size), (size * 500 // 600, size), (size, size)]
    seen.clear()
    assert (await planar("export", "Fruit", "copy.csv")).exit_code == 0
    assert seen[-1] == 600
