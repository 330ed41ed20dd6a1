"""The table of a comparison."""

from __future__ import annotations

from bench.host.results.comparison import Comparison
from bench.host.results.table import NOTHING, Table
from bench.host.stats.paired import SAME, Ratio


def table(comparison: Comparison) -> Table:
    """Engines by speedupup, and the geometric mean."""
    ordered = sorted(comparison.speedups.items(), key=lambda item: -item[1].value)
    rows = [[engine, _ratio(ratio), _word(ratio)] for engine, ratio in ordered]
    rows.append(["geometric mean", _ratio(comparison.mean), _word(comparison.mean)])
    below = [f"not measured on both sides: {', '.join(comparison.unmatched)}"] if comparison.unmatched else []
    return Table(comparison.title, comparison.about, ["engine", "speedup [95 % interval]", "verdict"], rows, below)


def _ratio(ratio: Ratio) -> str:
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.3g} [one round]"
    return f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]"


def _word(ratio: Ratio) -> str:
    """What the interval says; a single round says nothing."""
    if ratio.low is None:
        return NOTHING
    if not ratio.separable:
        return "too noisy to tell" if ratio.noisy else f"equal within {SAME - 1:.0%}"
    return "faster" if ratio.value > 1 else "slower"
