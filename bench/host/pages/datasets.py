"""The table of the embedded lists of documents."""

from __future__ import annotations

from bench.host.results.table import Table
from bench.workload.data import Vocabulary, embedded, path_of, read_documents


def table() -> Table:
    """A row for each list: how many documents, how long they are, and their letters."""
    rows = []
    for name in embedded():
        documents = read_documents(path_of(name))
        lengths = [len(document) for document in documents]
        letters = "".join(Vocabulary(documents).characters)
        mean = f"{sum(lengths) / len(lengths):.1f}"
        rows.append([name, f"{len(documents):,}", mean, f"{max(lengths)}", f"{len(letters)}", repr(letters)])
    heads = ["name", "documents", "mean length", "longest", "characters", "alphabet"]
    return Table("Embedded datasets", [], heads, rows, [])
