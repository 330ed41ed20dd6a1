"""Documents and their characters."""

from __future__ import annotations

import pathlib
from typing import List, Sequence

from bench.workload.config import WorkloadError

DATASETS = pathlib.Path(__file__).parent / "datasets"
DEFAULT = "given_names"


def embedded() -> List[str]:
    """Names of the datasets that the project ships."""
    return sorted(path.stem for path in DATASETS.glob("*.txt"))


def path_of(data: str) -> pathlib.Path:
    """The file of an embedded dataset's name, or ``data`` itself as a path."""
    return DATASETS / f"{data}.txt" if data in embedded() else pathlib.Path(data)


def read_documents(path: str | pathlib.Path) -> List[str]:
    """One document a line, stripped; blank lines are skipped. Raises WorkloadError if that leaves none."""
    try:
        raw = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise WorkloadError(f"cannot read the dataset {path}: {error.strerror or error}") from None
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
