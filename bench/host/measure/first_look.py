"""What a run says as soon as there is something to say: one line a runtime, before any round is done."""

from __future__ import annotations

from collections.abc import Mapping

from bench.host.measure.cell import CellState
from bench.host.results.records import REFERENCE, Cell


def first_look(runtime: str, states: Mapping[Cell, CellState]) -> str:
    """About how long the reference takes and how many times as fast the others are; "" without it. Tables come from the rounds alone."""
    estimates = {
        engine: state.started["estimate_ns"]
        for (engine, where), state in states.items()
        if where == runtime and state.status == "ok"
    }
    if REFERENCE not in estimates:
        return ""
    reference = estimates.pop(REFERENCE)
    rough = ", ".join(
        f"{engine} {reference / max(1, ns):.1f}x" for engine, ns in sorted(estimates.items(), key=lambda item: item[1])
    )
    return f"{runtime}: reference about {reference / 1e6:.0f} ms on the first document" + (
        f"; first gradients agree; roughly {rough}" if rough else ""
    )
