"""The page of combinations: which changes to make first, what they bring, and what they do to one another.

Every sentence follows from the runs; nothing of them is written by hand.
"""

from __future__ import annotations

import math
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

FIRST = 3  # changes to make


def page(several: Sequence[Interactions]) -> str:
    """results/interactions.md, from a run on each Python. Raises UsageError for a run without a finished round."""
    runs = [Effects(one) for one in several]
    for effects in runs:
        if not effects.of.run.rounds:
            raise UsageError(f"{effects.of.run.folder} has no finished round")
        if effects.names != runs[0].names:
            raise UsageError(
                f"{effects.of.run.folder} has other switches than {runs[0].of.run.folder}: give runs of the same"
            )
    shown = " ".join(f"--show {shlex.quote(effects.of.run.folder.name)}" for effects in runs)
    parts = [
        "# What pays together",
        "\n".join(first_changes(runs)),
        "\n".join(f"{number}. {sentence}" for number, sentence in enumerate(advice(runs), 1)),
        f"Made by `microgpt-bench interactions {shown} --output results/interactions.md`.",
        *map(_render, [tables.main_effects(runs), *(one for effects in runs for one in _orders(effects))]),
        *map(_render, [tables.strongest(runs), *map(tables.pair_effects, runs), *map(tables.fastest, runs)]),
        _render(tables.switches_table(runs[0].names)),
        "### How this was found",
        *("\n".join(how(effects)) for effects in runs),
        LIMITS,
    ]
    return "\n\n".join(parts) + "\n"


LIMITS = (
    "Instructions are counted over one position, where Adam's share is larger than in a whole document: `grouped_adam` saves less"
    " of a whole step than of the one counted. Its gain in time grows with the number of steps behind a process, and few are"
    " behind these. The model knows no effects of three switches together: they are in its scatter, and so in the intervals."
)


def shown_tables(one: Interactions) -> list[Table]:
    """What a run prints."""
    effects = Effects(one)
    return [tables.main_effects([effects]), *_orders(effects), tables.pair_effects(effects), tables.fastest(effects)]


def _orders(effects: Effects) -> list[Table]:
    return [tables.order(effects, best=True), tables.order(effects, best=False)]


def _render(table: Table) -> str:
    return rendering.render_table(table, "github", left=True)


def _each(runs: Sequence[Effects], ratios: Sequence[Ratio | None]) -> str:
    """A ratio on each Python, in words."""
    told = [f"{wording.ratio_text(ratio)} on {head}" for ratio, head in zip(ratios, heads(runs)) if ratio is not None]
    return " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 2 else told) or "an unknown number of"


def first_changes(runs: Sequence[Effects]) -> list[str]:
    """The three changes to make first, and what they bring, a line each; for each Python where they differ."""
    groups: dict[tuple[str, ...], list[Effects]] = {}
    for effects in runs:
        groups.setdefault(tuple(effects.first[:FIRST]), []).append(effects)
    lines = []
    for first, same in groups.items():
        where = "" if len(groups) == 1 else f" on {', '.join(heads(same))}"
        lines.append(f"**The first {len(first)} changes to make to microgpt.py{where}:**\n")
        for number, name in enumerate(first, 1):
            so_far = [effects.speedup(effects.ladder()[number]) for effects in same]
            with_it = "alone" if number == 1 else f"with the {'one' if number == 2 else f'{number - 1}'} before"
            lines.append(
                f"- **{name}** ({SWITCHES[name]}): {with_it} {_each(same, so_far)} times as fast as microgpt.py"
            )
        lines.append("")
    return lines[:-1]


def advice(runs: Sequence[Effects]) -> list[str]:
    """Three sentences: how far it goes, what to leave, and what depends on what."""
    ends = [effects.fastest[0] for effects in runs]
    best = [effects.speedups[end] for effects, end in zip(runs, ends)]
    last = runs[-1]
    least = [len(effects.ladder()) - 1 for effects in runs]
    far = (
        f"After these the rest is little: the fastest combination timed is {_each(runs, best)} times as fast as microgpt.py,"
        f" with {len(ends[-1])} switches on ({tables.short(ends[-1], last.names)}); {beside(runs)}."
    )
    slow = [name for name in last.names if all(_harms(effects, name) for effects in runs)]
    equal = [name for name in last.names if all(not effects.time(name).clear for effects in runs)]
    leave = (
        (
            f"Leave {_list([f'{name} ({_range(runs, name)} times)' for name in slow])}: slower on every Python"
            if slow
            else "No switch is slower on every Python"
        )
        + (f"; {_list(equal)} cannot be told from no change" if equal else "")
        + "."
    )
    pair = max(last.pairs, key=lambda one: abs(last.time(*one).value) if last.time(*one).clear else 0.0)
    together = last.time(*pair)
    word = "more" if together.value > 0 else "less"
    order = f"The best order saves its largest part at once, after {min(least)} to {max(least)} changes both orders end at the same place"
    depend = (
        f"{order}; the strongest interaction in time is {' with '.join(pair)}, which together bring"
        f" {tables.effect_text(together)} times what both bring apart on {heads([last])[0]}: {word}, as"
        f" {'one makes room for the other' if together.value > 0 else 'they save some of the same work'}."
    )
    return [far, leave, depend]


def beside(runs: Sequence[Effects]) -> str:
    """Whether a combination beats the engine `combined`."""
    over = [_over_combined(effects) for effects in runs]
    if any(ratio is not None and ratio.low is not None and ratio.low > 1 for ratio in over):
        return f"it beats `{BESIDE}`: {_each(runs, over)} times as fast"
    return f"`{BESIDE}`, which has further changes, is beaten by none: the fastest combination has {_each(runs, over)} times its speed"


def _over_combined(effects: Effects) -> Ratio | None:
    return effects.of.run.speedup(switches.name(effects.fastest[0]), effects.of.runtime, over=BESIDE)


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
        f"**{effects.of.runtime}** ([`{run.folder.name}`]({'interactions'}/{run.folder.name}/tables.md), `{run.record.command}`):",
        "",
        f"- {wording.runtime_line(about)}; {run.record.machine['cpu']}; {record.valgrind}",
        f"- counted: {counted} legal combinations of {len(effects.names)} switches, over {record.positions}"
        f" position{'s' * (record.positions != 1)} of the context; losses, first gradients and weights of whole documents:"
        f" {agreements[Agreement.BIT_IDENTICAL]} bit-identical with the reference, {agreements[Agreement.ROUNDING]} within rounding,"
        f" {agreements[Agreement.DIVERGED]} diverged, {len(record.failed)} failed",
        f"- timed: {len(effects.speedups)} of them in lockstep, {wording.steps_of(run)}, {len(run.rounds)} rounds",
        f"- the model of {len(fit.coefficients)} coefficients explains {fit.explained:.1%} of the variance of the logarithm of time; around it"
        f" combinations scatter by {fit.scatter:.1%}; {fit.freedom} degrees of freedom",
    ]
