"""The tables of the page of combinations: effects, interactions, orders, the fastest."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.host.pages.wording import columns, number, ratio_text
from bench.host.results import switches
from bench.host.results.interaction_effects import Effects
from bench.host.results.interactions import added
from bench.host.results.records import REFERENCE
from bench.host.results.switches import SWITCHES, Combination
from bench.host.results.table import NOTHING, Table
from bench.host.stats.factorial import Effect
from bench.host.stats.paired import Ratio

BESIDE = "combined"
MOST = 10  # of the fastest combinations


def heads(several: Sequence[Effects]) -> list[str]:
    """Each run's runtime, as columns are called."""
    return columns([effects.of.runtime for effects in several])


def effect_text(effect: Effect | None) -> str:
    """As a ratio with its interval; (=) where it cannot be told from 1."""
    if effect is None:
        return NOTHING
    value, low, high = (math.exp(effect.value + sign * effect.half) for sign in (0, -1, 1))
    if not effect.half:
        return number(value)
    return f"{number(value)} [{number(low)}, {number(high)}]{'' if effect.clear else ' (=)'}"


def measured(ratio: Ratio | None) -> str:
    """A ratio that was timed; one of no round is the model's, after a sign for that."""
    return NOTHING if ratio is None else ("" if ratio.rounds else "≈ ") + ratio_text(ratio)


def main_effects(several: Sequence[Effects]) -> Table:
    """A row for each switch."""
    what = ("alone", "on average", "instructions", "nodes")
    rows = []
    for name in several[0].names:
        row = [name]
        for effects in several:
            row += [
                measured(effects.speedup((name,))),
                effect_text(effects.time(name)),
                effect_text(effects.instructions(name)),
                effect_text(effects.nodes(name)),
            ]
        rows.append(row)
    return Table(
        "What each switch brings",
        [
            "alone: speedup over microgpt.py with this switch on and no other, timed. on average: the same over all combinations of"
            " the others, by the model. instructions, nodes: how many times fewer on average over the combinations counted."
        ],
        ["switch", *(f"{one} {runtime}" for runtime in heads(several) for one in what)],
        rows,
        ["(=): the interval includes 1. Below 1 is slower, or more. ≈: not timed, but said by the model."],
    )


def pair_effects(effects: Effects) -> Table:
    """Switches by switches: what two bring together beyond the product of both."""
    names = effects.names
    rows = []
    for at, name in enumerate(names[1:], 1):
        row = [name]
        for other in names[:-1]:
            both = tuple(one for one in names if one in (name, other))
            if names.index(other) >= at:
                row.append("")
            elif both not in effects.pairs:
                row.append("excluded")
            else:
                effect = effects.time(*both)
                row.append(number(math.exp(effect.value)) + ("" if effect.clear else " (=)"))
        rows.append(row)
    return Table(
        f"What two bring together, {heads([effects])[0]}",
        [
            "Speedup of both, over the product of what each brings without the other. Above 1 they help each other, below 1 they"
            " save the same work twice. (=): the 95 % interval includes 1."
        ],
        ["", *names[:-1]],
        rows,
        [],
    )


def strongest(several: Sequence[Effects]) -> Table:
    """The interactions that are furthest from 1 on the last runtime, with intervals and by instructions."""
    last = several[-1]
    order = sorted(last.pairs, key=lambda pair: -abs(last.time(*pair).value))
    rows = [
        [
            " × ".join(pair),
            *(text for one in several for text in (effect_text(one.time(*pair)), effect_text(one.instructions(*pair)))),
        ]
        for pair in order[:MOST]
    ]
    return Table(
        "The strongest interactions",
        ["With the interval of each, and the same by instructions, counted."],
        ["switches", *(f"{what} {runtime}" for runtime in heads(several) for what in ("time", "instructions"))],
        rows,
        [],
    )


def order(effects: Effects, best: bool) -> Table:
    """The rungs of an order, each with what has been gained up to it."""
    rungs = effects.ladder(best)
    costs = effects.of.record.costs
    rows = [
        [
            f"+ {switch}",
            measured(effects.speedup(rung)),
            number(costs[()] / costs[rung]),
            f"{effects.of.record.engines[switches.name(rung)].nodes:,.0f}",
        ]
        for switch, rung in zip(added(rungs), rungs[1:])
    ]
    left = [name for name in effects.names if name not in rungs[-1]]
    below = [f"left out, as they save no instructions there: {', '.join(left)}"] if left else []
    return Table(
        f"The {'best' if best else 'worst'} order, {heads([effects])[0]}",
        [
            f"The switch that saves {'most' if best else 'fewest'} instructions first. Speedups are timed, over microgpt.py, of all down to the row."
        ],
        ["switch", "speedup", "fewer instructions", "nodes"],
        rows,
        below if best else [],
    )


def fastest(effects: Effects) -> Table:
    """The fastest combinations that were timed, and `combined`."""
    run, runtime = effects.of.run, effects.of.runtime
    rows = []
    for one in [*effects.fastest[:MOST], None]:
        row = BESIDE if one is None else switches.name(one)
        counted = effects.of.record.engines.get(row)
        nodes = run.nodes(row) if counted is None else counted.nodes
        finding = run.finding((row, runtime))
        rows.append(
            [
                BESIDE if one is None else short(one, effects.names),
                measured(effects.over(row, REFERENCE)),
                measured(effects.over(row, BESIDE)) if one is not None else "1",
                NOTHING if nodes is None else f"{nodes:,.0f}",
                NOTHING if finding is None else str(finding),
            ]
        )
    return Table(
        f"The fastest combinations, {heads([effects])[0]}",
        [
            f"Of the {len(effects.speedups)} that were timed; {BESIDE} is the engine of that name, which has further changes."
        ],
        ["combination", "speedup", f"over {BESIDE}", "nodes", "parity"],
        rows,
        [],
    )


def short(combination: Combination, names: Sequence[str]) -> str:
    """The switches that are on, or where these are fewer, that are off."""
    return ", ".join(one for one in names if one in combination) or "none"


def switches_table(names: Sequence[str]) -> Table:
    """What each switch is."""
    alone = {(name,) for name in names}
    excluded = [
        f"not together: {' and '.join(pair)} ({why})"
        for pair, why in switches.EXCLUDED.items()
        if alone >= {(one,) for one in pair}
    ]
    return Table(
        "The switches",
        [],
        ["switch", "change of microgpt.py"],
        [[name, SWITCHES[name]] for name in names],
        excluded,
    )
