"""`planar prod` and ``--script``: one process, its exit code and its environment."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.scenario.cli_process import APP, HANGS_AT_THE_END, PLANAR, STARTS_WITHIN, get, is_alive, planar, port_is_free, until

SERVE = ("prod", "main.py", "--port", "0", "--host", "127.0.0.1")

TAKES_A_SECOND_TO_END = """
import asyncio


class Slow(App):
    async def before_answer(self, kind):
        if kind == "lifespan.shutdown":
            await asyncio.sleep(1)


app = Slow()
"""

TELLS_ITS_PROCESSES = """
class Told(App):
    async def before_answer(self, kind):
        note(f"{kind}:{os.getpid()}")


app = Told()
"""


@pytest.fixture
def main(tmp_path: Path) -> Path:
    file = tmp_path / "main.py"
    file.write_text(APP)
    return file


def test_the_server_is_the_commands_own_process(main: Path) -> None:
    with planar(*SERVE, folder=main.parent) as command:
        address = command.address()
        assert int(get(f"{address}/pid")) == command.process.pid
        assert get(f"{address}/environment") == f"prod {main} main"
        assert command.output.splitlines()[:2] == ["Using app: main:app", "Starting Planar in prod mode"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_graceful_and_ends_with_zero(number: signal.Signals, main: Path) -> None:
    with planar(*SERVE, folder=main.parent) as command:
        command.address()
        command.signal(number)
        assert command.exit_code(within=5) == 0
        assert (main.parent / "events.log").read_text().split() == ["lifespan.startup", "graceful_shutdown", "lifespan.shutdown"]
        assert "Traceback" not in command.output


def test_an_app_that_does_not_end_is_ended_and_shows_what_it_did(main: Path) -> None:
    main.write_text(APP + HANGS_AT_THE_END)
    with planar(*SERVE, folder=main.parent) as command:
        command.address()
        command.signal(signal.SIGTERM)
        assert command.exit_code(within=15) == 1
        assert "Timeout (0:00:05)!" in command.output


def test_requests_are_logged_and_the_server_does_not_introduce_itself(main: Path) -> None:
    with planar(*SERVE, folder=main.parent) as command:
        with urllib.request.urlopen(f"{command.address()}/text") as answer:
            assert answer.headers.get("server") is None
        command.signal(signal.SIGTERM)
        command.exit_code()
        assert '"GET /text HTTP/1.1" 200' in command.output


def test_a_script_runs_in_place_of_the_command(main: Path) -> None:
    package = main.parent / "tools"
    package.mkdir()
    (main.parent / "above.py").write_text("A = 1")
    (package / "beside.py").write_text("B = 1")
    script = package / "job.py"
    script.write_text(
        "import above, beside, os, sys\n"
        "print(__name__, os.getpid(), os.environ['PLANAR_ENV'], os.environ['PLANAR_ENTRY_POINT'])\n"
        "sys.exit(7)\n"
    )
    with planar("dev", "tools/job.py", "--script", folder=main.parent) as command:
        assert command.exit_code() == 7
        assert f"__main__ {command.process.pid} dev {script}" in command.output
        assert "Starting Planar in dev mode" in command.output


def test_asking_for_the_version_costs_less_than_half_a_second() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    answer = subprocess.run([PLANAR, "--version"], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert answer.stdout.startswith("planar ")
    # Time of this program alone, whatever else the machine does.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_a_stop_that_takes_its_time_still_ends_with_zero(main: Path) -> None:
    main.write_text(APP + TAKES_A_SECOND_TO_END)
    with planar(*SERVE, folder=main.parent) as command:
        command.address()
        command.signal(signal.SIGTERM)
        assert command.exit_code(within=10) == 0


def test_a_second_signal_ends_the_process_at_once(main: Path) -> None:
    main.write_text(APP + HANGS_AT_THE_END.replace("drain_seconds=0", "drain_seconds=600"))
    with planar(*SERVE, folder=main.parent) as command:
        command.address()
        command.signal(signal.SIGTERM)
        # The same signal once more within half a second is taken for one.
        until(lambda: command.signal(signal.SIGTERM) or command.process.poll() is not None, within=10)
        assert command.exit_code() == -signal.SIGTERM
        assert "Asked to stop twice: ending now." in command.output


def processes(main: Path) -> list[int]:
    """The processes that began to serve, in this order."""
    log = main.with_name("events.log")
    return [int(pid) for pid in re.findall(r"startup:(\d+)", log.read_text())] if log.exists() else []


def test_several_processes_share_the_port_are_replaced_and_end_together(main: Path) -> None:
    main.write_text(APP + TELLS_ITS_PROCESSES)
    with planar(*SERVE, "--workers", "2", folder=main.parent, PLANAR_WORKERS="5") as command:
        address = command.address()
        command.said("All 2 processes are ready.")
        first, second = processes(main)
        os.kill(first, signal.SIGKILL)
        third = until(lambda: processes(main)[2:], within=STARTS_WITHIN)[0]
        until(lambda: int(get(f"{address}/pid")) in (second, third), within=10)
        command.signal(signal.SIGTERM)
        assert command.exit_code() == 0
        assert not any(map(is_alive, (first, second, third)))
        ends = [line for line in main.with_name("events.log").read_text().split() if line.startswith("lifespan.shutdown:")]
        assert sorted(ends) == sorted(f"lifespan.shutdown:{pid}" for pid in (second, third))


def test_the_processes_end_with_a_supervisor_that_is_killed(main: Path) -> None:
    main.write_text(APP + TELLS_ITS_PROCESSES)
    with planar(*SERVE, "--workers", "2", folder=main.parent) as command:
        address = command.address()
        command.said("All 2 processes are ready.")
        command.process.kill()
        until(lambda: not any(map(is_alive, processes(main))), within=10)
        until(lambda: port_is_free(address), within=10)


def test_an_app_that_does_not_load_is_told_once_whatever_the_number_of_processes(main: Path) -> None:
    main.write_text("raise RuntimeError('broken')")
    with planar(*SERVE, "--workers", "3", folder=main.parent) as command:
        assert command.exit_code() == 1
        assert command.output.count("RuntimeError: broken") == 1
