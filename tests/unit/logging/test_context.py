from __future__ import annotations

import asyncio

import pytest

from planar.logging import bind_log_fields, get_context_metadata, set_context_metadata

pytestmark = pytest.mark.anyio


async def test_metadata_set_in_one_task_is_not_seen_by_its_siblings_or_its_parent() -> None:
    meeting = asyncio.Barrier(2)

    async def request(number: int) -> dict[str, object]:
        set_context_metadata("request", number)
        await meeting.wait()
        return dict(get_context_metadata())

    seen = await asyncio.gather(request(1), request(2))

    assert seen == [{"request": 1}, {"request": 2}]
    assert dict(get_context_metadata()) == {}


async def test_a_task_keeps_the_fields_that_were_bound_when_it_was_started() -> None:
    go = asyncio.Event()

    async def child() -> dict[str, object]:
        await go.wait()
        return dict(get_context_metadata())

    with bind_log_fields(run_id="r1"):
        task = asyncio.create_task(child())
        set_context_metadata("later", True)
    go.set()

    assert await task == {"run_id": "r1"}


async def test_the_mapping_cannot_be_changed_in_place() -> None:
    with bind_log_fields(run_id="r1"):
        bound = get_context_metadata()
        set_context_metadata("user", "ann")
        for fields in (bound, get_context_metadata()):
            with pytest.raises(TypeError):
                fields["run_id"] = "r2"  # type: ignore[index]  (that it is refused is the claim)
    assert dict(bound) == {"run_id": "r1"}


async def test_an_inner_block_hides_the_outer_value_and_gives_it_back_even_after_an_error() -> None:
    with bind_log_fields(step_id=1, run_id="r1"):
        with pytest.raises(LookupError), bind_log_fields(step_id=2):
            assert dict(get_context_metadata()) == {"step_id": 2, "run_id": "r1"}
            raise LookupError
        assert dict(get_context_metadata()) == {"step_id": 1, "run_id": "r1"}
    assert dict(get_context_metadata()) == {}


async def test_a_block_that_is_used_again_adds_its_own_fields_only() -> None:
    block = bind_log_fields(step=1)
    with bind_log_fields(request="first"), block:
        assert dict(get_context_metadata()) == {"request": "first", "step": 1}
    with block:
        assert dict(get_context_metadata()) == {"step": 1}
