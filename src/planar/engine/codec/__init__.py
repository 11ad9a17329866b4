"""How do arguments, results and errors become JSON text, and come back as what they were?

`CallCodec` writes and restores the calls of one function; `capture_failure` and `restore_failure` do it for errors.
"""

from planar.engine.codec.calls import CallCodec
from planar.engine.codec.failures import capture_failure, dump_failure, load_failure, restore_failure

__all__ = ["CallCodec", "capture_failure", "dump_failure", "load_failure", "restore_failure"]
