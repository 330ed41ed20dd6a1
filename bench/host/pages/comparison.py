"""The table of a comparison."""

from __future__ import annotations

from bench.host.pages.wording import ratio_text
from bench.host.results.comparison import Comparison
from bench.host.results.table import NOTHING, Table
from bench.host.stats.paired import SAME, Ratio


def table(comparison: Comparison) -> Table:
    """Engines by how many times as fast the second is, and the geometric mean; over a base, each side's speedup too."""
    ordered = sorted(comparison.speedups.items(), key=lambda item: -item[1].value)
    words = ("larger", "smaller") if comparison.over else ("faster", "slower")
    rows = [[engine, *_both(comparison, engine), _ratio(ratio), _word(ratio, words)] for engine, ratio in ordered]
    blank = [NOTHING, NOTHING] if comparison.over else []
    rows.append(["geometric mean", *blank, _ratio(comparison.mean), _word(comparison.mean, words)])
    below = [f"not measured on both sides: {', '.join(comparison.unmatched)}"] if comparison.unmatched else []
    headers = ["engine", "speedup [95 % interval]", "verdict"]
    if comparison.over:
        headers[1:2] = [f"over {comparison.over}: first", "second", "second / first [95 % interval]"]
    return Table(comparison.title, comparison.about, headers, rows, below)


def _both(comparison: Comparison, engine: str) -> list[str]:
    """The engine's speedup over the base on each side; nothing where times are compared."""
    if not comparison.over:
        return []
    both = comparison.each.get(engine)
    return [NOTHING, NOTHING] if both is None else [ratio_text(one, short=True) for one in both]


def _ratio(ratio: Ratio) -> str:
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.3g} [one round]"
    return f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]"


def _word(ratio: Ratio, words: tuple[str, str]) -> str:
    """What the interval says, of a ratio above 1 the first of the ``words``; a single round says nothing."""
    if ratio.low is None:
        return NOTHING
    if not ratio.separable:
        return "too noisy to tell" if ratio.noisy else f"equal within {SAME - 1:.0%}"
    return words[ratio.value < 1]
