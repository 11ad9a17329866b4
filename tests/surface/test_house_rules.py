"""The rules of the house that import-linter cannot see, each read from the syntax tree of the package."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "planar"
SOURCES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
ALONE = "rules/sandbox/child.py"
"""The program of a process of its own, which nothing imports."""
WITH_ALEMBIC = ("db/migrations/", "db/app_migrations/with_alembic/")
"""Scripts for Alembic, and what is itself loaded lazily."""

# Modules whose work is to import late: the lazy loader, and the front door that resolves its names on first access.
LATE_IMPORTERS = {"lazy.py", "__init__.py"}

HEAVY = (
    "alembic",
    "zen",
    "cedarpy",
    "obstore",
    "boto3",
    "opentelemetry.sdk",
    "openai",
    "anthropic",
    "google.genai",
    "pydantic_ai",
    "planar.db.app_migrations.with_alembic",
)

CLOCKS = {
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"},
}

CONTEXT_VARIABLES = {
    "context.py": 2,  # the services of the app, and who acts
    "db/session.py": 1,
    "engine/current.py": 1,
    "logging/context.py": 1,
}


def tree(name: str) -> ast.Module:
    return ast.parse((PACKAGE / name).read_text(), name)


def imports_of(node: ast.AST) -> list[str]:
    """The dotted names that an import statement asks for; nothing for any other node."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def is_import(node: ast.AST) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def without_type_checking(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that exists at run time."""
    for child in ast.iter_child_nodes(node):
        if not is_for_type_checkers(child):
            yield child
            yield from without_type_checking(child)


def within(name: str, families: tuple[str, ...]) -> bool:
    return any(name == family or name.startswith(f"{family}.") for family in families)


def late_imports(module: ast.Module) -> Iterator[ast.AST]:
    """Imports inside a function or a class, and imports below the first function or class."""
    below = False
    for statement in module.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            below = True
            yield from (node for node in ast.walk(statement) if is_import(node))
        elif below:
            yield from (node for node in ast.walk(statement) if is_import(node))


def called(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each call."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


def heavy_names(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Heavy libraries that are imported, by statement or by name."""
    for node in without_type_checking(module):
        for name in imports_of(node):
            if within(name, HEAVY):
                yield node.lineno, name
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__", "load", "lazy")):
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and within(argument.value, HEAVY):
                    yield node.lineno, argument.value


def clock_readings(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Where the operating system is asked for the time."""
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value).rsplit(".", 1)[-1]
            if node.attr in CLOCKS.get(owner, set()):
                yield node.lineno, f"{owner}.{node.attr}"
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from ((node.lineno, f"time.{alias.name}") for alias in node.names if alias.name in CLOCKS["time"])


def front_doors(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Imports of `planar` itself or of `planar.session`, which are for users."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, a.name) for a in node.names if a.name in {"planar", "planar.session"})
        if isinstance(node, ast.ImportFrom) and node.module == "planar.session":
            yield node.lineno, node.module
        if isinstance(node, ast.ImportFrom) and node.module == "planar":
            for alias in node.names:
                is_submodule = (PACKAGE / alias.name).is_dir() or (PACKAGE / f"{alias.name}.py").is_file()
                if not is_submodule or alias.name == "session":
                    yield node.lineno, f"planar.{alias.name}"


def context_variables(module: ast.Module) -> int:
    return sum(name.removeprefix("contextvars.").split("[")[0] == "ContextVar" for _, name in called(module))


def found_in_package(rule: Callable[[ast.Module], Iterator[tuple[int, str]]], allowed: Callable[[str], bool]) -> list[str]:
    return [f"{name}:{line} {what}" for name in SOURCES if not allowed(name) for line, what in rule(tree(name))]


def test_imports_stand_at_the_top_of_the_file() -> None:
    found = [f"{name}:{node.lineno}" for name in SOURCES if name not in LATE_IMPORTERS for node in late_imports(tree(name))]
    assert not found, "move these imports to the top of their file, or load a heavy library through planar/lazy.py"


def test_heavy_libraries_are_named_only_where_they_load_lazily() -> None:
    found = found_in_package(heavy_names, lambda name: name in ("lazy.py", ALONE) or name.startswith(WITH_ALEMBIC))
    assert not found, "give the library an entry in planar/lazy.py and use it from there"


def test_nothing_inside_walks_through_the_front_doors() -> None:
    assert not found_in_package(front_doors, lambda name: name == "__init__.py"), "import the module where the name lives"


def test_only_the_clock_asks_the_operating_system_for_the_time() -> None:
    assert not found_in_package(clock_readings, lambda name: name == "clock.py"), "take a Clock, or use planar.clock.utc_now"


def test_there_are_five_context_variables_each_in_its_own_module() -> None:
    counted = {name: count for name in SOURCES if (count := context_variables(tree(name)))}
    assert counted == CONTEXT_VARIABLES
    assert sum(counted.values()) == 5


def test_migrations_import_nothing_of_ours() -> None:
    scripts = [name for name in SOURCES if name.startswith("db/migrations/versions/")]
    found = [
        f"{name}: {imported}"
        for name in scripts
        for node in ast.walk(tree(name))
        for imported in imports_of(node)
        if within(imported, ("planar",))
    ]
    assert scripts
    assert not found


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (heavy_names, "import alembic.command"),
        (heavy_names, "from opentelemetry.sdk import trace"),
        (heavy_names, "import importlib\nimportlib.import_module('cedarpy')"),
        (clock_readings, "import datetime\nx = datetime.datetime.now()"),
        (clock_readings, "from time import monotonic"),
        (clock_readings, "import time\nread = time.perf_counter"),
        (front_doors, "import planar"),
        (front_doors, "from planar import PlanarApp"),
        (front_doors, "from planar.session import get_session"),
    ],
)
def test_a_rule_catches_the_violation_that_it_forbids(rule: Callable[[ast.Module], Iterator[tuple[int, str]]], source: str) -> None:
    assert list(rule(ast.parse(source)))


@pytest.mark.parametrize("source", ["def f():\n    import json", "def f(): ...\nimport json", "class C:\n    from json import dumps"])
def test_a_late_import_is_found(source: str) -> None:
    assert list(late_imports(ast.parse(source)))


def test_what_only_type_checkers_read_is_allowed() -> None:
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import alembic\n"
    assert not list(heavy_names(ast.parse(source)))
