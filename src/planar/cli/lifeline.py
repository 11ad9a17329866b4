"""How does the serving process end with its supervisor, even when that is killed?

Supervisor and server hold the two ends of a pair of sockets. The supervisor never writes; when it is gone, however it went, the
server reads the end of the stream in a thread of its own, which works while the event loop is blocked, and ends at once. Linux is
asked to kill the server as well, for code that holds the interpreter. The other way the server tells how it is doing.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import threading
from contextlib import suppress

ORPHANED = 70
"""The exit code of a server whose supervisor is gone. Nobody is left to read it but a log."""

SERVING = "serving"
PATIENCE = "patience"

_PR_SET_PDEATHSIG = 1


class Lifeline:
    """The server's end."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def hold(self) -> None:
        """End this process when the supervisor is gone. Called once, as early as possible, from the main thread."""
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # A program forked from this one would keep the connection, and the port, for itself.
        os.register_at_fork(after_in_child=self._connection.close)
        threading.Thread(target=self._end_with_supervisor, name="planar-lifeline", daemon=True).start()

    def tell_patience(self, seconds: float) -> None:
        """Say how long a stop of this server may take."""
        self._tell(f"{PATIENCE} {seconds}")

    def tell_serving(self, line: str = "") -> None:
        """Say that this process does its duty now; *line* is what people are told of it."""
        self._tell(f"{SERVING} {line}".rstrip())

    def _tell(self, line: str) -> None:
        # Without a supervisor there is nobody to tell, and this process is about to end.
        with suppress(OSError):
            self._connection.sendall(f"{line}\n".encode())

    def _end_with_supervisor(self) -> None:
        with suppress(OSError):
            while self._connection.recv(1):
                pass
        os._exit(ORPHANED)
