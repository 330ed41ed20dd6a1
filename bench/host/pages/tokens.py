"""The table of the tokens of samples, with the most probable alternatives."""

from __future__ import annotations

from collections.abc import Sequence

from bench.host.results.table import Table
from bench.workload.generation import Token


def table(tokens: Sequence[Token]) -> Table:
    """A row for each token."""
    rows = []
    for token in tokens:
        alternatives = "  ".join(f"{_shown(name)} {probability:.1%}" for name, probability in token.alternatives)
        rows.append(
            [f"{token.sample + 1}", f"{token.position}", _shown(token.token), f"{token.probability:.1%}", alternatives]
        )
    return Table("Tokens", [], ["sample", "position", "token", "probability", "most probable"], rows, [])


def _shown(token: str) -> str:
    return token if token.strip() else "end" if token == "" else repr(token)
