"""The tables under the page of claims, of what several claims are about: nodes and speedups, depths and digits, plain Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bench.host.pages import wording
from bench.host.pages.claim_findings import FUSED, ITERATIVE, Evidence
from bench.host.pages.claim_rules import LUCK, first_bad_gap, gap_text, reach_text, within
from bench.host.pages.wording import ratio_text
from bench.host.results.records import REFERENCE
from bench.host.results.run import Run
from bench.host.results.table import NOTHING, Table
from bench.workload.experiments import DEPTHS

CHANGES = ("unslotted", ITERATIVE, "direct_division", FUSED, "no_phantom_zero", "fused_dot")
PLAIN = ("tape", "fused_dot", "combined", "vector_exact", "compiled", "vector", "compiled_unordered")
HEADLINE = 8.0  # times as fast as CPython 3.14 that a TypeScript port says it is


def tables(evidence: Evidence) -> list[Table]:
    """Those that have a row."""
    run = next(iter(evidence.runs.values()))
    return [table for table in (_changes(run), _headline(run), _depth(evidence), _stability(evidence)) if table.rows]


def _speedups(run: Run, engine: str) -> Iterator[str]:
    for name in run.record.runtimes:
        ratio = run.speedup(engine, name)
        yield NOTHING if ratio is None else ratio_text(ratio, short=True)


def _changes(run: Run) -> Table:
    before, rows = run.nodes(REFERENCE), []
    for engine in CHANGES:
        after = run.nodes(engine) if engine in run.record.engines else None
        if before and after:
            rows.append([engine, f"{after:,.0f}", f"{after / before - 1:+.1%}", *_speedups(run, engine)])
    return Table(
        "Nodes and speed of each change",
        [f"Graph nodes a step, and the speedup over the reference on each Python of the run. {wording.SHORT}"],
        ["engine", "nodes", "of the reference's", *wording.columns(list(run.record.runtimes))],
        rows,
        [
            "Nodes are not time: the GPT divides once per probability and once per normalized row, and nearly all its nodes are sums"
            " and products."
        ],
    )


def _headline(run: Run) -> Table:
    rows = []
    for engine in PLAIN:
        cells = []
        for name in run.record.runtimes if engine in run.record.engines else []:
            ratio = run.speedup(engine, name)
            word = ratio and {"confirmed": "yes", "less than claimed": "no"}.get(
                within(ratio.low, ratio.high, HEADLINE, HEADLINE, above=True), "?"
            )
            cells.append(f"{ratio_text(ratio, short=True)} {word}" if ratio else NOTHING)
        if cells:
            rows.append([engine, *cells])
    return Table(
        "“TypeScript is 8 times as fast”: as fast in Python alone",
        [
            "The claim is about one way of writing the Python version. Which engines in plain Python are more than 8 times as fast as"
            " that, on the same CPython? yes, no: the whole interval lies above or below 8; ?: 8 is inside.",
        ],
        ["engine", *wording.columns(list(run.record.runtimes))],
        rows,
        [],
    )


def _merged(rows: Sequence[tuple[str, list[str]]]) -> list[list[str]]:
    """Runtimes of equal rows share one."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for runtime, row in rows:
        groups.setdefault(tuple(row), []).append(runtime)
    return [[wording.span(names, [name for name, _ in rows]), *row] for row, names in groups.items()]


def _depth(evidence: Evidence) -> Table:
    rows = [
        (runtime, [reach_text(about["depth"][REFERENCE]), reach_text(about["depth"][ITERATIVE])])
        for runtime, about in _experiments(evidence)
    ]
    return Table(
        "How deep a graph may be",
        [
            f"The longest chain of nodes, {DEPTHS[0]:,} to {DEPTHS[-1]:,}, that backward can walk with Python's default recursion limit.",
            "Confirmed if the recursive sort fails and the iterative one reaches every length.",
        ],
        ["Python", "recursive", "iterative"],
        _merged(rows),
        [],
    )


def _stability(evidence: Evidence) -> Table:
    rows = []
    for runtime, about in _experiments(evidence):
        for target, what in ((1, "improbable"), (0, "probable")):
            gaps = [gap_text(first_bad_gap(about["stability"][engine], target)) for engine in (REFERENCE, FUSED)]
            rows.append((runtime, [what, *gaps]))
    return Table(
        "How far apart logits may lie",
        [
            "Logits (gap, 0, −1) with a growing gap. At which gap does the loss or one of its gradients have fewer than eight of its"
            " sixteen digits right, or does the engine fail? Exact values have fifty digits.",
            f"Confirmed if the fused form reaches a gap that is larger by {LUCK} or more; smaller differences depend on how numbers"
            " round. The target is the logit 0 (improbable) or the largest logit (probable).",
        ],
        ["Python", "target", "softmax, then log", "fused"],
        _merged(rows),
        [
            "Both subtract the largest logit first. They differ in the logarithm: of a probability, which is 0 from a gap of 745"
            " on, or of a sum that is never below 1.",
        ],
    )


def _experiments(evidence: Evidence) -> list[tuple[str, dict[str, Any]]]:
    """The experiments of each runtime, by version, from the first run that has them."""
    found = []
    for runtime in evidence.runtimes:
        about = next(
            (record.runtimes[runtime] for record in evidence.records.values() if runtime in record.runtimes), None
        )
        if about is not None:
            found.append((runtime, about))
    return found
