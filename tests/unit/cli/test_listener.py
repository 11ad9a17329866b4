from __future__ import annotations

import errno
import socket

import pytest

from planar.cli import listener as module
from planar.cli.errors import CommandFailed
from planar.cli.listener import open_listener, web_address


def test_a_free_port_is_taken_and_connections_wait_in_it() -> None:
    with open_listener("127.0.0.1", 0) as listener:
        host, port = listener.getsockname()
        assert web_address(listener) == f"http://127.0.0.1:{port}"
        with socket.create_connection((host, port), timeout=1):
            pass


def test_a_port_in_use_is_named_with_the_remedy() -> None:
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(CommandFailed, match=rf"^Port {port} on 127.0.0.1 is in use\. .*--port"):
            open_listener("127.0.0.1", port)


def test_a_port_is_free_again_as_soon_as_it_is_closed() -> None:
    with open_listener("127.0.0.1", 0) as listener:
        address = listener.getsockname()
        with socket.create_connection(address), listener.accept()[0]:
            pass
    open_listener(*address).close()


def test_a_host_that_is_no_address_is_refused() -> None:
    with pytest.raises(CommandFailed, match="'no host' is not an address"):
        open_listener("no host", 0)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(CommandFailed, match=r"Cannot listen on 192\.0\.2\.1"):
        open_listener("192.0.2.1", 0)


def test_missing_rights_are_told() -> None:
    assert "without more rights" in module._why(OSError(errno.EACCES, "denied"), "127.0.0.1", 80)


def test_an_ipv6_address_is_written_in_brackets() -> None:
    class Listener:
        def getsockname(self) -> tuple[str, int, int, int]:
            return ("::1", 8000, 0, 0)

    assert web_address(Listener()) == "http://[::1]:8000"  # type: ignore[arg-type]
