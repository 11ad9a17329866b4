"""The collection of orphans: what it takes, what it spares, and that a late record never loses its bytes."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from typer.testing import CliRunner

from planar.cli import app as commands
from planar.files import PlanarFile
from planar.files.errors import FileNotKnown
from planar.session import get_session
from tests.databases import Databases
from tests.integration.files.conftest import OpenFiles, in_script

pytestmark = pytest.mark.anyio


async def test_what_is_new_is_left_alone(open_files: OpenFiles) -> None:
    async with open_files() as api:
        await api.store()
        await api.storage.put_bytes(b"orphan")
        report = await api.collect(older_than=timedelta(hours=1))
        assert (report.kept, report.orphans) == (0, 0)
        assert len(await api.refs()) == 2
        report = await api.collect()
        assert (report.kept, report.orphans, report.orphan_bytes) == (1, 1, 6)
        assert await api.refs() == await api.recorded()


async def test_a_record_that_comes_after_the_collection_is_refused_and_one_before_keeps_its_bytes(open_files: OpenFiles) -> None:
    async with open_files() as api:

        async def late() -> None:
            file = await PlanarFile.upload(b"late", "late.txt")
            assert (await api.collect()).orphans == 1
            with pytest.raises(FileNotKnown, match="before they were recorded"):
                await get_session().commit()
            await get_session().rollback()
            assert file.size == 4

        async def flushed() -> None:
            await PlanarFile.upload(b"kept", "kept.txt")
            await get_session().commit()
            assert (await api.collect()).orphans == 0

        await in_script(api.app, late)
        await in_script(api.app, flushed)
        assert len(await api.refs()) == 1
        assert await api.refs() == await api.recorded()


async def test_shared_bytes_go_with_their_last_record(open_files: OpenFiles) -> None:
    async with open_files(deduplicate=True) as api:
        first, second = await api.store("a"), await api.store("b")
        await api.databases.ask(f"delete from {{planar}}planar_file_metadata where id = '{_key(api.databases, first['id'])}'")
        report = await api.collect()
        assert (report.unused, report.kept) == (0, 1)
        await api.databases.ask(f"delete from {{planar}}planar_file_metadata where id = '{_key(api.databases, second['id'])}'")
        assert (await api.collect(dry_run=True)).unused == 1
        assert (await api.collect()).unused == 1
        assert await api.refs() == set()


def _key(databases: Databases, file_id: str) -> str:
    return UUID(file_id).hex if databases.is_sqlite else file_id


@pytest.fixture
async def settings(databases: Databases, tmp_path: Path) -> Path:
    """A settings file for the test's database and directory."""
    url = await databases.url()
    path = tmp_path / "planar.yaml"
    content: dict[str, Any] = {
        "db_connections": {"app": url},
        "app": {"db_connection": "app"},
        "storage": {"backend": "localdir", "directory": str(tmp_path / "files")},
    }
    path.write_text(yaml.safe_dump(content))
    return path


def planar(*arguments: str) -> tuple[int, str]:
    answer = CliRunner().invoke(commands, [*arguments])
    return answer.exit_code, answer.output


async def test_the_commands_list_and_collect(open_files: OpenFiles, settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PLANAR_CONFIG", "PLANAR_ENV", "PLANAR_ENTRY_POINT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    async with open_files() as api:
        stored = await api.store("listed.txt")
        await api.storage.put_bytes(b"orphan")
    run = _in_thread

    code, output = await run("files", "list", "--config", str(settings))
    assert (code, output.splitlines()[-1]) == (0, "1 of 1 files.")
    assert stored["id"] in output
    code, output = await run("files", "list", "--json", "--config", str(settings))
    assert json.loads(output)["items"][0]["filename"] == "listed.txt"
    assert "storage_ref" not in output

    code, output = await run("files", "gc", "--dry-run", "--older-than", "0s", "--config", str(settings), "--json")
    assert (code, json.loads(output)["orphans"], json.loads(output)["kept"]) == (0, 1, 1)
    code, output = await run("files", "gc", "--older-than", "0s", "--config", str(settings))
    assert code == 0
    assert "1 stored files without a record, 6 bytes" in output
    assert len([path for path in (settings.parent / "files").rglob("*") if path.is_file() and path.stat().st_size == 6]) == 0
    for wrong in ("soon", "1 week", "-1h", ""):
        code, output = await run("files", "gc", "--older-than", wrong, "--config", str(settings))
        assert code == 1
        assert "90s, 30m, 1h, 7d" in output


async def test_a_collection_against_another_database_is_stopped(
    open_files: OpenFiles, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PLANAR_CONFIG", "PLANAR_ENV", "PLANAR_ENTRY_POINT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    async with open_files() as api:
        await api.storage.put_bytes(b"of another app")
        code, output = await _in_thread("files", "gc", "--older-than", "0s", "--config", str(settings))
        assert code == 1
        assert "--yes" in output
        assert len(await api.refs()) == 1
        code, _ = await _in_thread("files", "gc", "--older-than", "0s", "--config", str(settings), "--yes")
        assert code == 0
        assert await api.refs() == set()


async def _in_thread(*arguments: str) -> tuple[int, str]:
    """The commands have a loop of their own."""
    return await asyncio.to_thread(planar, *arguments)
