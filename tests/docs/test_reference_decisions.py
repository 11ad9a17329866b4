"""The pages of tasks for people and of versions say what the code says: nothing is missing, and nothing is made up."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from planar import PlanarApp, sqlite_config
from planar.errors import PlanarError
from planar.human import Human, HumanTaskStatus
from planar.human import errors as human_errors
from planar.human.announcing import HumanTaskNews
from planar.human.lifecycle import LEGAL, Change
from planar.human.schemas import ActivityInfo
from planar.object_config import ConfigurableType, ObjectConfigurationBase, ObjectConfigurationIO
from planar.object_config import errors as config_errors
from planar.object_config.diagnostics import DiffErrorCode
from planar.object_config.lifecycle import ConfigState, checked, is_deletable, promoted, replaced
from planar.object_config.models import ConfigDiagnosticIssue
from planar.security.actions import Action
from tests.docs.pages import ROOT
from tests.docs.tables import code_in, rows_of
from tests.docs.test_reference import words_in_code

TASKS, VERSIONS = (ROOT / "docs" / "reference" / f"{name}.md" for name in ("human-tasks", "versions"))


def first_cells(page: Path, *headings: str) -> list[str]:
    return [code_in(row[0]) for row in rows_of(page, *headings)]


def written(cell: str) -> str | None:
    return code_in(cell) if cell else None


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    paths = PlanarApp(config=sqlite_config(":memory:")).fastapi.openapi()["paths"]
    return {(method.upper(), path): operation for path, found in paths.items() for method, operation in found.items()}


@pytest.mark.parametrize(("page", "prefix"), [(TASKS, "/planar/v1/human-tasks"), (VERSIONS, "/planar/v1/object-configurations")])
def test_the_page_lists_every_route_with_its_action(page: Path, prefix: str) -> None:
    served = {
        (f"{method} {path.removeprefix(prefix)}", operation["x-planar-action"].partition("::")[2])
        for (method, path), operation in operations().items()
        if path.startswith(prefix)
    }
    assert {(code_in(row[0]), code_in(row[1])) for row in rows_of(page, "Route")} == served


@pytest.mark.parametrize(("page", "module"), [(TASKS, human_errors), (VERSIONS, config_errors)])
def test_the_page_lists_every_error_with_its_status(page: Path, module: ModuleType) -> None:
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, PlanarError)]
    raised = {(kind.__name__, kind.status) for kind in kinds if kind.__module__ == module.__name__ and not kind.__subclasses__()}
    raised |= {(kind.__name__, kind.status) for kind in kinds if kind is config_errors.NotJudgedNow}
    assert {(code_in(row[0]), int(row[1])) for row in rows_of(page, "Error", "Status")} == raised


def test_the_page_lists_the_options_of_human_with_their_defaults() -> None:
    documented = {code_in(row[0]): row[1].strip("`") for row in rows_of(TASKS, "Option", "Default")}
    parameters = {name: each for name, each in inspect.signature(Human.__init__).parameters.items() if name != "self"}
    assert list(documented) == list(parameters)
    assert documented == {
        name: "required" if each.default is inspect.Parameter.empty else repr(each.default) for name, each in parameters.items()
    }
    assert set(inspect.signature(Human.__call__).parameters) - {"self"} <= words_in_code(TASKS)


def test_the_page_lists_every_state_of_a_task_and_every_legal_change() -> None:
    assert first_cells(TASKS, "Status", "Meaning") == list(HumanTaskStatus)
    rows = rows_of(TASKS, "Change")
    assert [code_in(row[0]) for row in rows] == list(Change)
    documented = {
        (before, code_in(row[0])): written(cell)
        for row in rows
        for before, cell in zip((HumanTaskStatus.PENDING, HumanTaskStatus.CLAIMED, HumanTaskStatus.COMPLETED), row[1:4], strict=True)
        if cell
    }
    assert documented == dict(LEGAL)


def test_the_page_lists_what_a_list_of_tasks_takes() -> None:
    parameters = operations()["GET", "/planar/v1/human-tasks/"]["parameters"]
    assert first_cells(TASKS, "Query of `GET /`") == [each["name"] for each in parameters]


def test_the_page_lists_the_parts_of_the_news_and_of_the_activity() -> None:
    assert first_cells(TASKS, "Part of the news") == list(HumanTaskNews.model_fields)
    assert sorted(first_cells(TASKS, "Field")) == sorted(ActivityInfo.model_fields)


def test_the_page_lists_every_state_of_a_version_and_what_leads_to_another() -> None:
    rows = rows_of(VERSIONS, "State")
    assert [code_in(row[0]) for row in rows] == list(ConfigState)
    for row in rows:
        state = ConfigState(code_in(row[0]))
        after = [checked(state, is_valid=True), checked(state, is_valid=False), promoted(state)]
        assert [code_in(cell) for cell in row[1:4]] == after
        assert (written(row[4]) or state) == replaced(state)
        assert row[5] == ("yes" if is_deletable(state) else "no")


def test_the_page_lists_the_methods_and_the_fields_of_versions() -> None:
    methods = {name for name in vars(ObjectConfigurationIO) if not name.startswith("_")}
    documented = {name for row in rows_of(VERSIONS, "Method") for name in words_of(row[0])}
    assert documented == methods
    assert first_cells(VERSIONS, "Field") == list(ObjectConfigurationBase.model_fields)
    assert first_cells(VERSIONS, "`error_code`") == list(DiffErrorCode)
    assert set(ConfigDiagnosticIssue.model_fields) <= words_in_code(VERSIONS)


def words_of(cell: str) -> list[str]:
    """The names of the functions whose calls stand in a cell."""
    return [code.partition("(")[0] for code in cell.split("`")[1::2]]


def test_the_page_lists_the_parts_of_a_type_with_their_defaults() -> None:
    defaults = {field.name: field.default for field in fields(ConfigurableType)}
    documented = {code_in(row[0]): row[1] for row in rows_of(VERSIONS, "Part of a type")}
    assert list(documented) == list(defaults)
    for name, default in defaults.items():
        if isinstance(default, Action):
            assert code_in(documented[name]) == default.value
        else:
            assert documented[name] == ("`None`" if default is None else "required")
