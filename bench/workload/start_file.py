"""What a training begins with, for a program in any language: sizes, documents in their order, weights.

A text of lines, read from the top: the kind, the sizes, the characters (a character's token is its place, from 0; the one
after the last begins and ends each document), how many documents and then one a line, and for each matrix its name,
rows and columns and then a row a line. Numbers have 17 digits, which give back every double exactly.
"""

from __future__ import annotations

from bench.workload.config import WorkloadError
from bench.workload.trainer import Trainer

KIND = "microgpt-bench start 1"
SIZES = ("n_layer", "n_embd", "block_size", "n_head")


def text_of(trainer: Trainer) -> str:
    """The file's text, of a trainer as it is now. Raises WorkloadError where a document has a line break."""
    if any("\n" in document or "\r" in document for document in trainer.documents):
        raise WorkloadError("a document has a line break, and the start file has one document a line: split it")
    lines = [
        KIND,
        *(f"{name} {getattr(trainer.config, name)}" for name in SIZES),
        f"characters {''.join(trainer.vocabulary.characters)}",
        f"documents {len(trainer.documents)}",
        *trainer.documents,
    ]
    for name, rows in trainer.weights().items():
        lines.append(f"{name} {len(rows)} {len(rows[0])}")
        lines += [" ".join(format(x, ".17g") for x in row) for row in rows]
    return "\n".join(lines) + "\n"
