from __future__ import annotations

import io
import json
import logging
import re
import sys
from typing import Any

import pytest

from planar.logging import ExtraAttributesFilter, JsonFormatter, StructuredFormatter, bind_log_fields
from planar.logging.formatter import wants_colours


def make_record(
    message: str = "run resumed", level: int = logging.INFO, args: tuple[Any, ...] = (), **attributes: Any
) -> logging.LogRecord:
    record = logging.LogRecord("planar.engine", level, "worker.py", 12, message, args, None)
    vars(record).update(attributes)
    return record


def with_error(message: str) -> logging.LogRecord:
    record = make_record("step failed", logging.ERROR)
    try:
        raise ValueError(message)
    except ValueError:
        record.exc_info = sys.exc_info()
    return record


def test_a_line_holds_the_level_in_ten_columns_the_message_the_logger_and_the_fields_as_json() -> None:
    record = make_record(planar_fields={"run_id": "r1", "attempts": 2, "last": None})

    line = StructuredFormatter().format(record)

    assert line == 'INFO:     run resumed [planar.engine] [run_id="r1",attempts=2,last=null]'


def test_a_record_without_fields_has_no_empty_brackets() -> None:
    assert StructuredFormatter().format(make_record(level=logging.CRITICAL)) == "CRITICAL: run resumed [planar.engine]"


def test_neither_a_message_nor_a_field_nor_a_name_can_start_a_line_of_its_own() -> None:
    record = make_record("x\nERROR:    forged", planar_fields={"a\nb": "c\nd\u2028e"})

    assert len(StructuredFormatter().format(record).splitlines()) == 1
    assert len(JsonFormatter().format(record).splitlines()) == 1


def test_a_traceback_follows_on_indented_lines_so_that_it_forges_nothing() -> None:
    first, *rest = StructuredFormatter().format(with_error("bad\nCRITICAL: forged")).splitlines()

    assert first == "ERROR:    step failed [planar.engine]"
    assert "ValueError: bad" in "".join(rest)
    assert all(line.startswith("    ") for line in rest)


def test_json_keeps_a_record_with_its_traceback_on_one_line() -> None:
    (line,) = JsonFormatter().format(with_error("bad\nnews")).splitlines()

    entry = json.loads(line)
    assert (entry["level"], entry["logger"], entry["message"], entry["location"]) == ("ERROR", "planar.engine", "step failed", "worker:12")
    assert entry["exception"].startswith("Traceback")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["timestamp"])


def test_a_field_named_like_a_json_key_does_not_replace_it() -> None:
    entry = json.loads(JsonFormatter().format(make_record(planar_fields={"level": 3, "run_id": "ü"})))

    assert (entry["level"], entry["level_"], entry["run_id"]) == ("INFO", 3, "ü")


def test_colours_are_there_when_asked_for_and_nowhere_else() -> None:
    record = make_record(planar_fields={"run_id": 'a "b" 1', "attempts": 2, "last": None})

    coloured, plain = StructuredFormatter(use_colors=True).format(record), StructuredFormatter().format(record)

    assert "\x1b[32mINFO:\x1b[0m     run resumed" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain
    assert "\x1b" not in plain


def test_secrets_in_messages_tracebacks_and_extras_of_foreign_loggers_are_masked() -> None:
    record = with_error("cannot reach postgresql://ann:hunter2@db/app")
    record.msg = "no connection to postgresql://ann:hunter2@db/app"
    vars(record)["password"] = "hunter2"

    for formatter in (StructuredFormatter(), JsonFormatter()):
        assert "hunter2" not in formatter.format(record)


def test_foreign_records_show_their_extras_and_the_fields_of_the_task() -> None:
    with bind_log_fields(run_id="r1"):
        line = StructuredFormatter().format(make_record("GET %s", args=("/x",), status=200, color_message="\x1b[1mGET"))

    assert line == 'INFO:     GET /x [planar.engine] [run_id="r1",status=200]'


def test_arguments_that_do_not_fit_their_message_are_shown_and_not_raised() -> None:
    assert "%d things ('many',)" in StructuredFormatter().format(make_record("%d things", args=("many",)))


def test_the_filter_completes_a_record_once_with_the_process_and_the_task() -> None:
    completes = ExtraAttributesFilter()
    with bind_log_fields(run_id="r1"):
        record = make_record(status=200)
        assert completes.filter(record)
    with bind_log_fields(run_id="another"):
        assert completes.filter(record)

    assert vars(record)["planar_fields"] == {"pid": record.process, "run_id": "r1", "status": 200}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_only_a_terminal_that_wants_them_gets_colours() -> None:
    closed = Terminal()
    assert wants_colours(closed, {})
    assert not wants_colours(closed, {"NO_COLOR": "1"})
    assert not wants_colours(closed, {"TERM": "dumb"})
    assert not wants_colours(io.StringIO(), {})
    assert not wants_colours(None, {})


@pytest.mark.parametrize("formatter", [StructuredFormatter(), JsonFormatter()])
def test_a_formatted_record_survives_a_lone_surrogate(formatter: logging.Formatter) -> None:
    line = formatter.format(make_record("odd", planar_fields={"text": "\ud800"}))

    assert "odd" in line.encode("utf-8", "backslashreplace").decode()
