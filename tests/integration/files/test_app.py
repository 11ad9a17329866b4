"""Where an app's files are: from its settings, open while it runs, and its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from planar import PlanarApp, sqlite_config
from planar.config import LocalDirectoryConfig
from planar.files import get_storage
from planar.files.config import FilesConfig
from planar.files.storage.local_directory import LocalDirectoryStorage
from planar.files.storage.memory import MemoryStorage
from planar.testing import planar_test_client
from tests.integration.files.conftest import OpenFiles

pytestmark = [pytest.mark.anyio, pytest.mark.store_independent]


def app_in(folder: Path) -> PlanarApp:
    config = sqlite_config(":memory:")
    return PlanarApp(config=config.model_copy(update={"storage": LocalDirectoryConfig(directory=str(folder)), "files": FilesConfig()}))


async def test_the_storage_is_built_from_the_settings_and_open_while_the_app_runs(tmp_path: Path) -> None:
    app = app_in(tmp_path / "files")
    assert app.storage is None
    for _ in range(2):  # an app may be started again
        async with planar_test_client(app) as client:
            assert isinstance(app.storage, LocalDirectoryStorage)
            assert get_storage() is app.storage
            answer = await client.post("/planar/v1/file/upload", files=[("files", ("a.txt", b"x"))])
            assert answer.status_code == 200
        assert app.storage is None
    assert len([path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size == 1]) == 2


async def test_an_app_that_stores_nothing_makes_no_directory(tmp_path: Path) -> None:
    async with planar_test_client(app_in(tmp_path / "files")) as client:
        assert (await client.get("/planar/v1/file/")).json()["total"] == 0
    assert not (tmp_path / "files").exists()


async def test_two_apps_have_storages_of_their_own(open_files: OpenFiles, tmp_path: Path) -> None:
    async with open_files(storage=MemoryStorage()) as first, planar_test_client(app_in(tmp_path / "other")) as second:
        stored = await first.store()
        assert (await second.get(f"/planar/v1/file/{stored['id']}/content")).status_code == 404
        await second.post("/planar/v1/file/upload", files=[("files", ("a.txt", b"x"))])
        assert len(await first.refs()) == 1
