"""The files of a run's rounds: found by their numbers, never replaced, and watched while the run goes on."""

from __future__ import annotations

import hashlib
import os
import pathlib
import re
from collections.abc import Iterable

LOOKED = 200  # files that are looked at when one is added: each takes microseconds, and there may be thousands
Signature = tuple[int, int, int]  # size, time of the last change, inode: a file with the same three is the same


def path_of(folder: pathlib.Path, number: int) -> pathlib.Path:
    """Where a run in ``folder`` keeps this round."""
    return folder / "rounds" / f"{number:03d}.json"


def numbers(folder: pathlib.Path) -> list[int]:
    """The rounds that there are files of, in order. Files of other names are nobody's rounds, and passed over."""
    matches = (re.fullmatch(r"(\d{3,})\.json", path.name) for path in (folder / "rounds").glob("*.json"))
    known = {int(match[1]): match[0] for match in matches if match}
    return sorted(number for number in known if path_of(folder, number).name == known[number])


def write_new(path: pathlib.Path, content: str) -> None:
    """Write a file that must not be there yet, the whole of it or nothing. Raises FileExistsError if it is."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(content, encoding="utf-8", errors="replace")
    try:
        os.link(beside, path)  # unlike a rename it never replaces
    except FileExistsError:
        beside.unlink()
        raise
    except (OSError, AttributeError):  # a file system, or a system, without hard links
        if path.exists():
            beside.unlink()
            raise FileExistsError(f"{path} exists") from None
        os.replace(beside, path)
    else:
        beside.unlink()


class Watch:
    """What the files of rounds were like when they were read or written."""

    def __init__(self, folder: pathlib.Path, known: Iterable[int] = ()) -> None:
        self.folder = folder
        self._signatures = {number: self._look(number) for number in known}
        self._digests: dict[int, bytes] = {}
        self._next = 0

    def written(self, number: int, content: str = "") -> None:
        """From now on this one is watched too."""
        self._signatures[number] = self._look(number)
        self._digests[number] = _digest(content.encode(errors="replace"))

    def same(self, number: int) -> bool:
        """Whether a round's file has the bytes that were written; as far as one knows, where it was only read."""
        return number not in self._digests or self._digests[number] == _digest(
            path_of(self.folder, number).read_bytes()
        )

    def look(self) -> tuple[list[int], list[int]]:
        """The rounds whose files are gone, and those whose files are not as they were; of more than LOOKED, some at a time."""
        known = list(self._signatures)
        if len(known) > LOOKED:
            self._next = self._next % len(known)
            known = [*known[self._next :], *known][:LOOKED]
            self._next += LOOKED
        now = {number: self._look(number) for number in known}
        missing = [number for number in known if now[number] is None]
        return missing, [n for n in known if now[n] not in (None, self._signatures[n])]

    def _look(self, number: int) -> Signature | None:
        try:
            about = path_of(self.folder, number).stat()
        except OSError:
            return None
        return about.st_size, about.st_mtime_ns, about.st_ino


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
