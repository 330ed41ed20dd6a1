"""The gate's table, and its verdicts for CI servers."""

from __future__ import annotations

import io
import math

from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite

from bench.host.results.table import NOTHING, Table
from bench.host.results.verdicts import ANSWER, COUNT_THRESHOLD, FAILED, Outcome, hold_lines, summary, to_json
from bench.host.stats.paired import Ratio
from bench.workload.model_file import write_atomically


def table(outcome: Outcome) -> Table:
    """The gate's table: a row for each cell, and for what else of it became worse; what fails first."""
    rows, against, rules = outcome.rows, outcome.against, outcome.rules
    gate, strict = rules.gate, rules.strict
    one_runtime = len({row.runtime for row in rows}) == 1
    claims = any(row.claimed for row in rows)
    counts = any(row.instructions or row.not_counted for row in rows)
    order = [*FAILED, "INCONCLUSIVE", "IMPROVED", "PASS", "NEW", "REMOVED", "SKIPPED"]
    lines, below = [], []
    for row in sorted((row for row in rows if row.shown), key=lambda row: order.index(row.word)):
        ratio = NOTHING if row.ratio is None else _ratio(row.ratio)
        claimed = [] if not claims else [NOTHING if row.claimed is None else _interval(row.claimed, "{} to {}")]
        counted = [] if not counts else ["not counted" if row.not_counted else _change(row.instructions)]
        where = [] if one_runtime else [row.runtime.removeprefix("cpython-")]
        lines.append([row.name, *where, row.word, ratio, *claimed, str(row.rounds), *counted, row.parity])
        if row.reason:
            below.append(f"{row.name} on {row.runtime}: {row.reason}")
        if row.not_counted:
            below.append(f"{row.name} on {row.runtime}: instructions not counted: {row.not_counted}")
    what = "speedup over the reference" if claims else f"speedup over {against}"
    threshold = f"{gate.threshold * 100:g} %"
    return Table(
        title=f"Against {against}" + (f" on {rows[0].runtime}" if one_runtime and rows else ""),
        above=[*outcome.notes, summary(rows, strict)],
        headers=[
            "engine",
            *([] if one_runtime else ["runtime"]),
            "verdict",
            what,
            *(["compared with"] if claims else []),
            "rounds",
            *(["instructions"] if counts else []),
            "parity",
        ],
        rows=lines,
        below=[
            *below,
            f"REGRESSED: the whole interval ({gate.confidence:.0%} confidence over all looks) is over {threshold} slower than what it is",
            "compared with, and each half of the rounds alone confirms it. PASS: the whole interval is less than that slower.",
            *hold_lines([row.hold for row in rows if row.hold is not None], rules.quantities),
            *(
                [
                    f"Also REGRESSED: over {COUNT_THRESHOLD:.2%} more instructions, counted under Valgrind in three memory layouts."
                ]
                if counts
                else []
            ),
        ],
    )


def _change(instructions: float | None) -> str:
    return NOTHING if instructions is None else f"{1 / instructions - 1:+.2%}" if instructions != 1 else "same"


def _ratio(ratio: Ratio) -> str:
    if ratio.low is None:
        return f"{ratio.value:.3g} [too few rounds]"
    return f"{ratio.value:.{_digits(ratio)}f} {_interval(ratio, '[{}, {}]')}"


def _interval(ratio: Ratio, form: str) -> str:
    return form.format(*(f"{end:.{_digits(ratio)}f}" for end in (ratio.low, ratio.high)))


def _digits(ratio: Ratio) -> int:
    """Four significant digits: the gate is about single per cents."""
    return max(0, 3 - math.floor(math.log10(ratio.value)))


def keep(outcome: Outcome) -> str:
    """Write the verdicts into the run's folder, with the table; the JSON as it is written."""
    text = to_json(outcome, table(outcome))
    write_atomically(outcome.run.folder / ANSWER, text)
    return text


def junit(outcome: Outcome) -> str:
    """A test case a cell, and a quantity held beside time, a suite a runtime. What was not measured, or not decided, is skipped; what is new, passed."""
    rows, against, strict = outcome.rows, outcome.against, outcome.rules.strict
    xml = JUnitXml("microgpt-bench check")
    for runtime in dict.fromkeys(row.runtime for row in rows):
        suite = TestSuite(runtime)
        for row in rows:
            if row.runtime != runtime:
                continue
            case = TestCase(row.name, classname=f"check.{runtime}")
            ratio = "" if row.ratio is None else f"{_ratio(row.ratio)} against {against}"
            text = "; ".join(part for part in (ratio, row.reason) if part)
            if row.word in FAILED or (strict and row.word == "INCONCLUSIVE"):
                case.result = [Failure(text, row.word)]
            elif row.word not in ("PASS", "IMPROVED", "NEW"):
                case.result = [Skipped(f"{row.word}: {text}")]
            elif row.reason:
                case.system_out = f"{row.word}: {text}"
            suite.add_testcase(case)
        xml.add_testsuite(suite)
    content = io.BytesIO()
    xml.write(content, pretty=True)
    return content.getvalue().decode()
