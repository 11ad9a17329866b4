"""Runs, workers and faults from a seed: the engine over the memory store, in virtual time, on one deterministic event loop.

`seed` plays one seed and says what was violated; ``python -m tests.scenario.simulation --seed 17`` does so and prints the trace.
`loop` says what may be permuted, `faults` what goes wrong, `watch` and `model` what must be true all the same, `plants` how the
simulation itself is measured.
"""
