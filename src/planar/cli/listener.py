"""Where are requests taken? The listening socket, opened before anything is started."""

from __future__ import annotations

import errno
import socket

from planar.cli.errors import CommandFailed

BACKLOG = 2048
"""How many connections may wait while no server takes them, as during a reload."""


def open_listener(host: str, port: int) -> socket.socket:
    """A socket that listens on *host* and *port* (0 for a free one).

    Raises:
        CommandFailed: the address cannot be had; the message says why and what to do.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror:
        raise CommandFailed(f"{host!r} is not an address of this machine. Give another one with --host.") from None
    listener = socket.socket(family, kind, protocol)
    try:
        # A port whose last connections are still being closed can be taken again at once.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CommandFailed(_why(error, host, port)) from None
    return listener


def web_address(listener: socket.socket) -> str:
    """The address of *listener* as a browser takes it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use. End the program that uses it, or choose another port with --port."
    if error.errno == errno.EACCES:
        return f"Port {port} may not be used without more rights. Choose one from 1024 on with --port."
    return f"Cannot listen on {host}, port {port}: {error.strerror}. Choose another address with --host."
