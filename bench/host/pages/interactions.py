"""The page of combinations: which changes to make first, what they bring, and what they do to one another.

Every sentence follows from the runs; nothing of them is written by hand.
"""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Sequence

from bench.host.pages import interactions_tables as tables
from bench.host.pages import rendering, wording
from bench.host.pages.interactions_tables import BESIDE, heads
from bench.host.results import switches
from bench.host.results.interaction_effects import Effects
from bench.host.results.interactions import Interactions
from bench.host.results.parity import Agreement
from bench.host.results.switches import SWITCHES
from bench.host.results.table import Table
from bench.host.stats.paired import Ratio
from bench.host.system.errors import UsageError
from bench.host.system.progress import count

FIRST = 3  # changes to make


def page(several: Sequence[Interactions], picture: str | None = None) -> str:
    """results/interactions.md, from a run on each Python, with the ``picture`` at this address. Raises UsageError for a run without a finished round."""
    runs = [Effects(one) for one in several]
    for effects in runs:
        if not effects.of.run.rounds:
            raise UsageError(f"{effects.of.run.folder} has no finished round")
        if effects.names != runs[0].names:
            raise UsageError(
                f"{effects.of.run.folder} has other switches than {runs[0].of.run.folder}: give runs of the same"
            )
    folder = runs[0].of.run.folder.parent
    shown = [word for effects in runs for word in ("--show", effects.of.run.folder.name)]
    command = ["interactions", "--results", os.path.relpath(folder), *shown, "--output", "results/interactions.md"]
    if picture is not None:
        command += ["--plot", f"results/{picture}"]
    parts = [
        "# What pays together",
        "\n".join(first_changes(runs)),
        "\n".join(f"{number}. {sentence}" for number, sentence in enumerate(advice(runs), 1)),
        f"Made by `microgpt-bench {shlex.join(command)}`.",
        *map(_render, [tables.main_effects(runs), *(one for effects in runs for one in _orders(effects))]),
        f"![what two switches bring together]({picture})" if picture is not None else "",
        *map(_render, [tables.strongest(runs), *map(tables.pair_effects, runs), *map(tables.fastest, runs)]),
        _render(tables.switches_table(runs[0].names)),
        "### How this was found",
        *("\n".join(how(effects)) for effects in runs),
        LIMITS,
        "" if all(map(_complete, runs)) else INCOMPLETE,
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


LIMITS = (
    "Instructions are counted over one position, where Adam's share is larger than in a whole document: `grouped_adam` saves less"
    " of a whole step than of the one counted. Its gain in time grows with the number of steps behind a process, and few are"
    " behind these. The model knows no effects of three switches together: they are in its scatter, and so in the intervals."
)


INCOMPLETE = (
    "The counts are not complete: those of one switch were counted first, then those expected to take fewest instructions. So averages"
    " of instructions and nodes lean to these, and the worst order ends where the next combination is not counted."
)


def _complete(effects: Effects) -> bool:
    return len(effects.of.record.engines) == len(switches.combinations(effects.names))


def shown_tables(one: Interactions) -> list[Table]:
    """What a run prints."""
    effects = Effects(one)
    return [tables.main_effects([effects]), *_orders(effects), tables.pair_effects(effects), tables.fastest(effects)]


def _orders(effects: Effects) -> list[Table]:
    return [tables.order(effects, best=True), tables.order(effects, best=False)]


def _render(table: Table) -> str:
    return rendering.render_table(table, "github", left=True)


def _each(runs: Sequence[Effects], ratios: Sequence[Ratio | None], what: str) -> str:
    """A ratio on each Python, in words; ``what``: it is of, after the first number."""
    told = [f"{tables.measured(ratio)}{{}} on {head}" for ratio, head in zip(ratios, heads(runs)) if ratio is not None]
    return _list([one.format(f" {what}" if what and not number else "") for number, one in enumerate(told)])


def first_changes(runs: Sequence[Effects]) -> list[str]:
    """The three changes to make first, and what they bring, a line each; for each Python where they differ."""
    groups: dict[tuple[str, ...], list[Effects]] = {}
    for effects in runs:
        groups.setdefault(tuple(effects.first[:FIRST]), []).append(effects)
    lines = []
    for first, same in groups.items():
        where = "" if len(groups) == 1 else f" on {', '.join(heads(same))}"
        lines += [
            f"**The first {len(first)} changes to make to microgpt.py{where}**, and how far they bring it one after the other:",
            "",
        ]
        for number, name in enumerate(first, 1):
            so_far = [effects.speedup(effects.ladder()[number]) for effects in same]
            far = _each(same, so_far, "times as fast as microgpt.py" if number == 1 else "times as fast")
            own = [_own(effects, number) for effects in same]
            by_itself = f"; over the change before {_each(same, own, '')}" if number > 1 and None not in own else ""
            lines.append(f"- **{name}** ({SWITCHES[name]}): {far}{by_itself}")
        lines.append("")
    return lines[:-1]


def _own(effects: Effects, number: int) -> Ratio | None:
    """What a rung of the best order is over the one before; None where one was not timed."""
    before, after = effects.ladder()[number - 1 : number + 1]
    timed = {before, after} <= set(effects.speedups)
    return effects.over(switches.name(after), switches.name(before)) if timed else None


def advice(runs: Sequence[Effects]) -> list[str]:
    """Three sentences: how far it goes, what to leave, and what depends on what."""
    return [_how_far(runs), _what_to_leave(runs), _what_depends(runs)]


def _how_far(runs: Sequence[Effects]) -> str:
    best = [effects.speedup(effects.fastest[0]) for effects in runs]
    last = runs[-1]
    end = last.fastest[0]
    return (
        f"The fastest of the combinations timed is {_each(runs, best, 'times as fast as microgpt.py')}"
        f" ({heads([last])[0]}: {tables.short(end, last.names)}); {beside(runs)}."
    )


def beside(runs: Sequence[Effects]) -> str:
    """Whether a combination beats the engine `combined`."""
    fastest = [switches.name(effects.fastest[0]) for effects in runs]
    over = [effects.over(row, BESIDE) for effects, row in zip(runs, fastest)]
    if any(ratio is not None and ratio.low is not None and ratio.low > 1 for ratio in over):
        return f"it beats `{BESIDE}`: {_each(runs, over, 'times as fast')}"
    under = [effects.over(BESIDE, row) for effects, row in zip(runs, fastest)]
    return f"none beats `{BESIDE}`, which changes more and is {_each(runs, under, 'times as fast again')}"


def _what_to_leave(runs: Sequence[Effects]) -> str:
    slow = [name for name in runs[-1].names if all(_harms(effects, name) for effects in runs)]
    equal = [name for name in runs[-1].names if not any(effects.time(name).clear for effects in runs)]
    words = [f"{name} ({_range(runs, name)} times as fast)" for name in slow]
    leave = f"Leave {_list(words)}, slower on every Python" if slow else "No switch is slower on every Python"
    return leave + (f"; of {_list(equal)} no effect can be told from none" if equal else "") + "."


def _what_depends(runs: Sequence[Effects]) -> str:
    last = runs[-1]
    number = min(FIRST, len(last.ladder()) - 1, len(last.ladder(best=False)) - 1)
    ways = [tables.measured(last.speedup(last.ladder(best)[number])) for best in (True, False)]
    begin = (
        f"Begin with what saves most: after {number} changes the best order is at {ways[0]}, the worst at {ways[1]} on"
        f" {heads([last])[0]}, though both end alike"
    )
    clear = {pair: effect for pair in last.pairs if (effect := last.time(*pair)).clear}
    if not clear:
        return f"{begin}; no two changes are clearly worth more or less together than apart."
    pair, together = max(clear.items(), key=lambda item: abs(item[1].value))
    why = "one makes the other worth more" if together.value > 0 else "they save some of the same work"
    return (
        f"{begin}; what depends most on another one is {' with '.join(pair)}: together they bring"
        f" {tables.effect_text(together)} of the product of what each brings without the other, as {why}."
    )


def _harms(effects: Effects, name: str) -> bool:
    effect = effects.time(name)
    return effect.clear and effect.value < 0


def _range(runs: Sequence[Effects], name: str) -> str:
    values = sorted(math.exp(effects.time(name).value) for effects in runs)
    texts = list(dict.fromkeys(wording.number(value) for value in (values[0], values[-1])))
    return " to ".join(texts)


def _list(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def how(effects: Effects) -> list[str]:
    """What was counted, timed and fitted, a line each."""
    record, run, fit = effects.of.record, effects.of.run, effects.fit
    agreements = effects.agreements()
    all_of = len(switches.combinations(effects.names))
    counted = f"all {all_of:,}" if len(record.engines) == all_of else f"{len(record.engines):,} of {all_of:,}"
    about = run.record.runtimes[effects.of.runtime]
    return [
        f"**{effects.of.runtime}** ([tables]({run.folder.parent.name}/{run.folder.name}/tables.md)), `{run.record.command}`:",
        "",
        f"- {wording.runtime_line(about)}; {run.record.machine['cpu']}; {record.valgrind}",
        f"- counted: {counted} legal combinations of {len(effects.names)} switches, over {record.positions}"
        f" position{'s' * (record.positions != 1)} of the context; losses, first gradients and weights of whole documents:"
        f" {agreements[Agreement.BIT_IDENTICAL]} bit-identical with the reference, {agreements[Agreement.ROUNDING]} within rounding,"
        f" {agreements[Agreement.DIVERGED]} diverged, {len(record.failed)} failed",
        f"- timed: {len(effects.speedups)} of them in lockstep, {wording.steps_of(run)}, {count(len(run.rounds), 'round')}"
        + (", so single speedups have their intervals from the scatter below" if len(run.rounds) == 1 else ""),
        f"- the model of {len(fit.coefficients)} coefficients explains {fit.explained:.1%} of the variance of the logarithm of time; around it"
        f" combinations scatter by {fit.scatter:.1%}; {fit.freedom} degrees of freedom",
    ]
