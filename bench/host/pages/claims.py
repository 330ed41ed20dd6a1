"""The page of claims: what others say, and what is measured here, on each Python.

The claims are those of a registry (claim_registry.py), every verdict follows from a rule (claim_rules.py) and from what the
runs at hand say (claim_findings.py).
"""

from __future__ import annotations

import collections
import shlex
from collections.abc import Sequence

from bench.host.pages import claim_details, rendering, wording
from bench.host.pages.claim_findings import Evidence, Finding, findings
from bench.host.pages.claim_registry import Claim, Registry, Source
from bench.host.pages.claim_rules import MEANING, ClaimVerdict
from bench.host.results.peers import PeersRun
from bench.host.results.records import REFERENCE, ClaimsRecord
from bench.host.results.run import Run
from bench.host.results.table import Table
from bench.host.system.errors import UsageError

Found = list[tuple[Claim, list[Finding]]]


def page(
    registry: Registry, runs: Sequence[Run], records: Sequence[ClaimsRecord], peers: Sequence[PeersRun] = ()
) -> str:
    """results/claims.md. ``records``: what the experiments of each run said; ``peers``: runs with other programs.

    Raises UsageError for a run without a finished round.
    """
    for run in [*runs, *(one.run for one in peers)]:
        if not run.rounds:
            raise UsageError(f"{run.folder} has no finished round")
    names = _names([*runs, *(one.run for one in peers)])
    evidence = Evidence(dict(zip(names, runs)), dict(zip(names, records)), dict(zip(names[len(runs) :], peers)))
    found = [(claim, findings(claim, evidence)) for claim in registry.claims]
    command = ["claims", *names[: len(runs)], *(word for name in names[len(runs) :] for word in ("--peers", name))]
    parts = [
        "# Claims, and what is measured",
        f"What others say of the speed of microgpt and of Python, compared with what is measured here: {len(found)} claims from"
        f" {len(registry.sources)} sources. Made by `microgpt-bench {shlex.join(command)}`; the claims, and the rule that settles"
        " each, are in [claims.toml](../bench/host/pages/claims.toml), whose head says how to add one.",
        _render(_summary(found)),
        "A claim of one number is met within a tenth of it. Speedups and other ratios are of times, with the 95 % interval in"
        " brackets: above 1 is faster; “→” stands between before and after. Where several Pythons agree, the newest one's number"
        " is shown. Numbers in the column “source” are those of the list at the end. Node counts, depths and digits are the same on"
        " any machine with the same Python; times depend on the machine, and ratios of them too, above all JavaScript's.",
        *(_render(_topic(registry, topic, found, evidence)) for topic in registry.topics),
        _render(_missing(found)),
        *map(_render, claim_details.tables(evidence)),
        "### Runs",
        "\n".join(_run_line(name, run) for name, run in zip(names, [*runs, *(one.run for one in peers)])),
        "### Sources",
        "\n".join(_source_line(number, source) for number, source in enumerate(registry.sources.values(), 1)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _names(runs: Sequence[Run]) -> list[str]:
    """Each run's folder, as the command line names it under ``results``: with the folder above it where that is not shared."""
    top = runs[0].folder.resolve().parent
    names = []
    for run in runs:
        folder = run.folder.resolve()
        names.append(str(folder.relative_to(top)) if folder.is_relative_to(top) else str(run.folder))
    return names


def _render(table: Table) -> str:
    return rendering.render_table(table, "github", left=True) if table.rows else ""


def _verdict(found: Sequence[Finding]) -> ClaimVerdict:
    """The verdict that a claim is counted by: on the newest Python."""
    return found[-1].verdict


def _summary(found: Found) -> Table:
    counts = collections.Counter(_verdict(about) for _, about in found)
    return Table(
        "In short",
        [],
        ["verdict", "claims", "what it means"],
        [[verdict, str(counts[verdict]), meaning] for verdict, meaning in MEANING.items()],
        ["Where Pythons differ, a claim is counted by the newest one."],
    )


def _topic(registry: Registry, topic: str, found: Found, evidence: Evidence) -> Table:
    """A row for each claim, verdict and run, that of the newest Python first."""
    numbers = {source: str(number) for number, source in enumerate(registry.sources.values(), 1)}
    rows = []
    for claim, about in found:
        groups: dict[tuple[str, str], list[Finding]] = {}
        for one in reversed(about if claim.topic == topic else []):
            groups.setdefault((one.verdict, one.run), []).insert(0, one)
        for (verdict, run), group in groups.items():
            note = f"{claim.note}: " if claim.note and run else ""
            pythons = [one.runtime for one in group if one.runtime]
            where = (
                wording.span(pythons, evidence.runtimes)
                if pythons and run in evidence.runs
                else ", ".join(wording.columns(pythons))
            )
            rows.append([_words(claim), numbers[claim.source], verdict, note + group[-1].text, where, run])
    return Table(
        registry.topics[topic],
        [],
        ["claim", "source", "verdict", "measured here, or why not", "Python", "run"],
        rows,
        [],
    )


def _words(claim: Claim) -> str:
    return f"{claim.about}: “{claim.quote}”"


def _missing(found: Found) -> Table:
    """What would make the runs that are lacking, a row for each command."""
    commands: dict[str, list[str]] = {}
    for claim, about in found:
        if about[-1].verdict == "no run here has it" or (claim.needs and not about[-1].run):
            quotes = commands.setdefault(_command(claim), [])
            words = "all that need a program" if claim.peer else _words(claim)
            quotes.extend([words] if words not in quotes else [])
    return Table(
        "What would settle the others",
        ["Give the run that the command makes to the command of this page too. A program is described in FILE.toml."],
        ["command", "claims"],
        [[command, "; ".join(quotes)] for command, quotes in commands.items()],
        [],
    )


def _command(claim: Claim) -> str:
    """The command that makes a run that has what the claim's rule looks at."""
    if claim.command:
        return claim.command
    if claim.rule == "peer":
        return "microgpt-bench peers FILE.toml --data names --python 3.14 --engine reference --engine native"
    if claim.rule in ("memory", "collector"):
        return "microgpt-bench count RUN"
    if claim.rule in ("experiment", "sums"):
        return "microgpt-bench claims RUN --again"
    names = dict.fromkeys(name for name in (claim.engine, claim.over) if name != REFERENCE)
    pythons = [_specification(name) for name in (claim.base, claim.runtime) if name]
    words = [f"--engine {name}" for name in names or [REFERENCE]] + [f"--python {name}" for name in pythons]
    return f"microgpt-bench run {' '.join(words)}"


def _specification(runtime: str) -> str:
    """The value of --python that finds a runtime: cpython-3.14 is 3.14, pypy-3.11 is pypy3.11."""
    implementation, _, version = runtime.partition("+")[0].partition("-")
    return version if implementation == "cpython" else implementation + version


def _run_line(name: str, run: Run) -> str:
    about = f"{run.record.workload.data}, {wording.steps_of(run)}, {len(run.rounds)} rounds"
    made = f"{run.record.machine['cpu']}, {run.record.created}"
    return f"- [`{name}`]({name}/tables.md): {about}; {made}\n  `{run.record.command}`"


def _source_line(number: int, source: Source) -> str:
    read = ", ".join(part for part in (source.revision, source.date) if part)
    name = f"[{source.name}]({source.address})" if source.address else source.name
    return f"{number}. {name}{f' ({read})' if read else ''}"
