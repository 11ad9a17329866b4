"""What can go wrong in a run.

::

    PlanarError
    ├── EngineError
    │   ├── StepError                       a step failed with an error whose class cannot be restored
    │   │   └── WorkflowError               the same for a whole run
    │   ├── NonDeterministicStepCallError   the code took another way than the record says
    │   ├── ForeignTaskError                a step was called in a task that the engine does not know
    │   ├── ArgumentNotStorable             a value cannot be written to the journal (also TypeError)
    │   │   └── ResultNotStorable
    │   ├── CallNotRestorable               recorded arguments do not fit the function any more
    │   ├── StepTimeout                     an attempt, or all of them, took too long (also TimeoutError)
    │   ├── StepInterrupted                 a process died, or stopped, in the middle of a step that must not be repeated (again)
    │   ├── NestedCallRefused               a step that happens at most once called another (also RuntimeError)
    │   ├── BranchTimeout                   what `timeout` limits was not ready in time (also TimeoutError)
    │   ├── EventTimeout                    nothing came in time (also TimeoutError, ValueError)
    │   ├── WorkflowNotRegistered           nobody here knows a workflow of that name
    │   ├── WorkflowNameTaken               two workflows of one name
    │   ├── RunNotFound
    │   ├── RunAlreadyEnded                 too late to cancel
    │   ├── RunCancelled                    whoever waits for a cancelled run gets this
    │   ├── UnreadableHistory               a record of the run is not known to this version
    │   ├── TooManyRecoveries               the run killed its worker again and again
    │   ├── PayloadTooLarge                 the arguments are larger than allowed (also ValueError)
    │   ├── StaleEpoch                      another worker holds the run: a write was refused
    │   └── StoreNotAvailable               no store for this kind of database exists yet
    └── InternalError

    BaseException
    └── RunDetached                         this pass is over here; not an error of the run
"""

from __future__ import annotations

from uuid import UUID

from planar.errors import PlanarError


class EngineError(PlanarError):
    """The engine could not go on."""

    code = "engine_error"


class StepError(EngineError):
    """A step failed with an error whose class cannot be restored."""

    code = "step_error"

    def __init__(self, type: str, message: str = "") -> None:
        self.type = type
        super().__init__(message or type)

    def __reduce__(self) -> tuple[object, ...]:
        return (self.__class__, (self.type, self.message))


class WorkflowError(StepError):
    """A run failed with an error whose class cannot be restored."""

    code = "workflow_error"


class NonDeterministicStepCallError(EngineError):
    """The workflow took another way than its record says."""

    code = "non_deterministic_step_call"


class ForeignTaskError(EngineError, RuntimeError):
    """A step was called in a task that the engine does not know."""

    code = "foreign_task"


class ArgumentNotStorable(EngineError, TypeError):
    """An argument cannot be written to the journal."""

    code = "argument_not_storable"
    status = 422


class ResultNotStorable(ArgumentNotStorable):
    """A result cannot be written to the journal."""

    code = "result_not_storable"
    status = 500


class CallNotRestorable(EngineError, ValueError):
    """Recorded arguments do not fit the function any more."""

    code = "call_not_restorable"


class EventTimeout(EngineError, TimeoutError, ValueError):
    """Nothing came in time."""

    code = "event_timeout"


class StepTimeout(EngineError, TimeoutError):
    """A step took longer than it may."""

    code = "step_timeout"


class StepInterrupted(EngineError):
    """A process ended in the middle of a step that is not repeated: whether the step had its effect is not known."""

    code = "step_interrupted"


class NestedCallRefused(EngineError, RuntimeError):
    """A step that happens at most once called another step, or waited."""

    code = "nested_call_refused"


class BranchTimeout(EngineError, TimeoutError):
    """What was limited by `timeout` was not ready in time."""

    code = "branch_timeout"


class WorkflowNotRegistered(EngineError, LookupError):
    """No workflow of that name is registered."""

    code = "workflow_not_found"
    status = 404


class WorkflowNameTaken(EngineError, ValueError):
    """Another workflow of this name is registered already."""

    code = "workflow_name_taken"


class RunNotFound(EngineError, LookupError):
    """There is no such run."""

    code = "run_not_found"
    status = 404


class RunAlreadyEnded(EngineError):
    """The run has ended already."""

    code = "run_already_ended"
    status = 409


class RunCancelled(EngineError):
    """The run was cancelled."""

    code = "run_cancelled"
    status = 409


class UnreadableHistory(EngineError):
    """A record of the run cannot be read here. Drive the run with the version that wrote it."""

    code = "unreadable_history"

    def __init__(self, run_id: UUID) -> None:
        super().__init__(f"The history of run {run_id} cannot be read by this version: a newer one wrote it, or it was changed by hand.")
        self.run_id = run_id


class TooManyRecoveries(EngineError):
    """The worker of this run died too many times while it executed the run."""

    code = "too_many_recoveries"


class PayloadTooLarge(EngineError, ValueError):
    """The arguments are larger than this app allows."""

    code = "payload_too_large"
    status = 413


class StaleEpoch(EngineError):
    """Another worker holds the run: what this one wrote was refused."""

    code = "stale_epoch"


class StoreNotAvailable(EngineError):
    """Durable workflows do not run on this kind of database in this version yet."""

    code = "store_not_available"


class RunDetached(BaseException):
    """This worker lets go of the run: its code is unwound here and will go on from its record elsewhere.

    A BaseException, so that ``except Exception`` in user code does not mistake it for a failure.
    """
