"""Documents and their characters."""

from __future__ import annotations

import os
import pathlib
import stat
from typing import List, Sequence, Union

from bench.workload.config import WorkloadError

DATASETS = pathlib.Path(__file__).parent / "datasets"
DEFAULT = "given_names"
Documents = Union[str, pathlib.Path, Sequence[str]]  # as documents_in takes them
LARGEST_FILE = 64 * 2**20  # bytes of a dataset


def embedded() -> List[str]:
    """Names of the datasets that the project ships."""
    return sorted(path.stem for path in DATASETS.glob("*.txt"))


def path_of(data: str) -> pathlib.Path:
    """The file of an embedded dataset's name, or ``data`` itself as a path."""
    return DATASETS / f"{data}.txt" if data in embedded() else pathlib.Path(data)


def read_documents(path: str | pathlib.Path) -> List[str]:
    """One document a line, stripped; blank lines are skipped. Raises WorkloadError if that leaves none.

    Also for what is no regular file, which might never end, for more than LARGEST_FILE bytes, and for what is no text.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise WorkloadError(
                f"the dataset {path} is not a file: give one, or on the command line --data - for standard input"
            )
        with open(path, "rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise WorkloadError(f"cannot read the dataset {path}: {error.strerror or error}") from None
    check_size(path, raw)
    if b"\0" in raw:
        raise WorkloadError(f"{path} is not text (byte {raw.index(0)} is 0): if it is UTF-16, convert it with iconv")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WorkloadError(
            f"{path} is not UTF-8 (byte {error.start} is 0x{raw[error.start]:02x}): convert it, for instance with iconv"
        ) from None
    # as microgpt.py splits: on newlines only, so that odd separators inside a document stay characters
    documents = [line.strip() for line in text.strip().split("\n") if line.strip()]
    if not documents:
        raise WorkloadError(f"{path} has no documents: it needs at least one line with text")
    return documents


def documents_in(documents: Documents) -> List[str]:
    """A list of strings as it is; of a text with line breaks its lines; what an embedded dataset or a file has.

    Raises WorkloadError where that is none, or no document.

    >>> documents_in("emma\\n ava\\n\\n"), len(documents_in("colours"))
    (['emma', 'ava'], 250)
    """
    if isinstance(documents, str) and "\n" in documents:
        documents = [line.strip() for line in documents.split("\n") if line.strip()]
    elif isinstance(documents, str) and documents not in embedded() and not os.path.exists(documents):
        raise WorkloadError(
            f"{documents[:60]!r} is neither an embedded dataset ({', '.join(embedded())}) nor a file: give one of these, or a"
            " list of strings"
        )
    if isinstance(documents, (str, pathlib.Path)):
        return read_documents(path_of(str(documents)))
    texts = [] if documents is None else list(documents)
    if not texts:
        raise WorkloadError("there are no documents: give at least one string")
    for document in texts:
        if not isinstance(document, str):
            raise WorkloadError(f"documents must be strings, and {document!r} is not: convert it")
    return texts


def cut(documents: Sequence[str], block_size: int) -> str:
    """How many documents have characters past the block, which nobody trains on, as a line; "" for none."""
    longer = [len(document) for document in documents if len(document) > block_size]
    if not longer:
        return ""
    return (
        f"the block cuts {len(longer):,} of {len(documents):,} documents at {block_size} characters; the longest has"
        f" {max(longer):,}"
    )


def check_size(path: str | pathlib.Path, raw: bytes) -> None:
    """Raises WorkloadError for more than LARGEST_FILE bytes."""
    if len(raw) > LARGEST_FILE:
        raise WorkloadError(
            f"the dataset {path} is larger than {LARGEST_FILE // 2**20} MiB: use a part of it, for instance with head"
        )


class Vocabulary:
    """Characters as tokens, sorted, and one more token, BOS, that begins and ends each document."""

    def __init__(self, documents: Sequence[str]) -> None:
        self.characters = sorted(set("".join(documents)))
        self.bos = len(self.characters)
        self._token = {character: token for token, character in enumerate(self.characters)}

    def __len__(self) -> int:
        return len(self.characters) + 1

    def encode(self, document: str) -> List[int]:
        """BOS, the document's characters, BOS. Raises WorkloadError for a character the model has not seen."""
        token = self._token
        try:
            return [self.bos, *[token[character] for character in document], self.bos]
        except KeyError as error:
            known = "".join(self.characters)
            raise WorkloadError(
                f"the character {error.args[0]!r} in {document[:40]!r} is not in the training data: use only {known!r}"
            ) from None
