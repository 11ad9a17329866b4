"""Does every route say what it needs and what it answers? Read from the OpenAPI document, as a client would."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import schemathesis
from fastapi.routing import APIRoute

from planar import PlanarApp, sqlite_config
from planar.routers import (
    create_entities_router,
    create_files_router,
    create_health_router,
    create_human_task_routes,
    create_info_router,
    create_workflow_event_routes,
    create_workflow_router,
)
from planar.security.actions import (
    PUBLIC_ACTIONS,
    EntityAction,
    EventAction,
    FileAction,
    HealthAction,
    HumanTaskAction,
    LinkAction,
    ObjectConfigAction,
    RuleAction,
    SystemAction,
    WorkflowAction,
)
from planar.security.guard import ACTION_EXTENSION, GuardedRoute

V1 = "/planar/v1"

# The routes of the reference's table that are built, and our own beside them, each with its action.
ACTIONS = {
    "GET /health": HealthAction.VIEW,
    "GET /health/ready": HealthAction.VIEW,
    "GET /system-info": SystemAction.VIEW_INFO,
    "POST /workflows/events/emit": EventAction.EMIT,
    "GET /workflows/events/list": EventAction.LIST,
    "POST /workflows/{workflow_name}/start": WorkflowAction.RUN,
    "GET /workflows/{run_id}/status": WorkflowAction.VIEW_DETAILS,
    "GET /workflows/": WorkflowAction.LIST,
    "GET /workflows/{workflow_name}": WorkflowAction.VIEW_DETAILS,
    "GET /workflows/{workflow_name}/runs": WorkflowAction.VIEW_DETAILS,
    "GET /workflows/{workflow_name}/runs/{run_id}": WorkflowAction.VIEW_DETAILS,
    "POST /workflows/{workflow_name}/runs/{run_id}/cancel": WorkflowAction.CANCEL,
    "GET /workflows/{workflow_name}/runs/{run_id}/steps": WorkflowAction.VIEW_DETAILS,
    "GET /workflows/{workflow_name}/runs/{run_id}/steps/{step_id}": WorkflowAction.VIEW_DETAILS,
    "POST /file/upload": FileAction.UPLOAD,
    "POST /file/uploads": FileAction.UPLOAD,
    "PUT /file/uploads/{upload_id}/content": LinkAction.FOLLOW,
    "POST /file/uploads/{upload_id}/complete": FileAction.UPLOAD,
    "GET /file/": FileAction.LIST,
    "GET /file/{file_id}/content": FileAction.DOWNLOAD,
    "GET /file/{file_id}/metadata": FileAction.VIEW_DETAILS,
    "GET /file/{file_id}/references": FileAction.VIEW_DETAILS,
    "DELETE /file/{file_id}": FileAction.DELETE,
    "GET /file/{file_id}/link": FileAction.SHARE,
    "GET /file/{file_id}/signed": LinkAction.FOLLOW,
    "GET /entities/": EntityAction.LIST,
    "GET /entities/{entity_name}": EntityAction.VIEW_DETAILS,
    "GET /entities/{entity_name}/instances": EntityAction.LIST,
    "GET /entities/{entity_name}/options": EntityAction.LIST,
    "GET /entities/{entity_name}/groups": EntityAction.LIST,
    "GET /entities/{entity_name}/instances/{instance_id}": EntityAction.VIEW_DETAILS,
    "POST /entities/{entity_name}/instances/bulk": EntityAction.CREATE,
    "PATCH /entities/{entity_name}/instances/bulk": EntityAction.UPDATE,
    "DELETE /entities/{entity_name}/instances/bulk": EntityAction.DELETE,
    "POST /entities/{entity_name}/instances": EntityAction.CREATE,
    "PUT /entities/{entity_name}/instances/{instance_id}": EntityAction.UPDATE,
    "PATCH /entities/{entity_name}/instances/{instance_id}": EntityAction.UPDATE,
    "DELETE /entities/{entity_name}/instances/{instance_id}": EntityAction.DELETE,
    "POST /entities/{entity_name}/instances/{instance_id}/restore": EntityAction.UPDATE,
    "GET /entities/{entity_name}/history": EntityAction.VIEW_HISTORY,
    "GET /entities/{entity_name}/instances/{instance_id}/history": EntityAction.VIEW_HISTORY,
    "POST /entities/{entity_name}/import": EntityAction.IMPORT,
    "GET /entities/{entity_name}/export": EntityAction.EXPORT,
    "POST /object-configurations/promote": ObjectConfigAction.PROMOTE,
    "GET /object-configurations/": ObjectConfigAction.LIST,
    "POST /object-configurations/": ObjectConfigAction.UPDATE,
    "GET /object-configurations/uses": ObjectConfigAction.LIST,
    "GET /object-configurations/{config_id}": ObjectConfigAction.VIEW_DETAILS,
    "GET /object-configurations/{config_id}/diff": ObjectConfigAction.VIEW_DETAILS,
    "GET /object-configurations/{config_id}/promotions": ObjectConfigAction.VIEW_DETAILS,
    "POST /object-configurations/{config_id}/validate": ObjectConfigAction.UPDATE,
    "DELETE /object-configurations/{config_id}": ObjectConfigAction.UPDATE,
    "GET /rules/": RuleAction.LIST,
    "POST /rules/simulate": RuleAction.SIMULATE,
    "GET /rules/{rule_name}": RuleAction.VIEW_DETAILS,
    "POST /rules/{rule_name}": RuleAction.UPDATE,
    "GET /rules/{rule_name}/versions": RuleAction.VIEW_DETAILS,
    "POST /rules/{rule_name}/check": RuleAction.SIMULATE,
    "POST /rules/{rule_name}/replay": RuleAction.UPDATE,
    "GET /rules/{rule_name}/test-cases": RuleAction.VIEW_DETAILS,
    "POST /rules/{rule_name}/test-cases": RuleAction.UPDATE,
    "POST /rules/{rule_name}/test-cases/run": RuleAction.SIMULATE,
    "GET /rules/{rule_name}/test-cases/{case_id}": RuleAction.VIEW_DETAILS,
    "PUT /rules/{rule_name}/test-cases/{case_id}": RuleAction.UPDATE,
    "DELETE /rules/{rule_name}/test-cases/{case_id}": RuleAction.UPDATE,
    "GET /human-tasks/": HumanTaskAction.LIST,
    "GET /human-tasks/{task_id}": HumanTaskAction.VIEW_DETAILS,
    "POST /human-tasks/{task_id}/complete": HumanTaskAction.COMPLETE,
    "POST /human-tasks/{task_id}/cancel": HumanTaskAction.CANCEL,
    "POST /human-tasks/{task_id}/claim": HumanTaskAction.CLAIM,
    "POST /human-tasks/{task_id}/release": HumanTaskAction.CLAIM,
    "POST /human-tasks/{task_id}/delegate": HumanTaskAction.ASSIGN,
    "PUT /human-tasks/{task_id}/draft": HumanTaskAction.COMPLETE,
    "GET /human-tasks/{task_id}/draft": HumanTaskAction.COMPLETE,
    "GET /human-tasks/{task_id}/activity": HumanTaskAction.VIEW_DETAILS,
    "GET /human-tasks/{task_id}/answers": HumanTaskAction.VIEW_DETAILS,
    "GET /human-tasks/{task_id}/comments": HumanTaskAction.VIEW_DETAILS,
    "POST /human-tasks/{task_id}/comments": HumanTaskAction.COMMENT,
    "GET /human-tasks/{task_id}/attachments": HumanTaskAction.VIEW_DETAILS,
    "POST /human-tasks/{task_id}/attachments": HumanTaskAction.COMMENT,
}


MORE_THAN_A_PROBLEM = {"RefusedConfiguration", "RefusedImport"}
"""Shapes that add to a problem's members, or say more in them."""


@cache
def document() -> dict[str, Any]:
    return PlanarApp(config=sqlite_config(":memory:")).fastapi.openapi()


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Method and path without the prefix, and the operation."""
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path.removeprefix(V1)}", operation


OPERATIONS = dict(operations())


def test_every_route_stands_below_the_prefix() -> None:
    assert all(path.startswith(f"{V1}/") for path in document()["paths"])


def test_every_route_names_its_action() -> None:
    assert {label: operation.get(ACTION_EXTENSION) for label, operation in OPERATIONS.items()} == {
        label: action.value for label, action in ACTIONS.items()
    }


# Whoever has a signed link needs no identity: the link is the permission.
LINKS = {"PUT /file/uploads/{upload_id}/content", "GET /file/{file_id}/signed"}
HEALTH = {"GET /health", "GET /health/ready"}


def test_only_health_and_signed_links_are_public() -> None:
    public = {
        label for label, operation in OPERATIONS.items() if operation[ACTION_EXTENSION] in {action.value for action in PUBLIC_ACTIONS}
    }
    assert public == HEALTH | LINKS


@pytest.mark.parametrize(
    "router",
    [
        create_health_router(),
        create_info_router("t", "d"),
        create_workflow_router(),
        create_workflow_event_routes(),
        create_entities_router(),
        create_files_router(),
        create_human_task_routes(),
    ],
)
def test_every_route_asks_before_it_reads(router: Any) -> None:
    def routes(where: Any) -> Iterator[Any]:
        for route in where.routes:
            inner = getattr(route, "original_router", None)
            yield from routes(inner) if inner is not None else [route]

    found = list(routes(router))
    assert found
    assert all(isinstance(route, GuardedRoute) for route in found if isinstance(route, APIRoute))
    assert all(isinstance(route, APIRoute) for route in found)


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_error_has_the_one_shape(label: str) -> None:
    responses = OPERATIONS[label]["responses"]
    if label not in HEALTH | LINKS:
        assert {"401", "403"} <= responses.keys()
    for status, response in responses.items():
        if status < "400":
            continue
        schema = response["content"]["application/json"]["schema"]
        shapes = {each["$ref"].rpartition("/")[2] for each in schema.get("anyOf", [schema])}
        expected = {"422": "ValidationProblem", "503": "NotReady" if label in HEALTH else "Problem"}.get(status, "Problem")
        assert expected in shapes
        assert shapes <= {expected, "Problem", *MORE_THAN_A_PROBLEM}
        for shape in shapes:
            assert {"detail", "code"} <= document()["components"]["schemas"][shape]["properties"].keys()


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_operation_is_described_and_typed(label: str) -> None:
    operation = OPERATIONS[label]
    assert operation["description"]
    assert "lambda" not in operation["operationId"]
    assert "Planar API v1" in operation["tags"]
    answers = {status: response for status, response in operation["responses"].items() if status < "300"}
    assert answers
    assert all(content["schema"] for status, answer in answers.items() if status != "204" for content in answer["content"].values())


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_number_that_a_caller_may_send_has_bounds(label: str) -> None:
    for parameter in OPERATIONS[label].get("parameters", ()):
        schema = parameter["schema"]
        for choice in schema.get("anyOf", [schema]):
            if choice.get("type") in ("integer", "number"):
                assert {"minimum", "maximum"} <= choice.keys(), parameter["name"]


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert sorted(set(ids)) == sorted(ids)


def test_the_document_is_valid_openapi() -> None:
    schema = schemathesis.openapi.from_dict(document())
    schema.validate()
    assert all(result.ok() for result in schema.get_all_operations())
    with pytest.raises(Exception, match="not of type"):
        schemathesis.openapi.from_dict({**document(), "paths": []}).validate()
