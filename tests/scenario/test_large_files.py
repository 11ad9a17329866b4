"""A large file goes through the app over HTTP, and the process stays small."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from tests import stores

MEBIBYTE = 1024 * 1024
SIZE = (2048 if os.environ.get(stores.LONG) else 384) * MEBIBYTE
MOST_MEMORY = 300 * MEBIBYTE

SERVER = """
import sys, uvicorn
from planar import PlanarApp, sqlite_config
from planar.config import LocalDirectoryConfig
from planar.files.config import FilesConfig

config = sqlite_config(sys.argv[1] + "/app.db").model_copy(update={
    "storage": LocalDirectoryConfig(directory=sys.argv[1] + "/files"),
    "files": FilesConfig(max_file_bytes=3 * 1024**3, max_files_per_upload=1),
})
server = uvicorn.Server(uvicorn.Config(PlanarApp(config=config), port=0, log_config=None, lifespan="on"))
startup = server.startup
async def announced(sockets=None):
    await startup(sockets)
    print("port", server.servers[0].sockets[0].getsockname()[1], flush=True)
server.startup = announced
server.run()
"""


def block(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(8)).digest() * (MEBIBYTE // 32)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """Its address and its process."""
    with subprocess.Popen([sys.executable, "-c", SERVER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = next(line for line in process.stdout if line.startswith("port")).split()[1]
            yield f"http://127.0.0.1:{port}/planar/v1/file", process.pid
        finally:
            process.terminate()


def peak_memory(pid: int) -> int:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory of a process is read from /proc")
@pytest.mark.store("sqlite")
def test_a_large_file_is_stored_and_read_in_bounded_memory(server: tuple[str, int]) -> None:
    address, pid = server
    digest = hashlib.sha256()

    def form() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="large.bin"\r\n\r\n'
        for number in range(SIZE // MEBIBYTE):
            piece = block(number)
            digest.update(piece)
            yield piece
        yield b"\r\n--x--\r\n"

    with httpx.Client(timeout=600) as client:
        answer = client.post(f"{address}/upload", content=form(), headers={"content-type": "multipart/form-data; boundary=x"})
        assert answer.status_code == 200, answer.text
        (stored,) = answer.json()
        assert stored["size"] == SIZE
        assert client.get(f"{address}/{stored['id']}/metadata").json()["sha256"] == digest.hexdigest()
        read = hashlib.sha256()
        with client.stream("GET", f"{address}/{stored['id']}/content") as download:
            for chunk in download.iter_raw():
                read.update(chunk)
        assert read.digest() == digest.digest()
        part = client.get(f"{address}/{stored['id']}/content", headers={"range": f"bytes={SIZE - 5}-"})
        assert part.content == block(SIZE // MEBIBYTE - 1)[-5:]
    assert peak_memory(pid) < MOST_MEMORY
    print(f"\n{SIZE // MEBIBYTE} MiB through a process of {peak_memory(pid) // MEBIBYTE} MiB")
