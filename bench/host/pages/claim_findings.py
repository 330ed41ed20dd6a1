"""What the runs at hand say of a claim: one finding for each Python that it can be looked up on."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bench.host.pages.claim_registry import Claim
from bench.host.pages.claim_rules import ClaimVerdict, deeper, first_bad_gap, gap_text, reach_text, steadier, within
from bench.host.pages.wording import decimals, ratio_text
from bench.host.results import builds
from bench.host.results.peers import PeersRun, bad, step_seconds
from bench.host.results.records import REFERENCE, Cell, ClaimsRecord, key
from bench.host.results.run import Run
from bench.host.stats.paired import Ratio, estimate, paired_ratio
from bench.workload.config import Config
from bench.workload.experiments import WIDTH
from bench.workload.gpt import count_parameters

ITERATIVE, FUSED = "iterative", "fused_cross_entropy"
PARTS = 6  # of an experiment's repeats, to tell the spread from


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one run says on one runtime; ``runtime`` "" where it is the same on all, ``run`` None where none was needed."""

    verdict: ClaimVerdict
    text: str
    runtime: str = ""
    run: str = ""


@dataclasses.dataclass(frozen=True)
class Evidence:
    """The runs that a page is made from, by the names under which their folders are known, and what their experiments said."""

    runs: Mapping[str, Run]
    records: Mapping[str, ClaimsRecord]
    peers: Mapping[str, PeersRun]

    def having(self, *cells: Cell) -> tuple[str, Run] | None:
        """The run that says most of these cells: of most steps, then of most rounds."""
        good = [
            (name, run)
            for name, run in self.runs.items()
            if all(engine in run.record.engines and runtime in run.record.runtimes for engine, runtime in cells)
            and run.record.plan.gc == "on"
            and run.ok(*cells)
        ]
        return max(good, key=lambda one: (one[1].record.plan.steps, len(one[1].rounds)), default=None)

    @property
    def runtimes(self) -> list[str]:
        """All of the runs, each once; the CPythons by version."""
        names = {name for run in self.runs.values() for name in run.record.runtimes}
        return sorted(names, key=lambda name: ([int(digits) for digits in re.findall(r"\d+", name)], name))


def findings(claim: Claim, evidence: Evidence) -> list[Finding]:
    """At least one; the verdict "no run here has it" where no run has what the rule looks at."""
    found = list(LOOK[claim.rule](claim, evidence))
    if not found and claim.needs:
        return [Finding("not testable here", f"needs {claim.needs}")]
    return found or [Finding("no run here has it", f"needs the program [peers.{claim.peer}]" if claim.peer else "")]


def _judged(claim: Claim, ratio: Ratio) -> ClaimVerdict:
    return within(ratio.low, ratio.high, claim.low, claim.high, claim.above)


def _wanted(claim: Claim, evidence: Evidence) -> list[str]:
    """The Pythons to look on: the claim's, or every CPython."""
    return [claim.runtime] if claim.runtime else [name for name in evidence.runtimes if name.startswith("cpython")]


def _speedup(claim: Claim, evidence: Evidence) -> Iterator[Finding]:
    for runtime in _wanted(claim, evidence):
        one = evidence.having((claim.engine, runtime), (claim.over, runtime))
        ratio = one and one[1].speedup(claim.engine, runtime, over=claim.over)
        if one and ratio:
            yield Finding(_judged(claim, ratio), ratio_text(ratio), runtime, one[0])


def _nodes(claim: Claim, evidence: Evidence) -> Iterator[Finding]:
    for name, run in evidence.runs.items():
        if (
            claim.engine in run.record.engines
            and (after := run.nodes(claim.engine))
            and (before := run.nodes(REFERENCE))
        ):
            share = 1 - after / before
            verdict = within(share, share, claim.low, claim.high, claim.above)
            yield Finding(verdict, f"{before:,.0f} → {after:,.0f} nodes ({-share:+.1%})", run=name)
            return  # the same on every Python


def _counted(engine: str, what: str, evidence: Evidence) -> Iterator[tuple[str, str, float]]:
    """Run, runtime and the counter ``what`` of an engine, once for each runtime."""
    seen = set()
    for name, run in evidence.runs.items():
        for runtime in run.record.runtimes:
            cell = run.counters.cells.get(key((engine, runtime))) if run.counters else None
            value = getattr(cell, what) if cell else None
            if value is not None and runtime not in seen:
                seen.add(runtime)
                yield name, runtime, value


def _memory(claim: Claim, evidence: Evidence) -> Iterator[Finding]:
    before = {(name, runtime): value for name, runtime, value in _counted(claim.over, "peak_bytes", evidence)}
    for name, runtime, after in _counted(claim.engine, "peak_bytes", evidence):
        if base := before.get((name, runtime)):
            share = 1 - after / base
            verdict = within(share, share, claim.low, claim.high, claim.above)
            yield Finding(
                verdict, f"{base / 1e6:.1f} → {after / 1e6:.1f} MB at most in a step ({-share:+.0%})", runtime, name
            )


def _collector(claim: Claim, evidence: Evidence) -> Iterator[Finding]:
    for name, runtime, share in _counted(claim.engine, "collector_share", evidence):
        if share < 1:
            faster = 1 / (1 - share)
            verdict = within(faster, faster, claim.low, claim.high, claim.above)
            yield Finding(verdict, f"{share:.0%} of a step is the collector's: {faster:.2f} without it", runtime, name)


def _parameters(claim: Claim, evidence: Evidence) -> Iterator[Finding]:
    letters = 27  # of microgpt.py's names
    before, after = (
        count_parameters(config, letters)
        for config in (Config(), Config(**{claim.option: True}))  # type: ignore[arg-type]
    )
    fewer = before - after
    yield Finding(within(fewer, fewer, claim.low, claim.high), f"{before:,} → {after:,} parameters ({-fewer:+,})")


def _ms_per_step(claim: Claim, evidence: Evidence) -> Iterator[Finding]:
    cell = (claim.engine, claim.runtime)
    if one := evidence.having(cell):
        took = estimate(np.log(one[1].times(cell).mean(axis=1) * 1e3)).ratio(0.95)
        low, high = (None, None) if took.low is None or took.high is None else (1 / took.high, 1 / took.low)
        # a shorter time is more than claimed
        verdict = within(low, high, 1 / claim.high, 1 / max(claim.low, 1e-9))
        yield Finding(verdict, f"{number_text(took)} ms a step", claim.runtime, one[0])


def number_text(ratio: Ratio) -> str:
    """A number with its interval, where 1 means nothing."""
    digits = decimals(ratio.value)
    interval = "" if ratio.low is None or ratio.high is None else f" [{ratio.low:.{digits}f}, {ratio.high:.{digits}f}]"
    return f"{ratio.value:.{digits}f}{interval}"


def _runtimes(claim: Claim, evidence: Evidence) -> Iterator[Finding]:
    base, cell = (claim.engine, claim.base), (claim.engine, claim.runtime)
    one = evidence.having(base, cell)
    if one is None:
        return
    described = [one[1].record.runtimes[runtime].described for runtime in (claim.base, claim.runtime)]
    if different := builds.differences(described[0], described[1], claim.differ):
        yield Finding("not testable here", f"{claim.runtime} is not built like {claim.base}: {', '.join(different)}")
    elif ratio := one[1].speedup(*cell, over=base):
        yield Finding(_judged(claim, ratio), f"{ratio_text(ratio)} over {claim.base}", claim.runtime, one[0])


def _peer(claim: Claim, evidence: Evidence) -> Iterator[Finding]:
    for name, peers in evidence.peers.items():
        if claim.peer not in [peer.name for peer in peers.record.peers]:
            continue
        if unproven := _unproven(peers, claim.peer) or (claim.over_peer and _unproven(peers, claim.over_peer)):
            yield Finding("not testable here", unproven, run=name)
            continue
        if claim.over_peer:
            if ratio := peers.speedup(claim.peer, claim.over_peer, runtime=""):  # programs are on none
                yield Finding(_judged(claim, ratio), f"{ratio_text(ratio)} over {claim.over_peer}", run=name)
            continue
        for engine, runtime in peers.run.cells:
            if engine != claim.engine or claim.runtime not in ("", runtime) or not peers.run.ok((engine, runtime)):
                continue
            over = peers.over((engine, runtime), claim.peer)
            if over is not None:
                yield Finding(_judged(claim, over), f"{ratio_text(over)} by {claim.peer}", runtime, name)


def _unproven(peers: PeersRun, name: str) -> str:
    """Why nothing is compared with a program, and its time where it has one; "" where it is proven, or not in the run."""
    peer = next((peer for peer in peers.record.peers if peer.name == name), None)
    if peer is None:
        return ""
    if trouble := bad(peers.record, name):
        return f"{name} {trouble.status}: {trouble.reason}"
    seconds = step_seconds(peers.record, name, peers.run.record.plan.steps)
    if peer.proof == "losses" or seconds is None:
        return ""
    took = number_text(estimate(np.log(seconds.mean(axis=1) * 1e3)).ratio(0.95))
    reason = next((entry[name].reason for entry in peers.record.rounds if name in entry), "")
    why = f"it is not the same training: {reason}" if reason else "nothing shows that it is the same training"
    return f"{why}; {took} ms a step"


def _experiment(claim: Claim, evidence: Evidence) -> Iterator[Finding]:
    for name, runtime, about in _experiments(evidence, claim.experiment.partition("_")[0]):
        if claim.experiment == "depth":
            before, after = about[REFERENCE], about[ITERATIVE]
            yield Finding(deeper(before, after), f"{reach_text(before)} → {reach_text(after)}", runtime, name)
        else:
            target = int(claim.experiment == "stability_improbable")
            gaps = [first_bad_gap(about[engine], target) for engine in (REFERENCE, FUSED)]
            verdict = steadier(*(answer["gap"] if answer else None for answer in gaps))
            yield Finding(verdict, f"digits lost at a gap of {gap_text(gaps[0])} → {gap_text(gaps[1])}", runtime, name)


def _experiments(evidence: Evidence, how: str) -> Iterator[tuple[str, str, Mapping[str, list[dict[str, Any]]]]]:
    """Run, runtime and answers of an experiment, once for each runtime, by version."""
    for runtime in evidence.runtimes:
        for name, record in evidence.records.items():
            if how in record.runtimes.get(runtime, {}):
                yield name, runtime, record.runtimes[runtime][how]
                break


def _sums(claim: Claim, evidence: Evidence) -> Iterator[Finding]:
    for name, runtime, about in _experiments(evidence, "sums"):
        answers = about["dot"][: len(about["dot"]) // PARTS * PARTS]
        if not answers:
            continue
        over, way = (np.array([one[name] for one in answers], dtype=float) for name in (claim.over_way, claim.way))
        ratio = paired_ratio(over.reshape(PARTS, -1), way.reshape(PARTS, -1))
        yield Finding(
            _judged(claim, ratio), f"{ratio_text(ratio)} over the {claim.over_way}, {WIDTH} floats", runtime, name
        )


def _untestable(claim: Claim, _: Evidence) -> Sequence[Finding]:
    return [Finding("not testable here", claim.why)]


LOOK: dict[str, Callable[[Claim, Evidence], Iterator[Finding] | Sequence[Finding]]] = {
    "speedup": _speedup,
    "nodes": _nodes,
    "memory": _memory,
    "collector": _collector,
    "parameters": _parameters,
    "ms_per_step": _ms_per_step,
    "runtimes": _runtimes,
    "peer": _peer,
    "experiment": _experiment,
    "sums": _sums,
    "untestable": _untestable,
}
