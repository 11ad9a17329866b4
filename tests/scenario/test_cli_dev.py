"""`planar dev`: reload that reloads, and servers that end with their supervisor."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.scenario.cli_process import APP, HANGS_AT_THE_END, STARTS_WITHIN, fetch, get, is_alive, planar, port_is_free, until

SERVE = ("dev", "main.py", "--port", "0")


@pytest.fixture
def main(tmp_path: Path) -> Path:
    file = tmp_path / "main.py"
    file.write_text(APP)
    return file


def edit(file: Path, old: str, new: str) -> float:
    """Replace text in *file*, as an editor does; the moment of it."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return time.monotonic()


def events(main: Path) -> list[str]:
    log = main.with_name("events.log")
    return log.read_text().split() if log.exists() else []


def test_an_edit_changes_what_is_served_within_three_seconds(main: Path) -> None:
    with planar(*SERVE, folder=main.parent) as command:
        address = command.address()
        assert get(f"{address}/text") == "one"
        first = get(f"{address}/pid")
        for old, new in [("one", "two"), ("two", "six")]:
            edited = edit(main, f'"{old}"', f'"{new}"')
            until(lambda new=new: fetch(f"{address}/text") == (200, new), within=STARTS_WITHIN)
            assert time.monotonic() - edited < 3
        assert get(f"{address}/pid") != first
        assert not is_alive(int(first))
        assert "Reloading: main.py changed" in command.output


def test_an_edit_in_a_new_folder_and_in_the_settings_is_seen(main: Path) -> None:
    with planar(*SERVE, folder=main.parent) as command:
        address = command.address()
        package = main.parent / "flows"
        package.mkdir()
        (package / "steps.py").write_text('TEXT = "new"')
        command.address(2)
        edit(main, 'TEXT = "one"', "from flows.steps import TEXT")
        until(lambda: fetch(f"{address}/text") == (200, "new"), within=STARTS_WITHIN)
        (package / "steps.py").write_text('TEXT = "newer"')
        until(lambda: fetch(f"{address}/text") == (200, "newer"), within=STARTS_WITHIN)
        (main.parent / "planar.yaml").write_text("cors: {}\n")
        until(lambda: "Reloading: planar.yaml changed" in command.output, within=10)


def test_no_request_is_refused_while_servers_change(main: Path) -> None:
    with planar(*SERVE, folder=main.parent) as command:
        address = command.address()
        answers: list[tuple[int, str]] = []
        done = threading.Event()

        def ask() -> None:
            while not done.is_set():
                answers.append(fetch(f"{address}/text"))

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            for old, new in [("one", "two"), ("two", "three"), ("three", "four")]:
                edit(main, f'"{old}"', f'"{new}"')
                until(lambda new=new: answers and answers[-1] == (200, new), within=STARTS_WITHIN)
        finally:
            done.set()
            asking.join()
        assert set(answers) == {(200, text) for text in ("one", "two", "three", "four")}


@pytest.mark.parametrize("busy", [None, "/sleep", "/spin"])
def test_killing_the_command_frees_the_port_and_leaves_no_server(busy: str | None, main: Path) -> None:
    if busy == "/spin" and sys.platform != "linux":
        pytest.skip("only Linux can end a process that never lets go of the interpreter")
    with planar(*SERVE, folder=main.parent) as command:
        address = command.address()
        server = int(get(f"{address}/pid"))
        if busy:
            threading.Thread(target=fetch, args=(f"{address}{busy}",), daemon=True).start()
            until(lambda: "blocked" in events(main), within=10)
        command.signal(signal.SIGKILL)
        command.process.wait()
        try:
            until(lambda: port_is_free(address) and not is_alive(server), within=2)
        finally:
            # A failure of this test must not leave a busy process on the machine.
            with suppress(ProcessLookupError):
                os.kill(server, signal.SIGKILL)


def test_a_syntax_error_is_shown_and_the_next_edit_serves_again(main: Path) -> None:
    with planar(*SERVE, folder=main.parent) as command:
        address = command.address()
        edit(main, 'TEXT = "one"', 'TEXT = "one')
        until(lambda: "It starts again when a file changes." in command.output, within=10)
        assert "SyntaxError: unterminated string literal" in command.output
        status, body = fetch(f"{address}/text")
        assert (status, '"code": "not_running"' in body) == (503, True)
        edit(main, 'TEXT = "one', 'TEXT = "two"')
        until(lambda: fetch(f"{address}/text") == (200, "two"), within=STARTS_WITHIN)
        assert {fetch(f"{address}/text") for _ in range(30)} == {(200, "two")}


def test_a_crash_of_the_server_is_reported_and_the_next_edit_serves_again(main: Path) -> None:
    with planar(*SERVE, folder=main.parent) as command:
        address = command.address()
        os.kill(int(get(f"{address}/pid")), signal.SIGKILL)
        until(lambda: "The server ended (killed by SIGKILL)." in command.output, within=5)
        assert command.process.poll() is None
        until(lambda: fetch(f"{address}/text")[0] == 503, within=5)
        edit(main, '"one"', '"two"')
        until(lambda: fetch(f"{address}/text") == (200, "two"), within=STARTS_WITHIN)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_graceful_and_ends_with_zero(number: signal.Signals, main: Path) -> None:
    with planar(*SERVE, folder=main.parent) as command:
        address = command.address()
        server = int(get(f"{address}/pid"))
        command.signal(number)
        assert command.exit_code(within=5) == 0
        assert events(main) == ["lifespan.startup", "graceful_shutdown", "lifespan.shutdown"]
        assert not is_alive(server)
        assert port_is_free(address)
        assert "Traceback" not in command.output


def test_an_app_that_does_not_end_is_ended(main: Path) -> None:
    main.write_text(APP + HANGS_AT_THE_END)
    with planar(*SERVE, folder=main.parent) as command:
        server = int(get(f"{command.address()}/pid"))
        command.signal(signal.SIGTERM)
        assert command.exit_code(within=15) == 0
        assert not is_alive(server)
        assert "Timeout (0:00:05)!" in command.output


def test_asking_twice_ends_at_once(main: Path) -> None:
    main.write_text(APP + HANGS_AT_THE_END.replace("drain_seconds=0", "drain_seconds=600"))
    with planar(*SERVE, folder=main.parent) as command:
        server = int(get(f"{command.address()}/pid"))
        command.signal(signal.SIGTERM)
        until(lambda: "lifespan.shutdown" in events(main), within=5)
        command.signal(signal.SIGTERM)
        assert command.exit_code(within=3) == 0
        assert not is_alive(server)


def test_what_is_printed_names_the_app_the_mode_and_the_docs(main: Path) -> None:
    with planar(*SERVE, folder=main.parent) as command:
        address = command.address()
        lines = command.output.splitlines()
        assert lines[:2] == ["Using app: main:app", "Starting Planar in dev mode"]
        assert f"Planar is ready: {address} (API docs: {address}/docs)" in lines
        assert address.startswith("http://127.0.0.1:")


def test_a_file_in_a_package_is_known_by_its_dotted_name_and_finds_both_kinds_of_siblings(main: Path) -> None:
    package = main.parent / "service"
    package.mkdir()
    (package / "beside.py").write_text("A = 1")
    (main.parent / "above.py").write_text("B = 1")
    entry = package / "main.py"
    entry.write_text(f"import beside, above, service.beside\n{APP}")
    with planar("dev", "service/main.py", "--port", "0", folder=main.parent) as command:
        assert get(f"{command.address()}/environment") == f"dev {entry} service.main"


def test_a_file_elsewhere_is_served_from_its_own_folder(main: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (main.parent / "beside.py").write_text("A = 1")
    main.write_text(f"import beside\n{APP}")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with planar("dev", str(main), "--port", "0", folder=elsewhere) as command:
        address = command.address()
        assert get(f"{address}/environment") == f"dev {main} main"
        edit(main, '"one"', '"two"')
        until(lambda: fetch(f"{address}/text") == (200, "two"), within=STARTS_WITHIN)


@pytest.mark.parametrize("mode", ["dev", "prod"])
def test_a_wrong_variable_is_told_in_one_line(mode: str, main: Path) -> None:
    with planar(mode, "--app", "other", "--port", "0", folder=main.parent) as command:
        assert command.exit_code() == 1
        assert f"Error: {main} has no variable 'other' that holds an app." in command.output
        assert "Traceback" not in command.output


@pytest.mark.parametrize("mode", ["dev", "prod"])
def test_an_error_in_the_users_file_is_shown_with_the_users_frames_only(mode: str, main: Path) -> None:
    (main.parent / "broken.py").write_text("import absent_module")
    main.write_text("import broken")
    with planar(mode, "--port", "0", folder=main.parent) as command:
        assert command.exit_code() == 1
        assert "ModuleNotFoundError: No module named 'absent_module'" in command.output
        assert [line.strip() for line in command.output.splitlines() if line.startswith("  File ")] == [
            f'File "{main}", line 1, in <module>',
            f'File "{main.with_name("broken.py")}", line 1, in <module>',
        ]


@pytest.mark.parametrize("mode", ["dev", "prod"])
def test_settings_that_cannot_be_used_are_told_without_a_traceback(mode: str, main: Path) -> None:
    main.write_text("from planar.config import load_environment_aware_config\napp = load_environment_aware_config()")
    (main.parent / "planar.yaml").write_text("cors: {allow_origin: []}")
    with planar(mode, "--port", "0", folder=main.parent) as command:
        assert command.exit_code() == 1
        assert "line 1: cors.allow_origin: unknown key; did you mean `allow_origins`?" in command.output
        assert "Traceback" not in command.output


@pytest.mark.parametrize("mode", ["dev", "prod"])
def test_a_port_in_use_is_told_in_one_line(mode: str, main: Path) -> None:
    with planar(*SERVE, folder=main.parent) as first:
        port = first.address().rpartition(":")[2]
        second_folder = main.parent / "second"
        second_folder.mkdir()
        (second_folder / "main.py").write_text(APP)
        with planar(mode, "--port", port, "--host", "127.0.0.1", folder=second_folder) as second:
            assert second.exit_code() == 1
            assert f"Error: Port {port} on 127.0.0.1 is in use." in second.output
            assert "Traceback" not in second.output
        assert get(f"{first.address()}/text") == "one"


def test_an_app_that_fails_to_start_ends_the_command(main: Path) -> None:
    main.write_text(APP + "\n\nasync def fail(self, kind):\n    raise RuntimeError('no database')\n\n\nApp.before_answer = fail\n")
    with planar(*SERVE, folder=main.parent) as command:
        assert command.exit_code() == 1
        assert "RuntimeError: no database" in command.output


@pytest.mark.parametrize("mode", ["dev", "prod"])
def test_a_database_that_cannot_be_opened_is_told_in_one_line(mode: str, main: Path) -> None:
    main.write_text("from planar import PlanarApp, sqlite_config\napp = PlanarApp(config=sqlite_config('/absent/folder/x.db'))")
    with planar(mode, "--port", "0", folder=main.parent) as command:
        assert command.exit_code() == 1
        assert any(line.startswith("Error: ") and "/absent/folder" in line for line in command.output.splitlines())
        assert "Traceback" not in command.output


def test_an_on_startup_that_fails_shows_the_users_frames_line_by_line(main: Path) -> None:
    main.write_text(
        "from planar import PlanarApp, sqlite_config\n"
        "async def fill(engine):\n    raise RuntimeError('no seed')\n"
        "app = PlanarApp(config=sqlite_config(':memory:'), on_startup=fill)"
    )
    with planar(*SERVE, folder=main.parent) as command:
        assert command.exit_code() == 1
        assert f'  File "{main}", line 3, in fill' in command.output.splitlines()
        assert "RuntimeError: no seed" in command.output.splitlines()
