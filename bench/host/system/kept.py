"""Files of the user's cache that took long to make: whole or not at all, and only the latest of a folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import tempfile


def read(path: pathlib.Path) -> bytes | None:
    """What `keep` kept there; None where there is nothing, or it is damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, body = content[:32], content[32:]
    return body if digest == hashlib.sha256(body).digest() else None


def keep(path: pathlib.Path, body: bytes, most: int) -> None:
    """Keep it, with at most so many files in its folder; a cache that can't be written to is no fault."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(hashlib.sha256(body).digest() + body)
        os.replace(file.name, path)
        for old in sorted(path.parent.iterdir(), key=lambda other: other.stat().st_mtime)[:-most]:
            old.unlink()
