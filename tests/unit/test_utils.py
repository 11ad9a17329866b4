"""Names, threads, and how long to wait."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from planar.utils import (
    asyncify,
    camel_case_to_snake_case,
    create_path_prefix,
    exponential_backoff_with_jitter,
    snake_case_to_camel_case,
    utc_now,
)


@pytest.mark.parametrize(("snake", "camel"), [("process_invoice", "ProcessInvoice"), ("a", "A"), ("two__lines", "TwoLines"), ("", "")])
def test_snake_case_becomes_camel_case(snake: str, camel: str) -> None:
    assert snake_case_to_camel_case(snake) == camel


@pytest.mark.parametrize(("camel", "snake"), [("ProcessInvoice", "process_invoice"), ("HTTPCall", "http_call"), ("Top10", "top10")])
def test_camel_case_becomes_snake_case(camel: str, snake: str) -> None:
    assert camel_case_to_snake_case(camel) == snake


@pytest.mark.parametrize(("name", "path"), [("InvoiceLine", "invoice_lines"), ("City", "cities"), ("Box", "boxes"), ("Day", "days")])
def test_the_path_of_a_class_is_its_plural(name: str, path: str) -> None:
    assert create_path_prefix(type(name, (), {})) == path


@pytest.mark.anyio
async def test_a_function_can_be_run_in_a_thread() -> None:
    def where(add: int, *, to: int) -> tuple[int, str]:
        """Says where it runs."""
        return add + to, threading.current_thread().name

    elsewhere = asyncify(where)
    total, thread = await elsewhere(1, to=2)
    assert total == 3
    assert thread != threading.current_thread().name
    assert elsewhere.__doc__ == where.__doc__


def test_what_is_asynchronous_already_is_refused() -> None:
    async def already() -> None: ...

    with pytest.raises(ValueError, match="already"):
        asyncify(already)


def test_the_wait_doubles_up_to_its_limit() -> None:
    waits = [exponential_backoff_with_jitter(attempt, base_delay=1, max_delay=10, jitter_factor=0) for attempt in range(6)]
    assert waits == [1, 2, 4, 8, 10, 10]
    assert exponential_backoff_with_jitter(10_000) <= 60


def test_chance_moves_the_wait_within_its_bounds() -> None:
    waits = {exponential_backoff_with_jitter(3, base_delay=0.01, max_delay=1, jitter_factor=0.5) for _ in range(200)}
    assert len(waits) > 100
    assert 0.04 <= min(waits) <= max(waits) <= 0.12
    assert min(exponential_backoff_with_jitter(0, base_delay=0.01, jitter_factor=0.5) for _ in range(200)) == 0.01


def test_now_is_aware_and_in_utc() -> None:
    assert utc_now().utcoffset() == timedelta(0)
