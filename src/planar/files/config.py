"""What may be uploaded, and how long is a link valid? The ``files`` section of the settings file."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

MEBIBYTE = 1024 * 1024
ENVELOPE_BYTES_PER_FILE = 64 * 1024
"""What a form carries beside each file: its headers, a few small fields."""


def _pattern(value: str) -> str:
    text = value.strip().lower()
    if text != "*/*" and not re.fullmatch(r"[a-z0-9!#$&^_.+-]+/(\*|[a-z0-9!#$&^_.+-]+)", text):
        raise ValueError("give a type like image/png, or a kind like image/*")
    return text


TypePattern: TypeAlias = Annotated[str, AfterValidator(_pattern)]
"""A type of content, ``image/png``, or a kind of them, ``image/*``."""


class FilesConfig(BaseModel):
    """Limits on what clients upload, and how they get it back. What workflow code stores by itself is not limited."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    max_file_bytes: int = Field(default=100 * MEBIBYTE, ge=1)
    """The largest file; counted as it arrives, whatever was claimed."""
    max_files_per_upload: int = Field(default=20, ge=1, le=1000)
    """How many files one request may carry."""
    allowed_types: list[TypePattern] = Field(default_factory=list[str])
    """If any is given, only files of these types are taken."""
    refused_types: list[TypePattern] = Field(default_factory=list[str])
    """Files of these types are not taken, even if they are allowed."""
    deduplicate: bool = False
    """Whether files with the same bytes are stored once."""
    redirect_downloads: bool = True
    """Whether a download is sent on to the storage, where that signs addresses; otherwise the bytes pass through this process."""
    link_ttl_seconds: int = Field(default=3600, ge=1)
    """How long a link is valid if nobody says how long."""
    max_link_ttl_seconds: int = Field(default=7 * 24 * 3600, ge=1, le=366 * 24 * 3600)
    """The longest time that may be asked for."""
    upload_ttl_seconds: int = Field(default=3600, ge=60, le=7 * 24 * 3600)
    """How long an announced direct upload is waited for."""
    signing_key: SecretStr | None = Field(default=None, min_length=32)
    """What links are signed with; by default a key that the app makes once and keeps in its database."""

    @property
    def max_upload_bytes(self) -> int:
        """The largest body of a request that uploads files."""
        return self.max_files_per_upload * (self.max_file_bytes + ENVELOPE_BYTES_PER_FILE)
