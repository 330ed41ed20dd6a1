"""The page of claims: what others say that each change brings, and what is measured here, on each runtime.

Every verdict follows from a rule (claim_rules.py), from a run's times and node counts and from
two experiments that each runtime does by itself: how deep a graph an engine can walk, and how far apart logits may lie.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bench.host.pages import rendering, wording
from bench.host.pages.claim_rules import (
    LUCK,
    ClaimVerdict,
    about,
    at_least,
    deeper,
    digits_kept,
    fewer_nodes,
    first_bad_gap,
    steadier,
)
from bench.host.pages.wording import ratio_text
from bench.host.results.peers import PeersRun
from bench.host.results.records import REFERENCE, ClaimsRecord
from bench.host.results.run import Run
from bench.host.results.table import NOTHING, Table
from bench.host.system.errors import UsageError
from bench.workload.experiments import DEPTHS

DIRECT, FUSED, ITERATIVE, PHANTOM = "direct_division", "fused_cross_entropy", "iterative", "no_phantom_zero"
HEADLINE = 8.0  # times as fast as CPython 3.14 that a TypeScript port says it is


def page(run: Run, record: ClaimsRecord, ports: PeersRun | None = None) -> str:
    """results/claims.md. ``ports``: a run of `peers` with a port on Node. Raises UsageError for a run that lacks engines."""
    missing = [name for name in (REFERENCE, DIRECT, FUSED, ITERATIVE, PHANTOM) if name not in run.record.engines]
    if missing:
        raise UsageError(f"{run.folder.name} did not measure {missing[0]}: measure all engines first")
    if not run.rounds:
        raise UsageError(f"{run.folder} has no finished round")
    names = [name for name in run.record.runtimes if name in record.runtimes]
    # each table, and what the summary shows of a row
    found_out: list[tuple[Table, Callable[[list[str]], str]]] = [
        (_division(run, names), lambda row: f"nodes {row[1]}"),
        (_cross_entropy(run, names), lambda row: f"nodes {row[1]}"),
        (_stability(record, names), lambda row: f"{row[1]} target: {row[2]} → {row[3]}"),
        (_depth(run, record, names), lambda row: f"{row[1]} → {row[2]}"),
        (_phantom(run, names), lambda row: f"nodes {row[1]}"),
        (_headline(run, names), lambda row: row[0]),
        *([(_ports(ports), lambda row: f"{row[1]} over {row[0]}: {row[2]}")] if ports else []),
    ]
    parts = [
        "# Claims, and what is measured",
        "An optimized variant of microgpt.py lists what its changes bring, and a TypeScript port says how much faster it is."
        " This page compares each claim with a measurement, on every CPython of one run. The rule of each verdict is above its"
        " table.",
        f"Made from {_linked(run)}{f' and {_linked(ports.run)}' if ports else ''} by `microgpt-bench claims {run.folder.name}"
        + (f" --peers {ports.run.folder.name}" if ports else "")
        + f"`; the experiments are in `{run.folder.name}`.",
        "\n".join(f"{line}<br>" for line in wording.preamble(run)[:3]),
        *(
            rendering.render_table(table, "github")
            for table in (_summary(found_out), *(table for table, _ in found_out))
        ),
        "Node counts, depths and digits are the same on any machine with the same Python. Ratios of times depend on the machine:"
        " expect other differences between versions of Python, and above all other times of JavaScript, whose compilers vary"
        " more from processor to processor than CPython's interpreter does.",
    ]
    return "\n\n".join(parts) + "\n"


def _linked(run: Run) -> str:
    return f"[`{run.folder.name}`]({run.folder.name}/tables.md)"


def _summary(found_out: Sequence[tuple[Table, Callable[[list[str]], str]]]) -> Table:
    """A row for each thing found and verdict; the runtimes are named where they differ."""
    rows = []
    for table, what in found_out:
        groups: dict[tuple[str, str], list[str]] = {}
        for row in table.rows:
            if len(row) < len(table.headers):  # not measured there
                continue
            if "verdict" in table.headers:
                groups.setdefault((what(row), row[-1]), []).append(row[0])
            else:  # an engine's row: as fast on each runtime?
                words = {cell.rpartition(" ")[2] for cell in row[1:] if cell != NOTHING}
                word = "confirmed" if words == {"yes"} else "refuted" if words == {"no"} else "not separable"
                groups.setdefault((word, word), []).append(what(row))
        for (text, verdict), where in groups.items():
            if "verdict" not in table.headers:
                text = f"by {', '.join(where)}"
            elif len(where) < len({row[0] for row in table.rows}) and where[0] not in text:
                text += f" (on {', '.join(wording.columns(where))})"
            rows.append([table.title, text, verdict])
    return Table(
        "In short",
        [
            "On every Python of the run, unless some are named. The tables below have the rule of each verdict, and the speedups."
        ],
        ["claim", "found", "verdict"],
        rows,
        [],
    )


def _speedup(run: Run, engine: str, name: str) -> str:
    ratio = run.speedup(engine, name) if engine in run.record.engines else None
    return NOTHING if ratio is None else ratio_text(ratio)


def _rows(run: Run, names: Sequence[str], engine: str, row: Callable[[str], list[str]]) -> list[list[str]]:
    """A row for each runtime on which both the engine and the reference were measured."""
    return [row(name) if run.ok((engine, name), (REFERENCE, name)) else [name, NOTHING] for name in names]


def _nodes(run: Run, engine: str, least: float, most: float) -> tuple[str, ClaimVerdict]:
    before, after = run.nodes(REFERENCE), run.nodes(engine)
    if before is None or after is None:
        return NOTHING, "not measured"
    return f"{before:,.0f} → {after:,.0f} ({after / before - 1:+.1%})", fewer_nodes(before, after, least, most)


def _division(run: Run, names: Sequence[str]) -> Table:
    nodes, verdict = _nodes(run, DIRECT, 0.2, 0.3)
    rows = _rows(run, names, DIRECT, lambda name: [name, nodes, _speedup(run, DIRECT, name), verdict])
    return Table(
        "“Direct division: 20–30 % fewer graph nodes”",
        [
            "One node for a / b instead of a · b⁻¹. Confirmed if 20 to 30 % of the nodes disappear; node counts are exact.",
        ],
        ["runtime", "nodes per step", "speedup over the reference", "verdict"],
        rows,
        [
            "The GPT divides once per probability and once per normalized row; nearly all its nodes are sums and products."
        ],
    )


def _cross_entropy(run: Run, names: Sequence[str]) -> Table:
    nodes, verdict = _nodes(run, FUSED, 1e-9, 1)
    rows = _rows(run, names, FUSED, lambda name: [name, nodes, _speedup(run, FUSED, name), verdict])
    return Table(
        "“Fused cross-entropy: fewer nodes”",
        ["One node for −log softmax(x)[target]. Confirmed if any nodes disappear."],
        ["runtime", "nodes per step", "speedup over the reference", "verdict"],
        rows,
        [],
    )


def _gap(answer: dict[str, Any] | None) -> str:
    if answer is None:
        return "nowhere"
    return f"{answer['gap']} ({answer['error'].partition(':')[0] or f'{digits_kept(answer):.0f} digits left'})"


def _stability(record: ClaimsRecord, names: Sequence[str]) -> Table:
    rows = []
    for name in names:
        answers = record.runtimes[name]["stability"]
        for target, what in ((1, "improbable"), (0, "probable")):
            before, after = (first_bad_gap(answers[engine], target) for engine in (REFERENCE, FUSED))
            verdict = steadier(*(answer["gap"] if answer else None for answer in (before, after)))
            rows.append([name, what, _gap(before), _gap(after), verdict])
    return Table(
        "“Fused cross-entropy: better stability”",
        [
            "Logits (gap, 0, −1) with a growing gap. At which gap does the loss or one of its gradients have fewer than eight of its"
            " sixteen digits right, or does the engine fail? Exact values have fifty digits.",
            f"Confirmed if the fused form reaches a gap that is larger by {LUCK} or more; smaller differences depend on how numbers"
            " round. The target is the logit 0 (improbable) or the largest logit (probable).",
        ],
        ["runtime", "target", "softmax, then log", "fused", "verdict"],
        rows,
        [
            "Both subtract the largest logit first. They differ in the logarithm: of a probability, which is 0 from a gap of 745"
            " on, or of a sum that is never below 1.",
        ],
    )


def _depth(run: Run, record: ClaimsRecord, names: Sequence[str]) -> Table:
    rows = []
    for name in names:
        depths = record.runtimes[name]["depth"]
        reached = []
        for engine in (REFERENCE, ITERATIVE):
            good = [answer["length"] for answer in depths[engine] if not answer["error"]]
            bad = next((answer for answer in depths[engine] if answer["error"]), None)
            reached.append(f"{max(good, default=0):,}" + (f", {bad['error']} at {bad['length']:,}" if bad else ""))
        rows.append([name, *reached, _speedup(run, ITERATIVE, name), deeper(depths[REFERENCE], depths[ITERATIVE])])
    return Table(
        "“An iterative sort removes the recursion limit”",
        [
            f"The longest chain of nodes, {DEPTHS[0]:,} to {DEPTHS[-1]:,}, that backward can walk with Python's default recursion limit.",
            "Confirmed if the recursive sort fails and the iterative one reaches every length.",
        ],
        ["runtime", "recursive", "iterative", "speedup over the reference", "verdict"],
        rows,
        [],
    )


def _phantom(run: Run, names: Sequence[str]) -> Table:
    nodes, verdict = _nodes(run, PHANTOM, 1e-9, 1)
    rows = _rows(run, names, PHANTOM, lambda name: [name, nodes, _speedup(run, PHANTOM, name), verdict])
    return Table(
        "“Removes the phantom node”",
        [
            "sum() starts from the number 0, which becomes a node, as does the first addition to it. The variant removes these"
            " nodes from one sum, this engine from all. Confirmed if any nodes disappear.",
        ],
        ["runtime", "nodes per step", "speedup over the reference", "verdict"],
        rows,
        [],
    )


def _headline(run: Run, names: Sequence[str]) -> Table:
    fast = ("tape", "fused_dot", "combined", "vector_exact", "compiled", "vector", "compiled_unordered")
    pure = [e for e in fast if e in run.record.engines]
    word = {"confirmed": "yes", "refuted": "no", "not separable": "?"}
    rows = []
    for engine in pure:
        cells = []
        for name in names:
            ratio = run.speedup(engine, name)
            cells.append(
                NOTHING if ratio is None else f"{ratio_text(ratio, short=True)} {word[at_least(ratio, HEADLINE)]}"
            )
        rows.append([engine, *cells])
    return Table(
        "“TypeScript is 8 times as fast as Python”: as fast in Python alone",
        [
            "The claim: 1,000 steps in 6.3 s on Node 25 and in 50.2 s on CPython 3.14. It is about one way of writing the"
            " Python version. Which engines in plain Python are 8 times as fast as that, on the same CPython?",
            f"yes: the whole interval is at 8 or above; no: the whole interval is below 8; ?: 8 is inside. {wording.SHORT}",
        ],
        ["engine", *wording.columns(names)],
        rows,
        [],
    )


def _ports(ports: PeersRun) -> Table:
    run, record, rows = ports.run, ports.record, []
    for engine, runtime in run.cells:
        if engine != REFERENCE or not run.ok((engine, runtime)):
            continue
        for peer in record.peers:
            ratio = ports.over((engine, runtime), peer.name)
            if ratio is not None:
                rows.append([runtime, peer.name, ratio_text(ratio), about(ratio, HEADLINE)])
    return Table(
        "“TypeScript is 8 times as fast as Python”: a JavaScript port here",
        [
            f"{run.record.plan.steps} steps in {len(record.rounds)} interleaved rounds of the run {run.folder.name}, every loss"
            " checked. The time of the reference divided by the time of the port.",
            "Confirmed if 8 is in the interval; otherwise less or more than claimed.",
        ],
        ["runtime", "program", "times as fast", "verdict"],
        rows,
        [],
    )
