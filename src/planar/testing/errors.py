"""What a test waited for and did not get. Each is an AssertionError too, so that a test that gets one has failed and not broken."""

from __future__ import annotations

from planar.errors import PlanarError


class WaitFailed(PlanarError, AssertionError):
    """What a test waited for did not happen; the message says what did."""

    code = "wait_failed"


class WaitTimeout(WaitFailed, TimeoutError):
    """What a test waited for did not happen in time; the message says what did."""

    code = "wait_timeout"


class NothingDue(WaitFailed):
    """Time cannot bring what a test waits for: no run sleeps until a time any more."""

    code = "nothing_due"
