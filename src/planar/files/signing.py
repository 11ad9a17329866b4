"""How does a link carry a permission? It names one file, one method and a moment, and is signed with the app's key."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlencode
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Grant:
    """What a link allows: *method* on *file_id* until *expires* (seconds since 1970, UTC), with *inline* as it says."""

    method: str
    file_id: UUID
    expires: int
    inline: bool = False

    def _text(self) -> bytes:
        return f"planar file link 1\n{self.method}\n{self.file_id}\n{self.expires}\n{int(self.inline)}".encode()

    def signature(self, key: bytes) -> str:
        """The proof that whoever has *key* gave this grant: 64 hexadecimal digits."""
        return hmac.new(key, self._text(), sha256).hexdigest()

    def is_signed(self, key: bytes, signature: str) -> bool:
        """Whether *signature* is that proof. Takes the same time whatever is wrong."""
        return hmac.compare_digest(self.signature(key).encode(), signature.encode("utf-8", "replace"))

    def query(self, key: bytes) -> str:
        """The grant as the query of a link."""
        inline = {"inline": "true"} if self.inline else {}
        return urlencode({"expires": self.expires, "signature": self.signature(key), **inline})
