"""Human: ask people, and go on when somebody has answered."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel

from planar.engine.core.model import StepKind
from planar.human import running
from planar.human.changing import event_key
from planar.human.errors import HumanTaskCancelled, HumanTaskExpired
from planar.human.forms import FORMS, data_of, is_object, read, schema_of
from planar.human.lifecycle import Change, HumanTaskStatus, Timer, agenda
from planar.human.models import HumanTaskResult
from planar.human.options import Escalation, Quorum, Timeout, check_reach, checked_time
from planar.human.recording import Recorded
from planar.human.running import Asked, Outcome
from planar.workflows.waiting import get_deadline, wait_for_event_until

T = TypeVar("T", bound=BaseModel)

MAX_REMINDERS: Final = 1000


class Human(Generic[T]):
    """A kind of task for people: declared once in a module, awaited in workflows.

    The run sleeps until somebody has answered, for minutes or for months. There is one task for each place at which a run asks,
    whatever dies meanwhile, and no answer that does not fit *output_type* ever reaches the workflow.

    Args:
        name: what rows, lists and policies call it.
        title: what people read first.
        output_type: the pydantic model of an answer; its schema is the form.
        description: what people read beside the title.
        input_type: the pydantic model of what is asked about.
        timeout: how long people have; then the workflow gets `HumanTaskExpired`.
        assign_to: the one person that it is for, by subject or e-mail address.
        assign_role: the role that it is for. With neither it is for everybody who may complete tasks.
        priority: higher ones come first in lists that are sorted by it.
        due: when it should be done; nothing happens at that time but that it is overdue.
        reminders: how long after its creation its listeners are reminded of it, each time.
        escalate: to whom it goes if nobody has answered after some time.
        quorum: how many people have to answer, if not one.

    Raises:
        TypeError: an argument is not of its type.
        ValueError: *output_type* or *input_type* is not a pydantic model, an answer is not an object, a time is not
            above zero, or options do not fit each other, such as a quorum of two and one person to answer.
    """

    def __init__(
        self,
        name: str,
        title: str,
        output_type: type[T],
        description: str | None = None,
        input_type: type[BaseModel] | None = None,
        timeout: Timeout | None = None,
        *,
        assign_to: str | None = None,
        assign_role: str | None = None,
        priority: int = 0,
        due: timedelta | None = None,
        reminders: Sequence[timedelta] = (),
        escalate: Escalation | None = None,
        quorum: Quorum | None = None,
    ) -> None:
        _check_model(output_type, "output_type")
        if input_type is not None:
            _check_model(input_type, "input_type")
        if not name or not title:
            raise ValueError("A task for people has a name and a title.")
        if timeout is not None and not isinstance(timeout, Timeout):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not check types
            raise TypeError(f"timeout is a Timeout, as in Timeout(timedelta(hours=4)), not {timeout!r}.")
        if len(reminders) > MAX_REMINDERS:
            raise ValueError(f"A task has at most {MAX_REMINDERS} reminders, not {len(reminders)}.")
        if quorum is not None:
            quorum.check(output_type)
            check_reach(quorum, assign_to, assign_role, escalate)
        self.name, self.title, self.description = name, title, description
        self.output_type: type[T] = output_type
        self.input_type = input_type
        self.timeout = timeout
        self.assign_to, self.assign_role, self.priority = assign_to, assign_role, priority
        self.due = None if due is None else checked_time(due, "due")
        self.reminders = tuple(checked_time(after, "A reminder") for after in reminders)
        self.escalate, self.quorum = escalate, quorum
        self.output_schema = schema_of(output_type)
        if not is_object(self.output_schema):
            raise ValueError(f"An answer is a JSON object, which {output_type.__name__} is not: give it a field for what it holds.")
        FORMS.add(name, output_type, self.output_schema)
        result: Any = HumanTaskResult[output_type]
        kind = StepKind.HUMAN_IN_THE_LOOP
        self._run_step = Recorded("Human.run_step", name, _asked, kind=kind, identity=f"Human.run_step {name}", return_type=result)

    async def __call__(
        self, input_data: BaseModel | None = None, message: str | None = None, suggested_data: T | None = None
    ) -> HumanTaskResult[T]:
        """Ask, and wait for the answer.

        Args:
            input_data: what is asked about; of the declared ``input_type``, if there is one.
            message: what is asked, in words. One of the two has to be given.
            suggested_data: an answer to begin with.

        Raises:
            HumanTaskExpired: (a TimeoutError and a ValueError) nobody answered in time.
            HumanTaskCancelled: somebody cancelled the task.
            ValueError: neither input nor message is given, or one is of another type.
            RuntimeError: called outside a workflow.
        """
        self._check(input_data, message, suggested_data)
        asked = Asked(
            task=self,
            input_schema=None if input_data is None else schema_of(type(input_data)),
            input_data=data_of(input_data),
            message=message,
            suggested_data=data_of(suggested_data),
        )
        args = (asked.input_data, message, asked.suggested_data)
        return await self._run_step(args, lambda: self._ask(asked))

    async def _ask(self, asked: Asked) -> HumanTaskResult[T]:
        """The body of the step: repeated as a whole after a crash, its parts are not."""
        timeout = None if self.timeout is None else self.timeout.get_timedelta()
        has_timers = timeout is not None or self.escalate is not None or bool(self.reminders)
        opened_at = await get_deadline(0) if has_timers else None
        task_id = await _CREATE((self.name,), lambda: running.create_task(asked, opened_at, timeout))
        escalate = None if self.escalate is None else self.escalate.after
        timers = deque(agenda(opened_at, self.reminders, escalate, timeout) if opened_at is not None else [])
        try:
            while True:
                outcome = await self._wait(task_id, timers)
                if outcome is not None:
                    return self._result(task_id, outcome)
        except asyncio.CancelledError:
            # Nobody waits for the answer any more: a race is lost, a time limit is over. The run itself may go on.
            await _WITHDRAW((task_id,), lambda: running.withdraw(task_id))
            raise

    async def _wait(self, task_id: UUID, timers: deque[Timer]) -> Outcome | None:
        """Until somebody has answered, or time is over, doing what time brings; None if it was a false alarm.

        What is done is taken from *timers*: a false alarm brings nothing of it again.
        """
        while True:
            timer = timers[0] if timers else None
            came = await wait_for_event_until(event_key(task_id), None if timer is None else timer.at)
            if came or timer is None:
                return await _SETTLE((task_id, False), lambda: running.settle_task(task_id, self, is_over=False))
            timers.popleft()
            at = timer.at
            if timer.change is Change.EXPIRE:
                return await _SETTLE((task_id, True), lambda: running.settle_task(task_id, self, is_over=True))
            if timer.change is Change.REMIND:
                await _REMIND((task_id,), lambda at=at: running.remind(task_id, at))
            else:
                await _ESCALATE((task_id,), lambda at=at: running.escalate(task_id, self.escalate, at))

    def _result(self, task_id: UUID, outcome: Outcome) -> HumanTaskResult[T]:
        if outcome.status is HumanTaskStatus.CANCELLED:
            raise HumanTaskCancelled(f"Human task '{self.name}' ({task_id}) was cancelled: {outcome.reason}")
        if outcome.status is HumanTaskStatus.EXPIRED:
            raise HumanTaskExpired(f"Human task '{self.name}' ({task_id}) expired: nobody answered in time.")
        output = read(self.output_type, outcome.output)
        result: Any = HumanTaskResult[self.output_type]
        return result(task_id=task_id, output=output, completed_at=outcome.completed_at, completed_by=outcome.completed_by)

    def _check(self, input_data: Any, message: Any, suggested_data: Any) -> None:
        if input_data is None and message is None:
            raise ValueError(f"Human task '{self.name}': give it input_data, a message, or both, so that people know what is asked.")
        if input_data is not None and not isinstance(input_data, self.input_type or BaseModel):
            wanted = "a pydantic model" if self.input_type is None else f"of type {self.input_type.__name__}"
            raise ValueError(f"Human task '{self.name}': input_data is {wanted}, not {type(input_data).__name__}.")
        if message is not None and not isinstance(message, str):
            raise ValueError(f"Human task '{self.name}': message is a text, not {type(message).__name__}.")
        if suggested_data is not None and not isinstance(suggested_data, self.output_type):
            raise ValueError(
                f"Human task '{self.name}': suggested_data is of type {self.output_type.__name__}, not {type(suggested_data).__name__}."
            )


def _check_model(model: Any, what: str) -> None:
    if not isinstance(model, type) or not issubclass(model, BaseModel):
        raise ValueError(f"{what} is a pydantic model, a class derived from BaseModel, not {model!r}.")


# -- the recorded forms of the parts ----------------------------------------------------------------------------------------


async def _asked(input_data: Any, message: str | None, suggestion: Any) -> Any: ...


async def _created(name: str) -> UUID:
    raise NotImplementedError


async def _settled(task_id: UUID, is_over: bool) -> Outcome | None: ...


async def _acted(task_id: UUID) -> datetime | None: ...


_KIND: Final = StepKind.HUMAN_IN_THE_LOOP
_CREATE: Final = Recorded("Human._create_task", "Create Human Task", _created, kind=_KIND)
_SETTLE: Final = Recorded("Human._settle_task", "Take the answer", _settled)
_WITHDRAW: Final = Recorded("Human._withdraw", "Withdraw", _acted, kind=_KIND)
_REMIND: Final = Recorded("Human._remind", "Remind", _acted)
_ESCALATE: Final = Recorded("Human._escalate", "Escalate", _acted)
