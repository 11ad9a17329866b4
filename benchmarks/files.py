"""How fast are storages of files, and how much memory do they take? 1,000 small files at once, and one of 2 GB, beside the bare disk.

    python benchmarks/files.py [--small N] [--large MIB] [--large-s3 MIB]

Each storage is measured in a process of its own, whose greatest memory is printed; the S3 server is another process.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from serving import run_as_served
from table import row

from planar.files.storage.base import Storage
from planar.files.storage.local_directory import LocalDirectoryStorage
from planar.files.storage.s3 import S3Storage

MIB = 1024 * 1024
CHUNK = os.urandom(64 * 1024)
SMALL = os.urandom(4 * 1024)
BUCKET = "benchmark"
MEMORY_BAR = 300


@dataclass(frozen=True)
class Task:
    """What a measuring process is told."""

    storage: str
    folder: Path
    address: str
    small: int
    large_mib: int

    def opened(self) -> Storage:
        if self.storage == "s3":
            return S3Storage(BUCKET, "us-east-1", self.address, "benchmark", "benchmark")
        return LocalDirectoryStorage(self.folder / "files")


# -- the floor: one file after the other, written, forced to the disk, summed -------------------------------------------------


def write_plainly(path: Path, chunks: Iterator[bytes]) -> None:
    digest = sha256()
    with path.open("wb", buffering=0) as file:
        for chunk in chunks:
            digest.update(chunk)
            file.write(chunk)
        os.fsync(file.fileno())


def read_plainly(path: Path) -> None:
    digest = sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(MIB):
            digest.update(chunk)


def floor_of_small(task: Task) -> tuple[float, float]:
    folder = task.folder / "floor"
    folder.mkdir()
    paths = [folder / str(number) for number in range(task.small)]
    written = timed(lambda: [write_plainly(path, iter((SMALL,))) for path in paths])
    read = timed(lambda: [read_plainly(path) for path in paths])
    return task.small / written, task.small / read


def floor_of_large(task: Task) -> tuple[float, float]:
    path = task.folder / "large"
    written = timed(lambda: write_plainly(path, (CHUNK for _ in range(task.large_mib * 16))))
    read = timed(lambda: read_plainly(path))
    path.unlink()
    return task.large_mib / written, task.large_mib / read


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


# -- the storages -------------------------------------------------------------------------------------------------------------


async def chunks(count: int, chunk: bytes) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield chunk


async def read_and_sum(storage: Storage, ref: str) -> str:
    digest = sha256()
    async for chunk in await storage.read(ref):
        digest.update(chunk)
    return digest.hexdigest()


async def small_files(storage: Storage, count: int) -> tuple[float, float]:
    began = time.perf_counter()
    stored = await asyncio.gather(*(storage.write(chunks(1, SMALL)) for _ in range(count)))
    between = time.perf_counter()
    sums = await asyncio.gather(*(read_and_sum(storage, one.ref) for one in stored))
    ended = time.perf_counter()
    assert sums == [one.sha256 for one in stored]
    return count / (between - began), count / (ended - between)


async def large_file(storage: Storage, mib: int) -> tuple[float, float]:
    began = time.perf_counter()
    stored = await storage.write(chunks(mib * 16, CHUNK))
    between = time.perf_counter()
    assert await read_and_sum(storage, stored.ref) == stored.sha256
    ended = time.perf_counter()
    await storage.delete(stored.ref)
    return mib / (between - began), mib / (ended - between)


def greatest_memory_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def show(what: str, unit: str, floor: float, storage: float) -> None:
    row(what, f"floor {floor:7.0f} {unit:<6} storage {storage:7.0f} {unit:<6} ratio {storage / floor:5.2f}")


async def measure(task: Task) -> None:
    storage = task.opened()
    floors = floor_of_small(task)
    for what, floor, figure in zip(("written", "read"), floors, await small_files(storage, task.small), strict=True):
        show(f"{task.storage}: {task.small} small, {what}", "/s", floor, figure)
    floors = floor_of_large(task)
    for what, floor, figure in zip(("written", "read"), floors, await large_file(storage, task.large_mib), strict=True):
        show(f"{task.storage}: {task.large_mib} MiB, {what}", "MiB/s", floor, figure)
    await storage.close()
    row(f"{task.storage}: greatest memory", f"{greatest_memory_mib():.0f} MiB", f"under {MEMORY_BAR} MiB")
    if task.storage == "s3":
        await asyncio.to_thread(measure_boto3, task)


def measure_boto3(task: Task) -> None:
    """The same of the service's own client, with its own threads: what this server can do."""
    client = s3_client(task.address)
    with ThreadPoolExecutor(10) as pool:
        keys = [f"small/{number}" for number in range(task.small)]
        puts = timed(lambda: list(pool.map(lambda key: client.put_object(Bucket=BUCKET, Key=key, Body=SMALL), keys)))
        gets = timed(lambda: list(pool.map(lambda key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read(), keys)))
    row(f"boto3: {task.small} small, ten at once", f"written {task.small / puts:7.0f} /s     read {task.small / gets:7.0f} /s")
    path = task.folder / "large"
    write_plainly(path, (CHUNK for _ in range(task.large_mib * 16)))
    upload = timed(lambda: client.upload_file(str(path), BUCKET, "large"))
    download = timed(lambda: client.download_file(BUCKET, "large", str(path)))
    row(f"boto3: {task.large_mib} MiB", f"written {task.large_mib / upload:7.0f} MiB/s  read {task.large_mib / download:7.0f} MiB/s")


# -- the processes ------------------------------------------------------------------------------------------------------------


def serve() -> None:
    """An S3 in memory: say its address, and serve until the input ends."""
    from moto.server import ThreadedMotoServer  # the measured processes do without it

    logging.disable(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()
    server.stop()


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of a server in another process, with a bucket."""
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        subprocess.run([sys.executable, __file__, "--make-bucket", address], check=True)
        yield address
        server.stdin.close()


def s3_client(address: str) -> Any:
    import boto3  # as above
    from botocore.config import Config

    patient = Config(read_timeout=600, retries={"total_max_attempts": 1})
    keys = {"aws_access_key_id": "benchmark", "aws_secret_access_key": "benchmark"}
    return boto3.client("s3", "us-east-1", endpoint_url=address, config=patient, **keys)


def measured(storage: str, address: str, small: int, large_mib: int) -> None:
    """Measure in a process of its own, so that its memory is its own."""
    with tempfile.TemporaryDirectory() as folder:
        told = [storage, folder, address, str(small), str(large_mib)]
        subprocess.run([sys.executable, __file__, "--measure", *told], check=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--small", type=int, default=1000, help="how many small files")
    arguments.add_argument("--large", type=int, default=2048, help="the size of the large file in a directory, in MiB")
    arguments.add_argument("--large-s3", type=int, default=512, help="the same in S3, whose server keeps everything in memory")
    arguments.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments.add_argument("--make-bucket", help=argparse.SUPPRESS)
    arguments.add_argument("--measure", nargs=5, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.serve:
        serve()
    elif given.make_bucket:
        s3_client(given.make_bucket).create_bucket(Bucket=BUCKET)
    elif given.measure:
        storage, folder, address, small, large = given.measure
        run_as_served(measure(Task(storage, Path(folder), address, int(small), int(large))))
    else:
        measured("directory", "", given.small, given.large)
        with s3_server() as address:
            measured("s3", address, given.small, given.large_s3)


if __name__ == "__main__":
    main()
