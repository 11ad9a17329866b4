"""Does the wheel hold the package, the whole package, and nothing but the package?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "planar"


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_holds_the_package_and_its_metadata_only(contents: list[str]) -> None:
    tops = {name.split("/")[0] for name in contents}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"planar"}


def test_the_wheel_holds_no_tests_and_no_leftovers(contents: list[str]) -> None:
    names = [Path(name) for name in contents]
    assert not [name for name in names if "tests" in name.parts or name.name.startswith("test_") or name.name == "conftest.py"]
    assert not [name for name in names if name.suffix in {".pyc", ".orig", ".rej", ".bak", ".db"} or name.name.endswith("~")]


def test_the_wheel_tells_type_checkers_that_it_is_typed(contents: list[str]) -> None:
    assert "planar/py.typed" in contents


def test_the_wheel_holds_every_file_of_the_package(contents: list[str]) -> None:
    kept = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.relative_to(ROOT / "src").as_posix() for path in kept} <= set(contents)


def test_the_wheel_holds_the_migrations(contents: list[str]) -> None:
    assert [name for name in contents if name.startswith("planar/db/migrations/versions/") and name.endswith(".py")]


def test_the_wheel_installs_the_planar_command(contents: list[str]) -> None:
    assert [name for name in contents if name.endswith(".dist-info/entry_points.txt")]
