from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from planar.cli.duty import Duty
from planar.cli.entry import Entry
from planar.cli.lifeline import ORPHANED
from planar.cli.order import Order

HELD = """
import socket, sys, time
from planar.cli.lifeline import Lifeline
line = Lifeline(socket.socket(fileno=int(sys.argv[1])))
line.hold()
line.tell_patience(7.5)
line.tell_serving()
{then}
"""


@pytest.mark.parametrize("then", ["time.sleep(60)", "while True: pass"])
def test_a_server_ends_with_its_supervisor_whatever_it_is_doing(then: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        program = HELD.format(then=then)
        process = subprocess.Popen([sys.executable, "-c", program, str(theirs.fileno())], pass_fds=[theirs.fileno()])
        try:
            theirs.close()
            ours.settimeout(20)
            told = b""
            while told.count(b"\n") < 2:
                told += ours.recv(100)
            assert told == b"patience 7.5\nserving\n"
            assert process.poll() is None
            ours.close()
            assert process.wait(timeout=2) == ORPHANED
        finally:
            process.kill()
            process.wait()


def test_an_order_survives_its_way() -> None:
    duty = Duty(Entry(Path("/a b/main.py"), Path("/a b"), "main"), "app", serves=False, works=True, concurrency=7)
    order = Order(duty, None, 4, announces=False)
    assert Order.from_text(order.to_text()) == order
