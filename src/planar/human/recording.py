"""A step of ours whose body knows more than its record: what is asked of people stands in the task, and not once more in each step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from planar.engine.codec import CallCodec
from planar.engine.core.model import StepKind
from planar.engine.core.replay import StepIdentity
from planar.engine.core.retry import NO_RETRY, RetryPolicy
from planar.engine.current import find_frame
from planar.engine.execution.steps import OpenStep, StepCall, perform

T = TypeVar("T")


class Recorded:
    """A step.

    Args:
        name: what its record calls it.
        title: what people see.
        form: a function with the parameters and the result that are recorded; never called.
        kind: what it does.
        identity: what tells it from another step of that name at replay, if not the name.
        return_type: the type of its result, where *form* does not tell it.
    """

    def __init__(
        self,
        name: str,
        title: str,
        form: Callable[..., Any],
        *,
        kind: StepKind = StepKind.COMPUTE,
        identity: str | None = None,
        return_type: Any = None,
    ) -> None:
        self._identity = StepIdentity(f"planar.human.human.{name}", identity or name, kind, title)
        self._codec = CallCodec(form, return_type=return_type)

    async def __call__(self, args: tuple[Any, ...], body: Callable[[], Awaitable[T]], retry: RetryPolicy = NO_RETRY) -> T:
        """Do *body* once, and record it with *args*.

        Raises:
            RuntimeError: called outside a run.
        """
        frame = find_frame()
        if frame is None:
            raise RuntimeError(f"{self._identity.display_name}: that is for workflow code; it was called outside a run.")
        args_text, kwargs_text = self._codec.dump_call(args, {})

        async def in_step(_: OpenStep) -> T:
            return await body()

        return await perform(frame, StepCall(self._identity, args_text, kwargs_text, in_step, self._codec, retry))
