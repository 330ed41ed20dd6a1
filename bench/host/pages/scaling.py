"""The tables of how an engine's time grows with the model.

The exponent is the slope of log(time) over log(size), by least squares in each round, averaged over the rounds with
Student's t interval.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.host.pages.wording import number
from bench.host.results.scaling import FACTORS, Scaling, SizePoint
from bench.host.results.table import NOTHING, Table


def _ms(point: SizePoint) -> str:
    return number(float(np.median(point.seconds)) * 1e3)


def tables(scaling: Scaling) -> list[Table]:
    """A table for each factor: ms/step at each size, exponents between neighbours, and the fitted one."""
    return [_table(scaling, factor) for factor in FACTORS if len(scaling.factors[factor]) > 1]


def _table(scaling: Scaling, factor: str) -> Table:
    values = scaling.factors[factor]
    rows, below = [], []
    for engine in dict.fromkeys(point.engine for point in scaling.points):
        series = scaling.series(engine, factor)
        bad = next((point for point in series if point.status != "ok"), None)
        if bad is not None:
            if (bad is series[0] and factor == next(iter(scaling.factors))) or bad is not series[0]:
                below.append(f"{engine} {bad.status} at {factor} {bad.sizes[factor]}: {bad.reason}")
            if bad.status == "skipped":
                continue
        shown = [_ms(point) if point.status == "ok" else point.status for point in series]
        steps = [
            _local(one, other, factor) if one.status == other.status == "ok" else NOTHING
            for one, other in zip(series, series[1:])
        ]
        last = next((point for point in reversed(series) if point.nodes), None)
        nodes = NOTHING if last is None or last.nodes is None else f"{last.nodes:,.0f}"
        fit = NOTHING if bad is not None else _fit(series, factor)
        rows.append([engine, *shown, *steps, fit, nodes])
    below += [f"{engine} not measured: the budget was used up" for engine in scaling.left_out]
    arrows = [f"{one}→{other}" for one, other in zip(values, values[1:])]
    record, rest = scaling.record, {name: v[0] for name, v in scaling.factors.items() if name != factor}
    return Table(
        f"Time over {factor} on {', '.join(record.runtimes)}",
        [
            f"{', '.join(f'{name} {value}' for name, value in rest.items())}; every document fills the context; {record.created}",
            f"ms/step (median), then the exponent from size to size and of all sizes: at 1, time is proportional to {factor}.",
        ],
        ["engine", *(f"{value}" for value in values), *arrows, "exponent", f"nodes at {values[-1]}"],
        rows,
        below,
    )


def _local(one: SizePoint, other: SizePoint, factor: str) -> str:
    ratio = np.median(np.log(other.seconds) - np.log(one.seconds))
    return f"{ratio / np.log(other.sizes[factor] / one.sizes[factor]):.2f}"


def _fit(series: Sequence[SizePoint], factor: str) -> str:
    """The mean of the rounds' slopes with half its 95 % interval."""
    from scipy import stats as scipy_stats  # here: its import takes longer than most commands

    x = np.log([point.sizes[factor] for point in series])
    slopes = np.array([scipy_stats.linregress(x, np.log(y)).slope for y in zip(*[p.seconds for p in series])])
    if len(slopes) < 2:
        return f"{slopes[0]:.2f}"
    half = scipy_stats.t.ppf(0.975, len(slopes) - 1) * slopes.std(ddof=1) / np.sqrt(len(slopes))
    return f"{slopes.mean():.2f}±{half:.2f}"
