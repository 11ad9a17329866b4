"""What runs in a process that `planar` starts and replaces? ``python -m planar.cli.child <order>``."""

from __future__ import annotations

import os
import socket
import sys

from planar.cli.lifeline import Lifeline
from planar.cli.order import Order
from planar.cli.server import serve


def main(text: str) -> int:
    """Do what the order *text* says, until asked to stop or until the supervisor is gone."""
    order = Order.from_text(text)
    lifeline = Lifeline(_inherited(order.lifeline))
    lifeline.hold()
    listener = None
    if order.listener is not None:
        listener = _inherited(order.listener)
        os.register_at_fork(after_in_child=listener.close)

    def ready(line: str) -> None:
        if order.announces:
            print(line, flush=True)
        lifeline.tell_serving(line)

    return serve(order.duty, listener, on_loaded=lambda limits: lifeline.tell_patience(limits.total), on_ready=ready, is_alone=False)


def _inherited(number: int) -> socket.socket:
    """The socket that was handed over; programs started from here do not get it."""
    inherited = socket.socket(fileno=number)
    inherited.set_inheritable(False)
    return inherited


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:
        # While the app was being imported: nothing to stop, nothing to show.
        sys.exit(130)
