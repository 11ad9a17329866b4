"""One run in this worker: replay, call steps, record, settle.

`run` holds a run's state here, `steps` executes user code, `recording` writes how a step ended, `branches` and `turns` let several
strands go on in order, `parking` and `waits` sleep, `driver` goes from the function's first line to the end.
"""
