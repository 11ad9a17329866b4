"""The program of a process that evaluates graphs: started by its path, alone, without the rest of Planar.

It reads frames from its standard input and writes frames to its standard output: four bytes of length, then JSON. A request is
``{"key", "entry", "graphs", "context", "trace"}``; an answer has ``value`` or ``error``. Graphs are sent once a key, and kept.
It ends when its input does, so it does not outlive the process that started it.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
from collections import OrderedDict
from contextlib import suppress
from typing import Any, BinaryIO, Final

import zen

KEPT: Final = 32
"""How many compiled graphs a process keeps."""
MAIN: Final = "main"
FILES: Final = 64
"""How many files and connections a process may have open, all of which are taken before a script runs."""


def limit(memory: int) -> None:
    """Bound this process's address space to *memory* bytes, and let it open nothing: no file, no connection."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    # Every number of a file is taken, so a script gets none: neither for a file nor for a connection.
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    with suppress(OSError):
        while True:
            os.dup(2)


def warm_up() -> None:
    """Let the engine start its threads and open what it needs, before nothing may be opened any more."""
    source = "export const handler = async (input) => input"
    nodes = [
        {"id": "i", "type": "inputNode", "name": "i", "content": {"schema": ""}, "position": {"x": 0, "y": 0}},
        {"id": "f", "type": "functionNode", "name": "f", "content": {"source": source}, "position": {"x": 0, "y": 0}},
    ]
    edges = [{"id": "e", "type": "edge", "sourceId": "i", "targetId": "f"}]
    compiled({MAIN: {"nodes": nodes, "edges": edges}}).evaluate(MAIN, "{}")


def compiled(graphs: dict[str, Any]) -> Any:
    """An engine with *graphs*, each of which it compiles once."""
    return zen.ZenEngine({"loader": {"type": "static", "content": graphs}})


def answer(request: dict[str, Any], engines: OrderedDict[str, Any]) -> dict[str, Any]:
    """Evaluate what *request* asks for."""
    key = request["key"]
    graphs = request.get("graphs")
    if graphs is not None:
        engines[key] = compiled(graphs)
        while len(engines) > KEPT:
            engines.popitem(last=False)
    engine = engines.get(key)
    if engine is None:
        return {"unknown": True}
    engines.move_to_end(key)
    return {"value": engine.evaluate(request["entry"], request["context"], {"trace": request["trace"]})}


def read(stream: BinaryIO) -> dict[str, Any] | None:
    """The next request; None at the end."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    (length,) = struct.unpack(">I", head)
    body = stream.read(length)
    return json.loads(body) if len(body) == length else None


def write(stream: BinaryIO, value: dict[str, Any]) -> None:
    """Send *value*."""
    body = json.dumps(value).encode()
    stream.write(struct.pack(">I", len(body)) + body)
    stream.flush()


def main() -> None:
    """Serve until the input ends."""
    # What a library prints must not get between the frames.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    warm_up()
    limit(int(sys.argv[1]))
    write(output, {"ready": True})
    engines: OrderedDict[str, Any] = OrderedDict()
    while (request := read(sys.stdin.buffer)) is not None:
        try:
            given = answer(request, engines)
        except MemoryError:
            given = {"error": '{"type": "NodeError", "source": "out of memory"}'}
        except Exception as error:  # whatever the engine raises belongs to whoever asked
            given = {"error": str(error)}
        write(output, given)


if __name__ == "__main__":
    main()
