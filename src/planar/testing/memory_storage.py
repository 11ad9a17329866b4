"""Where are a test's files? In this process. It is a file storage like any other, and nothing is left of it."""

from planar.files.storage.opening import MemoryStorage

__all__ = ["MemoryStorage"]
