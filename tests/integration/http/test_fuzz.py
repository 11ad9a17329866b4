"""Whatever is sent: no answer is a 500, and every answer is of a documented status and shape."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings, strategies
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from planar import PlanarApp, sqlite_config
from planar.config import LocalDirectoryConfig
from tests import stores
from tests.integration.entities.world import make_tables, register_all
from tests.integration.http import sample
from tests.integration.human.sample import ask_both, ask_lax
from tests.integration.object_config.world import have_limits
from tests.integration.rules.world import RULES
from tests.scenario.service import until

IS_LONG = bool(os.environ.get(stores.LONG))
EXAMPLES = 40 if IS_LONG else 3
PLACES = 12
"""More than there are names of any kind: each request takes its own from them, by its place."""
OF_LIMITS = {"object_type": "limits", "object_name": "limits"}

CASE = {"input": {"amount": 5}, "expected": {"approved": True}}


@dataclass(frozen=True)
class Served:
    """A running server: its OpenAPI document, and what its paths can name."""

    document: schemathesis.BaseSchema
    names: dict[str, list[Any]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("fuzz")
    config = sqlite_config(str(folder / "app.db"))
    config = config.model_copy(update={"storage": LocalDirectoryConfig(directory=str(folder / "files"))})
    app = register_all(PlanarApp(config=config, on_startup=make_tables))
    for workflow in (*sample.ALL, ask_lax, ask_both):
        app.register_workflow(workflow)
    have_limits(app)
    for each in RULES:
        app.register_rule(each)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, name="fuzzed server")
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/planar/v1") as client:
        runs = [client.post("/workflows/summing/start?wait=10", json={"left": left}).json()["id"] for left in range(2)]
        files = [client.post("/file/upload", files=[("files", (f"{name}.txt", b"x"))]).json()[0]["id"] for name in "ab"]
        uploads = [client.post("/file/uploads", json={"filename": name, "size": 1}).json()["id"] for name in "ab"]
        rows = [client.post("/entities/City/instances", json={"name": name}).json()["id"] for name in ("a", "b")]
        configs = [client.post("/object-configurations/", json={**OF_LIMITS, "data": {"ceiling": n}}).json()["id"] for n in range(2)]
        tasks = _tasks(client)
        cases = [client.post("/rules/approve/test-cases", json=CASE | {"name": name}).json()["id"] for name in "ab"]
    names = {
        "workflow_name": ["summing", "awaiting", "events"],
        "run_id": runs,
        "step_id": [1, 2],
        "file_id": files,
        "upload_id": uploads,
        "entity_name": ["City", "Customer", "Sample"],
        "instance_id": [*rows, runs[0]],
        "config_id": configs,
        "task_id": tasks,
        "rule_name": ["approve", "echo"],
        "case_id": cases,
    }
    yield Served(schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json"), names)
    server.should_exit = True
    thread.join()


def _tasks(client: httpx.Client) -> list[str]:
    """Tasks for people, one of them for several."""
    for workflow in ("ask_lax", "ask_lax", "ask_both"):
        client.post(f"/workflows/{workflow}/start")
    found = until(lambda: len(asked := client.get("/human-tasks/").json()) == 3 and asked, "three tasks to be asked")
    return [task["id"] for task in found]


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]

_ROW = "entities/{entity_name}/instances/{instance_id}"
CANNOT_BE_UNFIT = {
    *(f"GET /planar/v1/{path}" for path in ("health", "health/ready", "system-info", "workflows/{workflow_name}", "rules/{rule_name}")),
    f"DELETE /planar/v1/{_ROW}",
    f"POST /planar/v1/{_ROW}/restore",
}


# The generator of requests does that, now and then.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies:hypothesis.errors.HypothesisDeprecationWarning")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "unfitting"])
@pytest.mark.parametrize("real", [False, True], ids=["made up", "real names"])
def test_any_request_gets_a_documented_answer(served: Served, mode: GenerationMode, real: bool) -> None:
    operations = [result.ok() for result in served.document.get_all_operations()]
    assert len(operations) >= 25
    unfit: set[str] = set()
    for operation in operations:
        # The short form asks the same each time; the long one looks for what nobody has thought of.
        @given(case=operation.as_strategy(generation_mode=mode), place=strategies.integers(0, PLACES - 1))
        @settings(max_examples=EXAMPLES, derandomize=not IS_LONG, suppress_health_check=list(HealthCheck))
        def check(case: schemathesis.Case, place: int) -> None:
            if real:
                for name in case.path_parameters or {}:
                    case.path_parameters[name] = served.names[name][place % len(served.names[name])]
            # A path that was made right may leave nothing wrong in a request that was to be unfit.
            case.call_and_validate(checks=[check for check in CHECKS if not (real and check is negative_data_rejection)])

        try:
            check()
        except Unsatisfiable:  # a request without parameters, or whose name may be anything, cannot be made unfit
            unfit.add(operation.label)
    assert unfit == (CANNOT_BE_UNFIT if mode is GenerationMode.NEGATIVE else set())
