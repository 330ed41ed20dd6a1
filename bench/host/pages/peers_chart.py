"""The chart of a run that `microgpt-bench peers` made."""

from __future__ import annotations

from bench.host.pages import chart_parts
from bench.host.pages.chart_parts import ROWS, Chart, Spec
from bench.host.pages.peers import Timed, ranked
from bench.host.pages.wording import number
from bench.host.results.peers import PeersRun, times_as_fast

KINDS = {"engine": ("#0072b2", "circle"), "program": ("#d55e00", "square")}


def peers_charts(peers: PeersRun, base: str | None = None) -> list[Chart]:
    """Every chart of such a run that has something to show. Raises UsageError for a base that is no row with a proof."""
    timed, base = ranked(peers, base, [])
    if not timed:
        return []
    values = [_value(peers, row, timed[base]) for row in timed.values()]
    x = chart_parts.ratio_axis(f"speedup over {base}: above 1 is faster, log scale")
    y: Spec = {"field": "row", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 320}}
    scales = [{"domain": list(KINDS), "range": [each[i] for each in KINDS.values()]} for i in (0, 1)]
    about: Spec = {"field": "kind", "type": "nominal", "title": None, "legend": {"orient": "top"}}
    by_kind = {"color": {**about, "scale": scales[0]}, "shape": {**about, "scale": scales[1]}}
    tip = chart_parts.tooltip(("row", "row"), ("speed", "speedup"), ("time", "ms a step"), ("proof", "proof"))
    caption = (
        "The time of a step of each program and engine with a proof, against the same of the row at 1. The bar is the 95 %"
        " interval over rounds. Programs without a proof are not in it."
    )
    caption += chart_parts.HOLLOW * any(value["uncertain"] for value in values)
    shown = {"filter": "!isValid(datum.program) || indexof(programs, datum.program) >= 0"}
    rest = {"transform": [shown], "layer": chart_parts.points(x, {"y": y}, by_kind, tip)}
    spec = chart_parts.spec(peers.run, values, rest, ROWS)
    spec["params"].append({"name": "programs", "value": [peer.name for peer in peers.record.peers]})
    return [Chart("ports", "Ports and engines", caption, spec)]


def _value(peers: PeersRun, row: Timed, base: Timed) -> Spec:
    ratio = times_as_fast(base.seconds, row.seconds)
    certain = ratio.low is not None and ratio.high is not None
    engine = next((name for name in peers.run.record.engines if row.name.partition(" on ")[0] == name), None)
    known = (
        {"program": row.name}
        if engine is None
        else {"engine": engine, "runtime": chart_parts.label(peers.run, row.runtime)}
    )
    return {
        **known,
        "row": row.name,
        "kind": "program" if engine is None else "engine",
        "ratio": ratio.value,
        "low": ratio.low or ratio.value,
        "high": ratio.high or ratio.value,
        "uncertain": not certain,
        "speed": f"{ratio.value:.4g}",
        "time": number(row.mean * 1e3),
        "proof": row.proof,
    }
