"""What does a strict type checker see from a user's side?"""

from __future__ import annotations

import json
import subprocess
import sys
from textwrap import dedent

import pytest

PROGRAM = dedent(
    """
    from planar import PlanarApp, get_session, sqlite_config
    from planar.workflows import step, suspend, workflow


    @step(max_retries=2)
    async def double(amount: int) -> int:
        await get_session().commit()
        return 2 * amount


    @workflow()
    async def quadruple(amount: int) -> str:
        doubled: int = await double(amount)
        return str(await double(doubled))


    async def use() -> str:
        run = await quadruple.start(3)
        same: str = await quadruple.wait_for_completion(run.id)
        return same + await quadruple(4)


    app = PlanarApp(config=sqlite_config("app.db"), title="typed").register_workflow(quadruple)


    async def wrong() -> None:
        await double("text")  # wrong
        await quadruple.start(amount="text")  # wrong
        number: int = await quadruple(4)  # wrong
        print(number, suspend)
    """
)


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """Line number to message, for the program above in strict mode."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "program.py").write_text(PROGRAM)
    (folder / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict", "pythonVersion": "3.11"}))
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", "--project", str(folder)]
    answer = json.loads(subprocess.run(command, capture_output=True, text=True, cwd=folder).stdout)
    return {found["range"]["start"]["line"] + 1: found["message"] for found in answer["generalDiagnostics"]}


def lines_marked_wrong() -> set[int]:
    return {number for number, line in enumerate(PROGRAM.splitlines(), 1) if line.endswith("# wrong")}


def test_right_code_is_clean_and_wrong_code_is_found(complaints: dict[int, str]) -> None:
    assert len(lines_marked_wrong()) == 3
    assert set(complaints) == lines_marked_wrong(), complaints
