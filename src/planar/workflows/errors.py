"""What can go wrong between a caller and a run, beside what goes wrong in the run itself.

::

    PlanarError
    ├── UnusableSignature   500  a parameter of a workflow cannot be an input (also TypeError)
    ├── StepNotFound        404  the run has no such step (also LookupError)
    └── ReservedEventKey    403  events of this key are not for callers to emit
"""

from __future__ import annotations

from planar.errors import PlanarError


class UnusableSignature(PlanarError, TypeError):
    """A parameter of the workflow cannot be an input."""

    code = "unusable_signature"


class StepNotFound(PlanarError, LookupError):
    """The run has no such step."""

    code = "step_not_found"
    status = 404


class ReservedEventKey(PlanarError):
    """Events of this key are emitted by Planar itself."""

    code = "event_key_reserved"
    status = 403
