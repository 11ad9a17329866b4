from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from planar.logging import configure_logging, get_logger, reset_logging
from planar.logging.config import LoggerConfig, LogLevel

NAME = "planar_test.setup"


@contextmanager
def just_started() -> Iterator[None]:
    """The root's handlers are set aside, the test runner's too, which attaches its own before each test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        yield
    finally:
        reset_logging()
        root.handlers[:] = handlers
        root.setLevel(level)
        for name in (NAME, f"{NAME}.child"):
            logging.getLogger(name).setLevel(logging.NOTSET)
            logging.getLogger(name).propagate = True


@just_started()
def test_by_default_the_root_writes_info_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()

    get_logger(NAME).info("ready", port=8000)
    get_logger(NAME).debug("hidden")

    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith(f"INFO:     ready [{NAME}] [")
    assert "port=8000" in written.err
    assert "pid=" in written.err
    assert "hidden" not in written.err


@just_started()
def test_two_apps_in_one_process_do_not_double_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    for _app in range(2):
        configure_logging({NAME: LoggerConfig()})
        configure_logging()

    get_logger(NAME).info("once")
    logging.getLogger("somebody.else").warning("also once")

    assert capsys.readouterr().err.count("once") == 2


@just_started()
def test_handlers_and_loggers_of_others_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    foreign = logging.NullHandler()
    logging.getLogger().addHandler(foreign)
    earlier = logging.getLogger(f"{NAME}.child")

    configure_logging()

    assert logging.getLogger().handlers == [foreign]
    assert not earlier.disabled
    configure_logging({"": LoggerConfig()})
    assert foreign in logging.getLogger().handlers
    assert len(logging.getLogger().handlers) == 2


@just_started()
def test_a_logger_with_a_file_writes_there_without_colours_and_its_parents_see_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "logs" / "app.log"
    configure_logging({NAME: LoggerConfig(file=str(target), level=LogLevel.DEBUG)})

    get_logger(f"{NAME}.child").debug("into the file", text="\ud800")

    line = target.read_text("utf-8")
    assert line.startswith(f"DEBUG:    into the file [{NAME}.child]")
    assert "\x1b" not in line
    assert capsys.readouterr().err == ""


@just_started()
def test_a_propagating_logger_has_no_console_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging({NAME: LoggerConfig(propagate=True)})

    get_logger(NAME).info("once")

    assert get_logger(NAME).handlers == []
    assert capsys.readouterr().err.count("once") == 1


@just_started()
def test_a_propagating_logger_with_a_file_writes_to_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "app.log"
    configure_logging({NAME: LoggerConfig(propagate=True, file=str(target))})

    get_logger(NAME).info("twice")

    assert "twice" in target.read_text("utf-8")
    assert "twice" in capsys.readouterr().err


@just_started()
def test_a_root_that_is_set_to_propagate_still_writes(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging({"": LoggerConfig(propagate=True)})

    logging.getLogger("somebody.else").info("heard")

    assert "heard" in capsys.readouterr().err


@just_started()
def test_a_file_that_cannot_be_opened_changes_nothing_and_names_the_logger(tmp_path: Path) -> None:
    configure_logging({NAME: LoggerConfig()})
    before = get_logger(NAME).handlers[:]
    (tmp_path / "file").write_text("")

    with pytest.raises(OSError, match=f"log file of logger '{NAME}.child' cannot be opened"):
        configure_logging({NAME: LoggerConfig(), f"{NAME}.child": LoggerConfig(file=str(tmp_path / "file" / "x.log"))})

    assert get_logger(NAME).handlers == before


@just_started()
def test_the_format_can_be_json_by_argument_or_environment(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(log_format="json")
    get_logger(NAME).info("by argument")
    monkeypatch.setenv("PLANAR_LOG_FORMAT", "json")
    configure_logging()
    get_logger(NAME).info("by environment")

    entries = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [entry["message"] for entry in entries] == ["by argument", "by environment"]


@just_started()
def test_an_unknown_format_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANAR_LOG_FORMAT", "xml")

    with pytest.raises(ValueError, match="'xml': set PLANAR_LOG_FORMAT"):
        configure_logging()


@just_started()
def test_a_redirection_after_the_start_is_honoured(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    configure_logging()
    elsewhere = io.StringIO()
    monkeypatch.setattr(sys, "stderr", elsewhere)
    get_logger(NAME).info("moved")

    assert "moved" in elsewhere.getvalue()


def test_logging_loads_no_third_party_package() -> None:
    program = (
        "import sys; before = set(sys.modules); import planar.logging; "
        "print([name for name in ('pydantic', 'structlog', 'fastapi') if name in sys.modules and name not in before])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == "[]"
