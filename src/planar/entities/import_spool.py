"""Where do the lines of a file wait that were validated and are not written yet? In memory while they are few, else in a file."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterator, Sequence
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

MEMORY: Final = 256 * 1024
"""How many bytes wait in memory."""

T = TypeVar("T")


class Spool(Generic[T]):
    """Batches, which are given back once and in their order. What it writes, nobody else can read."""

    def __init__(self) -> None:
        self._file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(max_size=MEMORY)  # noqa: SIM115 - closed at the end of the block
        # The lengths of those that are in the file. What cannot be written down, such as a value of a class inside of a function, stays.
        self._batches: list[int | Sequence[T]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._file.close()

    def add(self, batch: Sequence[T]) -> None:
        """Keep *batch*."""
        try:
            written = pickle.dumps(batch, pickle.HIGHEST_PROTOCOL)
        except (pickle.PicklingError, AttributeError, TypeError, RecursionError):
            self._batches.append(batch)
            return
        # Rows say much the same: about a tenth remains.
        self._batches.append(self._file.write(zlib.compress(written, 1)))

    def take(self) -> Iterator[Sequence[T]]:
        """The batches."""
        self._file.seek(0)
        for batch in self._batches:
            if isinstance(batch, int):
                yield pickle.loads(zlib.decompress(self._file.read(batch)))
            else:
                yield batch
