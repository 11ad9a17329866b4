from __future__ import annotations

import os
from pathlib import Path

import pytest

from planar.cli.errors import CommandFailed
from planar.cli.options import ENTRY_NAMES, ServeOptions, apply_serving, find_entry_file
from planar.config import environment
from planar.config.environment import entry_option


def options(**changes: object) -> ServeOptions:
    given: dict[str, object] = {
        "environment": "dev", "path": None, "host": "h", "port": 1, "config": None, "variable": "app", "script": False, **changes
    }  # fmt: skip
    return ServeOptions(**given)  # type: ignore[arg-type]  (tests only)


def test_app_py_comes_before_main_py(home: Path) -> None:
    with pytest.raises(CommandFailed, match=r"Could not find app.py or main.py"):
        find_entry_file(None, home)
    for name in ("main.py", "app.py"):
        (home / name).write_text("")
        assert find_entry_file(None, home) == home / name


def test_the_file_is_named_to_a_command_that_would_not_find_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    assert environment.ENTRY_NAMES == ENTRY_NAMES
    assert entry_option() == ""
    (home / "sub dir").mkdir()
    for name in ("main.py", "sub dir/service.py"):
        (home / name).write_text("")
    assert entry_option(home / "main.py") == ""
    assert entry_option(home / "sub dir" / "service.py") == " --path 'sub dir/service.py'"
    monkeypatch.chdir(home / "sub dir")
    assert entry_option(home / "main.py") == f" --path {home / 'main.py'}"
    monkeypatch.setenv("PLANAR_ENTRY_POINT", "service.py")
    assert entry_option() == " --path service.py"
    (home / "sub dir" / "app.py").write_text("")
    assert entry_option(home / "sub dir" / "app.py") == ""


def test_a_path_may_be_relative_or_absolute(home: Path) -> None:
    (home / "sub").mkdir()
    file = home / "sub" / "x.py"
    file.write_text("")
    assert find_entry_file(Path("sub/../sub/x.py"), home) == file
    assert find_entry_file(file, home) == file


def test_the_process_learns_environment_entry_point_and_settings_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANAR_ENV", "prod")
    (home / "main.py").write_text("")
    (home / "c.yaml").write_text("")
    assert apply_serving(options(config=Path("c.yaml"))) == home / "main.py"
    assert os.environ["PLANAR_ENV"] == "dev"
    assert os.environ["PLANAR_ENTRY_POINT"] == str(home / "main.py")
    assert os.environ["PLANAR_CONFIG"] == str(home / "c.yaml")


def test_without_an_option_the_settings_file_of_the_process_stays(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANAR_CONFIG", "theirs.yaml")
    (home / "main.py").write_text("")
    apply_serving(options())
    assert os.environ["PLANAR_CONFIG"] == "theirs.yaml"
