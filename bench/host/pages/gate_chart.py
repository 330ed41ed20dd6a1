"""The charts of a run that `microgpt-bench check` made: what it decided, and from what.

Its rounds have only the cells that were still open, and the reference in the first one to prove the others by, so there
is no speedup over the reference to draw. The chart has the ratio and the interval of each verdict instead.
"""

from __future__ import annotations

import math

from bench.host.pages import chart_parts, loss_charts, size_charts
from bench.host.pages.chart_parts import ROWS, Chart, Spec
from bench.host.results.run import Run
from bench.host.results.verdicts import FAILED, Answer, Row
from bench.host.stats.paired import Ratio

# a word has its own shape too
WORDS = {
    **dict.fromkeys(FAILED, ("#d55e00", "cross")),
    "INCONCLUSIVE": ("#7f7f7f", "diamond"),
    "IMPROVED": ("#0072b2", "triangle-up"),
    "PASS": ("#009e73", "circle"),
}


def gate_charts(run: Run, answer: Answer) -> list[Chart]:
    """Every chart of a gate's run that has something to show."""
    candidates = [
        _verdicts(run, answer),
        loss_charts.losses(run),
        loss_charts.differences(run),
        *size_charts.sizes(run),
    ]
    return [chart for chart in candidates if chart.spec["data"]["values"]]


def _verdicts(run: Run, answer: Answer) -> Chart:
    rows = [row for row in answer.cells if row.ratio is not None and _drawable(row.ratio) and row.word in WORDS]
    rows = [row for row in rows if row.runtime in run.record.runtimes and (not row.claimed or _drawable(row.claimed))]
    values = [_value(run, row) for row in rows]
    claimed = any(row.claimed for row in rows)
    threshold = answer.gate.threshold
    x = chart_parts.ratio_axis(
        f"speedup over {'what it was in ' if claimed else ''}{answer.against}: above 1 is faster, log scale"
    )
    y: Spec = {"field": "row", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 320}}
    present = [word for word in WORDS if any(row.word == word for row in rows)]
    by_word = {
        "color": {"field": "word", "type": "nominal", "title": "verdict",
                  "scale": {"domain": present, "range": [WORDS[word][0] for word in present]}},
        "shape": {"field": "word", "type": "nominal", "title": "verdict",
                  "scale": {"domain": present, "range": [WORDS[word][1] for word in present]}},
    }  # fmt: skip
    by_word = {name: {**channel, "legend": {"orient": "top"}} for name, channel in by_word.items()}
    tip = chart_parts.tooltip(
        ("row", "cell"), ("word", "verdict"), ("speed", "speedup"), ("interval", "interval"), ("rounds", "rounds")
    )
    band = {
        "data": {"values": [{"ratio": 1 / (1 + threshold), "to": 1 + threshold}]},
        "mark": {"type": "rect", "opacity": 0.12, "color": "#888"},
        "encoding": {"x": {"field": "ratio", "type": "quantitative"}, "x2": {"field": "to"}},
    }
    line = {
        "data": {"values": [{"ratio": 1}]},
        "mark": {"type": "rule", "strokeDash": [4, 4], "opacity": 0.7},
        "encoding": {"x": {"field": "ratio", "type": "quantitative"}},
    }
    was = {
        "transform": [{"filter": "isValid(datum.claimed_low)"}],
        "mark": {"type": "rule", "strokeWidth": 9, "opacity": 0.25},
        "encoding": {"y": y, "x": {**x, "field": "claimed_low"}, "x2": {"field": "claimed_high"}},
    }
    rest = {"layer": [band, line, *([was] if claimed else []), *chart_parts.points(x, {"y": y}, by_word, tip)]}
    sure = f"{answer.gate.confidence:.0%}"
    return Chart(
        "verdicts",
        f"Against {answer.against}",
        "The ratio behind each verdict, paired round by round. Right of the dashed line is faster. The bar is its interval,"
        f" with {sure} confidence over all looks. The grey band is the threshold, {threshold * 100:g} % to each side. REGRESSED: the"
        " whole bar is left of the band, in each half of the rounds too. PASS: no part of the bar is left of the band."
        + (" The wide grey bar is the earlier interval of the speedup." if claimed else "")
        + chart_parts.HOLLOW * any(value["uncertain"] for value in values),
        chart_parts.spec(run, values, rest, ROWS),
    )


def _drawable(ratio: Ratio) -> bool:
    ends = [end for end in (ratio.value, ratio.low, ratio.high) if end is not None]
    return all(0 < end < math.inf for end in ends)


def _value(run: Run, row: Row) -> Spec:
    """A row's place on the axis: over what was claimed, where that is a speedup of its own."""
    assert row.ratio is not None
    ratio, base = row.ratio, row.claimed.value if row.claimed else 1.0
    certain = ratio.low is not None and ratio.high is not None
    claimed = {}
    if row.claimed and row.claimed.low and row.claimed.high:
        claimed = {"claimed_low": row.claimed.low / base, "claimed_high": row.claimed.high / base}
    runtime = chart_parts.label(run, row.runtime)
    several = len(run.record.runtimes) > 1
    return {
        "engine": row.engine,
        "runtime": runtime,
        "row": f"{row.engine} on {runtime}: {row.word}" if several else f"{row.engine}: {row.word}",
        "word": row.word,
        "ratio": ratio.value / base,
        "low": (ratio.low or ratio.value) / base,
        "high": (ratio.high or ratio.value) / base,
        "uncertain": not certain,
        "speed": f"{ratio.value / base:.4g}",
        "interval": f"{(ratio.low or 0) / base:.4g} to {(ratio.high or 0) / base:.4g}" if certain else "too few rounds",
        "rounds": row.rounds,
        **claimed,
    }
