from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from planar.logging import PlanarLogger, bind_log_fields, get_logger


class Collector(logging.Handler):
    """A handler that is not ours: it sees what any other library's handler would."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def logger() -> PlanarLogger:
    return get_logger("planar_test.logger")


@pytest.fixture
def collector(logger: PlanarLogger) -> Iterator[Collector]:
    plain = logging.getLogger(logger.name)
    collector = Collector()
    plain.addHandler(collector)
    plain.setLevel(logging.DEBUG)
    yield collector
    plain.removeHandler(collector)
    plain.setLevel(logging.NOTSET)


def test_keyword_arguments_reach_foreign_handlers_under_their_own_names(logger: PlanarLogger, collector: Collector) -> None:
    logger.info("run resumed", run_id="r1", attempts=2)

    (record,) = collector.records
    assert record.getMessage() == "run resumed"
    assert (vars(record)["run_id"], vars(record)["attempts"]) == ("r1", 2)


def test_fields_named_like_attributes_of_a_record_do_not_break_it(logger: PlanarLogger, collector: Collector) -> None:
    logger.info("odd", name="n", msg="m", args=[1], message="x", self="s", lineno=7, levelname="L", taskName="t")

    (record,) = collector.records
    assert (record.name, record.getMessage(), record.levelname) == (logger.name, "odd", "INFO")
    assert vars(record)["planar_fields"] == {
        "name": "n",
        "msg": "m",
        "args": [1],
        "message": "x",
        "self": "s",
        "lineno": 7,
        "levelname": "L",
        "taskName": "t",
    }
    assert vars(record)["name_"] == "n"


def test_percent_signs_in_a_message_mean_nothing(logger: PlanarLogger, collector: Collector) -> None:
    logger.warning("100 %s of %d")

    assert collector.records[0].getMessage() == "100 %s of %d"


@pytest.mark.parametrize("method", ["debug", "info", "warning", "error", "critical", "exception"])
def test_the_place_of_the_caller_is_kept_by_every_method(logger: PlanarLogger, collector: Collector, method: str) -> None:
    getattr(logger, method)("here")

    (record,) = collector.records
    assert (record.funcName, record.module) == ("test_the_place_of_the_caller_is_kept_by_every_method", "test_logger")


def test_exception_carries_the_traceback_of_the_handled_error(logger: PlanarLogger, collector: Collector) -> None:
    try:
        raise ValueError("broken")
    except ValueError as error:
        logger.exception("step failed")
        handled = error

    (record,) = collector.records
    assert record.exc_info is not None
    assert record.exc_info[1] is handled
    assert record.levelno == logging.ERROR


def test_error_without_exc_info_carries_no_traceback(logger: PlanarLogger, collector: Collector) -> None:
    try:
        raise ValueError("expected")
    except ValueError as error:
        logger.error("lock is taken", reason=error)

    (record,) = collector.records
    assert record.exc_info is None
    assert vars(record)["reason"] == "ValueError: expected"


def test_fields_of_the_task_are_added_and_the_calls_own_win(logger: PlanarLogger, collector: Collector) -> None:
    with bind_log_fields(run_id="r1", step_id=1):
        logger.info("step started", step_id=2)

    assert vars(collector.records[0])["planar_fields"] == {"run_id": "r1", "step_id": 2}


def test_secrets_are_gone_before_a_foreign_handler_sees_the_record(logger: PlanarLogger, collector: Collector) -> None:
    logger.info("connected", password="hunter2", nested={"api_key": "k-1"}, wrapped=SecretStr("s-1"), url="postgresql://u:hunter2@db/x")

    seen = repr(vars(collector.records[0]))
    assert all(secret not in seen for secret in ("hunter2", "k-1", "s-1"))
    assert "postgresql://u:**********@db/x" in seen


def test_a_disabled_level_costs_no_conversion_of_its_fields(logger: PlanarLogger, collector: Collector) -> None:
    class Explosive:
        def __str__(self) -> str:
            raise AssertionError("was converted")

    logger.setLevel("INFO")
    logger.debug("details", payload=Explosive())

    assert collector.records == []
    assert not logger.isDebugEnabled()
    logger.setLevel(logging.DEBUG)
    assert logger.isDebugEnabled()


def test_one_name_is_one_logger_over_the_standard_librarys_tree(logger: PlanarLogger, collector: Collector) -> None:
    assert get_logger(logger.name) is logger
    assert logger.handlers == [collector]
