"""One run in this worker: replay, call steps, record, settle.

`run` holds a run's state here, `steps` executes user code, `waits` sleeps, `linked` starts and announces, `driver` goes from the
function's first line to the end.
"""
