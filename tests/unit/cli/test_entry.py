from __future__ import annotations

import sys
from pathlib import Path

import pytest

from planar.cli.entry import Entry, describe_failure, entry_of, load_app
from planar.cli.errors import CommandFailed
from planar.config import load_config

APP = "async def app(scope, receive, send): ...\n"


def write(home: Path, name: str, text: str = APP) -> Path:
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("path", "root", "module"),
    [
        ("/srv/shop/main.py", "/srv/shop", "main"),
        ("/srv/shop/app/main.py", "/srv/shop", "app.main"),
        ("/srv/shop/my-app/main.py", "/srv/shop/my-app", "main"),
        ("/srv/shop/v1.2/main.py", "/srv/shop/v1.2", "main"),
        ("/elsewhere/main.py", "/elsewhere", "main"),
        ("/work2/main.py", "/work2", "main"),
    ],
)
def test_a_file_is_named_from_the_current_folder_if_python_can_say_the_name(path: str, root: str, module: str) -> None:
    assert entry_of(Path(path), Path("/srv/shop")) == Entry(Path(path), Path(root), module)


def test_the_current_folder_is_first_and_the_files_own_is_last_in_the_search(home: Path) -> None:
    path = write(home, "pack/entry_a.py", f"import beside_a, above_a, pack.beside_a\n{APP}")
    write(home, "pack/beside_a.py")
    write(home, "above_a.py")
    # Would break half of the standard library if it came first.
    write(home, "pack/types.py", "raise RuntimeError")
    app = load_app(entry_of(path, home), "app")
    assert app.__module__ == "pack.entry_a"
    assert sys.path[0] == str(home)
    assert sys.path[-1] == str(home / "pack")


def test_an_installed_package_of_the_same_name_does_not_hide_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, "site/samename/__init__.py", "")
    monkeypatch.syspath_prepend(str(home / "site"))
    work = home / "work"
    path = write(work, "samename/entry_b.py")
    app = load_app(entry_of(path, work), "app")
    assert app.__code__.co_filename == str(path)


def test_a_file_may_be_loaded_relative_to_its_package(home: Path) -> None:
    write(home, "pack_c/__init__.py", "")
    write(home, "pack_c/flows.py", "TEXT = 1")
    path = write(home, "pack_c/entry_c.py", f"from .flows import TEXT\n{APP}")
    assert callable(load_app(entry_of(path, home), "app"))


@pytest.mark.parametrize(
    ("text", "variable", "message"),
    [
        (APP, "other", "has no variable 'other' that holds an app."),
        ("app = None", "app", "has no variable 'app' that holds an app."),
        ("class FastAPI:\n  pass\nservice = FastAPI()", "app", r"It has: service; name one with --app\."),
        ("app = 7", "app", r"'app' in .* is of type int, not an ASGI application\."),
        ("class app: pass", "app", r"is of type type, not an ASGI application\."),
    ],
)
def test_a_variable_that_holds_no_app_is_told(text: str, variable: str, message: str, home: Path) -> None:
    path = write(home, "entry_d.py", text)
    with pytest.raises(CommandFailed, match=message):
        load_app(entry_of(path, home), variable)


@pytest.mark.parametrize("text", ["import absent_d", "from pack_e import absent", "raise KeyError('x')"])
def test_an_error_of_the_file_shows_its_own_frames_only(text: str, home: Path) -> None:
    write(home, "pack_e/__init__.py", "")
    path = write(home, "pack_e/entry_e.py", text)
    with pytest.raises((ImportError, KeyError)) as caught:
        load_app(entry_of(path, home), "app")
    told = describe_failure(caught.value)
    assert [line for line in told.splitlines() if line.startswith("  File ")] == [f'  File "{path}", line 1, in <module>']


def test_an_error_in_the_package_above_is_the_users_too(home: Path) -> None:
    above = write(home, "pack_f/__init__.py", "import absent_f")
    path = write(home, "pack_f/entry_f.py")
    with pytest.raises(ModuleNotFoundError, match="absent_f") as caught:
        load_app(entry_of(path, home), "app")
    assert f'File "{above}", line 1' in describe_failure(caught.value)


def test_settings_that_cannot_be_used_are_told_by_their_message(home: Path) -> None:
    with pytest.raises(ValueError, match="parsing") as caught:
        load_config("a: [")
    assert describe_failure(caught.value) == f"Error: {caught.value}\n"
