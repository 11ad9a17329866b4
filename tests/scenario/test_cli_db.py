"""`planar db` by the real command: from an app without migrations to a changed table in production."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.scenario.cli_process import get, planar
from tests.scenario.warm_planar import run_planar

APP = """
from planar import PlanarApp
from planar.modeling.orm import Field, PlanarBaseEntity

print("something of the app's own")


class Thing(PlanarBaseEntity, table=True):
    name: str
    {more}


app = PlanarApp()
"""

SETTINGS = """
app:
  db_connection: app
db_connections:
  app:
    driver: sqlite
    path: app.db
"""


class Shop:
    """A folder with an app, and a terminal in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "planar.yaml").write_text(SETTINGS)
        self.save("")

    def save(self, more: str) -> None:
        (self.folder / "main.py").write_text(APP.format(more=more))

    def run(self, *arguments: str, code: int = 0) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PLANAR_")}
        done = run_planar(list(arguments), self.folder, environment)
        assert done.returncode == code, done.stdout + done.stderr
        assert "planar/cli" not in done.stderr, done.stderr
        return done.stdout + (done.stderr if code else "")

    def compared(self, code: int = 0) -> Any:
        """What `check` says to machines."""
        text = self.run("db", "check", "--json", code=code)
        return json.JSONDecoder().raw_decode(text)[0]

    def columns(self) -> list[str]:
        with closing(sqlite3.connect(self.folder / "app.db")) as file:
            return [row[1] for row in file.execute("PRAGMA table_info(thing)")]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def refused(shop: Shop) -> str:
    with planar("prod", "--port", "0", folder=shop.folder) as command:
        assert command.exit_code() == 1
        return command.output


def served(shop: Shop, environment: str) -> str:
    with planar(environment, "--port", "0", folder=shop.folder) as command:
        get(command.address() + "/planar/v1/health")
        return command.output


def test_a_table_changes_from_its_class_to_production(shop: Shop) -> None:
    assert "Made " in shop.run("db", "init")
    assert "Wrote " in shop.run("db", "revision", "-m", "first table")
    assert "planar db upgrade --env prod" in refused(shop)
    assert shop.run("db", "upgrade").startswith("Applied ")
    shop.save('size: int = Field(default=0, sa_column_kwargs={"server_default": "0"})')
    assert "Table thing has no column size (INTEGER). No revision says so. Run: planar db revision" in refused(shop)
    assert "planar db revision" in served(shop, "dev")
    found = shop.compared(code=1)
    assert [each["code"] for each in found["findings"]] == ["table_differs"]
    assert "Wrote " in shop.run("db", "revision", "-m", "size")
    assert shop.run("db", "upgrade").startswith("Applied ")
    assert shop.columns()[-1] == "size"
    assert shop.compared() == {"ok": True, "findings": []}
    served(shop, "prod")
    history = shop.run("db", "history").splitlines()
    assert [line.split()[0] for line in history] == ["applied", "applied"]
    first = history[-1].split()[1]
    assert "Give --yes" in shop.run("db", "downgrade", first, code=1)
    assert "size" in shop.columns()
    assert "Undone" in shop.run("db", "downgrade", first, "--yes")
    assert "size" not in shop.columns()
    assert "ALTER TABLE thing ADD COLUMN size INTEGER" in shop.run("db", "sql", f"{first}:head", "--dialect", "postgresql")
    assert "something of the app's own" not in shop.run("db", "sql")


def test_an_app_that_is_served_already_adopts_its_tables(shop: Shop) -> None:
    assert "planar db init" in refused(shop)
    served(shop, "dev")
    assert "planar db init" in served(shop, "prod")
    shop.run("db", "init")
    shop.run("db", "revision", "-m", "first table")
    assert "planar db upgrade --adopt --env prod" in refused(shop)
    shop.run("db", "upgrade", "--adopt")
    assert "planar db" not in served(shop, "prod")
    assert shop.compared()["ok"]


def test_what_cannot_be_compared_has_an_exit_code_of_its_own(shop: Shop) -> None:
    shop.run("db", "init")
    assert shop.compared(code=3)["error"]["code"] == "database_unavailable"
    (shop.folder / "main.py").write_text("import nothing_of_this_name")
    assert "nothing_of_this_name" in shop.run("db", "upgrade", code=1)
    (shop.folder / "migrations" / "broken.py").write_text("revision =")
    shop.save("")
    assert shop.compared(code=3)["error"]["code"] == "history_broken"


def test_the_folder_is_the_one_that_the_settings_name(shop: Shop) -> None:
    (shop.folder / "planar.yaml").write_text(SETTINGS.replace("app:\n  db", "app:\n  migrations: elsewhere/revisions\n  db", 1))
    shop.run("db", "init")
    shop.run("db", "revision", "-m", "first table")
    assert len(list((shop.folder / "elsewhere" / "revisions").glob("*_first_table.py"))) == 1
    assert "planar db upgrade --env prod" in refused(shop)
