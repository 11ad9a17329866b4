"""Which stores the tests run on is decided from three variables, and whatever is left out has a reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import postgres_server
from tests.stores import Choice, SenselessChoice, left_out, url_given

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("environment", [{}, {"PLANAR_TEST_SQLITE": "1", "PLANAR_TEST_POSTGRESQL": "1"}, {"PLANAR_TEST_STORES": ""}])
def test_with_nothing_told_every_store_is_tested(environment: dict[str, str]) -> None:
    assert left_out(environment) == {}
    assert Choice.of(environment).described(lambda: "here") == ["stores: memory, SQLite, PostgreSQL", "PostgreSQL: here"]


@pytest.mark.parametrize(
    ("environment", "absent"),
    [
        ({"PLANAR_TEST_STORES": "memory, sqlite"}, {"postgresql": "PLANAR_TEST_STORES is memory, sqlite"}),
        ({"PLANAR_TEST_SQLITE": "0"}, {"sqlite": "PLANAR_TEST_SQLITE is 0"}),
        ({"PLANAR_TEST_POSTGRESQL": "off"}, {"postgresql": "PLANAR_TEST_POSTGRESQL is off"}),
        (
            {"PLANAR_TEST_STORES": "sqlite", "PLANAR_TEST_POSTGRESQL": "postgresql://me@host/db"},
            {"memory": "PLANAR_TEST_STORES is sqlite", "postgresql": "PLANAR_TEST_STORES is sqlite"},
        ),
    ],
)
def test_a_store_is_left_out_for_a_reason(environment: dict[str, str], absent: dict[str, str]) -> None:
    assert left_out(environment) == absent
    choice = Choice.of(environment)
    for store, reason in absent.items():
        assert choice.reason_against([store], independent=False) == f"{_title(store)}: left out because {reason}"
        assert f"{_title(store)}: left out because {reason}" in choice.described(lambda: "here")


def _title(store: str) -> str:
    return {"memory": "memory", "sqlite": "SQLite", "postgresql": "PostgreSQL"}[store]


@pytest.mark.parametrize(
    "environment", [{"PLANAR_TEST_STORES": "mysql"}, {"PLANAR_TEST_SQLITE": "app.db"}, {"PLANAR_TEST_POSTGRESQL": "localhost"}]
)
def test_a_value_that_means_nothing_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(SenselessChoice, match=next(iter(environment))):
        left_out(environment)


def test_a_url_names_the_server_and_a_switch_does_not() -> None:
    assert url_given({"PLANAR_TEST_POSTGRESQL": "postgresql://me@host/db"}) == "postgresql://me@host/db"
    assert url_given({"PLANAR_TEST_POSTGRESQL": "1"}) is None
    assert url_given({}) is None


def test_the_gate_leaves_out_on_postgresql_only_what_no_store_can_change() -> None:
    short, whole = Choice.of({"PLANAR_SHORT": "1"}), Choice.of({})
    assert "PLANAR_SHORT is set" in str(short.reason_against(["postgresql"], independent=True))
    for choice, store, independent in [(short, "sqlite", True), (short, "postgresql", False), (whole, "postgresql", True)]:
        assert choice.reason_against([store], independent) is None


def test_a_run_that_leaves_a_store_out_says_so_at_its_beginning_and_at_its_end() -> None:
    done = _collect(PLANAR_TEST_POSTGRESQL="0")
    assert done.returncode == 0, done.stdout
    head, end = done.stdout.split("what did not run")
    assert "PostgreSQL: left out because PLANAR_TEST_POSTGRESQL is 0" in head
    assert "tests. PostgreSQL: left out because PLANAR_TEST_POSTGRESQL is 0" in end
    assert "[sqlite]" in head
    assert "[postgresql]" not in head


def test_a_run_that_leaves_nothing_out_says_so() -> None:
    done = _collect()
    assert done.returncode == 0, done.stdout
    assert "what did not run: nothing" in done.stdout


def _collect(**environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PLANAR_")}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider", "tests/contract/test_store_clock.py"]
    command.remove("-qq")
    return subprocess.run(command, cwd=ROOT, env=kept | environment, capture_output=True, text=True, check=False)


def test_without_a_server_a_run_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLANAR_TEST_POSTGRESQL", raising=False)
    monkeypatch.setattr(postgres_server, "find_spec", lambda name: None)
    monkeypatch.setattr(postgres_server.shutil, "which", lambda name: None)
    monkeypatch.setattr(postgres_server.Path, "exists", lambda path: False)
    with pytest.raises(postgres_server.NoServer, match="PLANAR_TEST_POSTGRESQL; or set it to 0"):
        postgres_server.origin()
