"""The storages that the contract of `planar.files.storage.base` is tried on, and what their places hold beside files.

The server and the client of S3 take most of a second to load, which only the tests that use them wait for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

from obstore.store import MemoryStore

from planar.files.storage.base import ByteRange, Storage, StoredObject
from planar.files.storage.local_directory import LocalDirectoryStorage
from planar.files.storage.memory import MemoryStorage
from planar.files.storage.object_store import ObjectStorage
from planar.files.storage.s3 import S3Storage

MIB = 1024 * 1024

KEYS = {"access_key_id": "AKIATESTTESTTEST", "secret_access_key": "geheim+geheim/geheim"}


class Place(ABC):
    """Where a storage keeps files, seen from outside."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    @abstractmethod
    def leftovers(self) -> list[str]:
        """What writes that did not end have left."""

    def abandon(self) -> bool:
        """Leave a part as a process does that dies while it writes; False if nothing can be left here."""
        return False

    @property
    def before_leftovers(self) -> datetime:
        """When there were none yet."""
        return datetime.now(UTC) - timedelta(hours=1)

    async def close(self) -> None:
        await self.storage.close()


class InMemory(Place):
    def __init__(self) -> None:
        super().__init__(MemoryStorage())

    def leftovers(self) -> list[str]:
        return []


class InObstore(Place):
    """What all object stores have in common, without a service."""

    def __init__(self) -> None:
        shared = MemoryStore()
        super().__init__(ObjectStorage(lambda _options: shared, signs=False))

    def leftovers(self) -> list[str]:
        return []


class OnDisk(Place):
    def __init__(self, directory: Path) -> None:
        super().__init__(LocalDirectoryStorage(directory))
        self.directory = directory

    def leftovers(self) -> list[str]:
        return [path.name for path in self.directory.glob("tmp/*")]

    def abandon(self) -> bool:
        (self.directory / "tmp").mkdir(parents=True, exist_ok=True)
        (self.directory / "tmp" / str(uuid4())).write_bytes(b"half")
        return True


class InBucket(Place):
    def __init__(self, address: str) -> None:
        self.bucket = f"files-{uuid4()}"
        self.client = s3_client(address)
        self.client.create_bucket(Bucket=self.bucket)
        super().__init__(S3Storage(self.bucket, "us-east-1", address, **KEYS, prefix="files/test"))

    def leftovers(self) -> list[str]:
        return [upload["Key"] for upload in self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])]

    def abandon(self) -> bool:
        self.client.create_multipart_upload(Bucket=self.bucket, Key=f"files/test/{uuid4()}")
        return True

    @property
    def before_leftovers(self) -> datetime:
        return datetime(2010, 1, 1, tzinfo=UTC)  # the server says of every upload that it began later that year


PLACES: dict[str, Callable[[Path, str], Place]] = {
    "memory": lambda _path, _address: InMemory(),
    "obstore": lambda _path, _address: InObstore(),
    "directory": lambda path, _address: OnDisk(path / "files"),
    "s3": lambda _path, address: InBucket(address),
}


@contextmanager
def s3_server() -> Iterator[str]:
    """A server in this process that speaks S3; its address."""
    server = import_module("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
        s3_client(f"http://{host}:{port}").close()
    finally:
        server.stop()


@cache
def s3_client(address: str) -> Any:
    """A client of the same server that is not ours."""
    keys = {"aws_access_key_id": KEYS["access_key_id"], "aws_secret_access_key": KEYS["secret_access_key"]}
    return import_module("boto3").client("s3", endpoint_url=address, region_name="us-east-1", **keys)


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def content(storage: Storage, ref: str, byte_range: ByteRange | None = None) -> bytes:
    """What is stored, after a look at the size of each chunk."""
    received = [chunk async for chunk in await storage.read(ref, byte_range)]
    assert all(0 < len(chunk) <= MIB for chunk in received)
    return b"".join(received)


async def listed(storage: Storage) -> dict[str, StoredObject]:
    return {stored.ref: stored async for stored in storage.list_objects()}


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()
