"""The words and numbers of the pages: a ratio as text, a run's preamble, the legend of its tables."""

from __future__ import annotations

from collections.abc import Sequence

from bench.host.results import machines
from bench.host.results.bases import OVER_REFERENCE, Base
from bench.host.results.precision import narrow
from bench.host.results.records import NODES_STEPS, RuntimeRecord
from bench.host.results.run import Run
from bench.host.stats.paired import Ratio
from bench.host.system.progress import count
from bench.workload.config import OPTIONS
from bench.workload.runtime import jits


def columns(runtimes: Sequence[str]) -> list[str]:
    """Column heads: where all are CPython the version says it, so that six fit on 80 columns."""
    prefix = "cpython-"
    return (
        [name.removeprefix(prefix) for name in runtimes]
        if all(name.startswith(prefix) for name in runtimes)
        else list(runtimes)
    )


def span(runtimes: Sequence[str], known: Sequence[str]) -> str:
    """Some of the ``known`` runtimes: from the first to the last where none between is lacking, else each."""
    known = list(dict.fromkeys(known))
    names = columns(runtimes)
    begin = known.index(runtimes[0])
    whole = len(runtimes) > 2 and list(runtimes) == known[begin : begin + len(runtimes)]
    return f"{names[0]} to {names[-1]}" if whole else ", ".join(names)


def number(value: float) -> str:
    """With about three significant digits."""
    return f"{value:.{decimals(value)}f}"


def decimals(value: float) -> int:
    """How many digits after the point show about three significant ones."""
    return 0 if value >= 1000 else 1 if value >= 100 else 2 if value >= 0.1 else 4


def ratio_text(ratio: Ratio, short: bool = False) -> str:
    """A ratio with its interval; (=) where it cannot be told from 1. Short: half the interval in per cent of the ratio."""
    digits = decimals(ratio.value)
    mark = "" if ratio.separable else " (=)"
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.{digits}f}{'±?' if short else ' [one round]'}"
    if short:
        half = 50 * (ratio.high - ratio.low) / ratio.value
        return f"{ratio.value:.{digits}f}±{half:.0f}{'=' if not ratio.separable else ''}"
    return f"{ratio.value:.{digits}f} [{ratio.low:.{digits}f}, {ratio.high:.{digits}f}]{mark}"


SHORT = "±: half the 95 % interval, in percent of the ratio. =: the interval includes 1."
ONE_ROUND = "no interval can be made of one round, so these speedups may be chance"
LISTED = 6  # steps by number
GATED = "no speedup: a check measures the reference only once, to verify the others; see the verdicts of the gate"


def more(run: Run) -> str:
    """What would narrow a run's intervals: what ended it was the number of rounds, the budget, or the user."""
    if len(run.machines) > 1:
        return "more machines, and more rounds on each, narrow it"
    plan, taken = run.record.plan, [entry.seconds for entry in run.rounds]
    if run.gated or len(taken) >= plan.rounds or narrow(run):
        return "a longer --budget narrows it" if run.gated else "more --rounds narrow it"
    # starting, and the tables, are in the budget too
    if plan.budget_seconds is not None and 1.1 * (sum(taken) + max(taken, default=0)) + 5 > plan.budget_seconds:
        return "a longer --budget narrows it"
    return f"continue with --resume {run.folder}"


def runtime_line(runtime: RuntimeRecord) -> str:
    """The build and its switches in a line."""
    about = runtime.described
    parts = [
        f"{about['implementation']} {about['version']}"
        + (f" (Python {about['python']})" if about["version"] != about["python"] else ""),
        about["compiler"],
        about["optimization"],
        "+".join(flag.upper() for flag in ("pgo", "lto") if about[flag]) or "no PGO or LTO recorded",
        "frame pointers" if about.get("frame_pointers") else "",
        f"GIL {'on' if about['gil'] else 'off'}",
        f"JIT {jits(about)}" if about["implementation"] == "cpython" or about.get("other_jits") else "",
        "debug build" if about["debug"] else "",
        about["libc"],
        f"started by the launcher {about['launcher']}" if about.get("launcher") else "",
        *(f"{name}={value}" for name, value in runtime.environment.items()),
    ]
    return ", ".join(part for part in parts if part)


def preamble(run: Run) -> list[str]:
    """What was run, on what, how often: the lines above all tables."""
    record, plan, workload = run.record, run.record.plan, run.record.workload
    config = workload.config
    sizes = ", ".join(f"{name} {config[name]}" for name in ("n_layer", "n_embd", "n_head", "block_size"))
    options = [f"{name} {value}" for name, value in config.items() if name in OPTIONS]
    return [
        f"{workload.data}: {workload.documents:,} documents, {workload.vocabulary} tokens; {sizes}; {workload.parameters:,} parameters; seed {config['seed']}",
        *(["training options: " + ", ".join(options)] if options else []),
        f"{steps_of(run)}, {len(run.rounds)} round{'s' * (len(run.rounds) != 1)} of fresh processes, "
        f"in lockstep; cyclic garbage collector {plan.gc}"
        + ("" if plan.affinity is None else f"; workers on CPU {', '.join(map(str, plan.affinity))} only"),
        *_machines(run),
        *record.notes,
    ]


def _machines(run: Run) -> list[str]:
    """A line for the machine, or for each and how many rounds it measured."""
    several, told = len(run.machines) > 1, []
    for name, one in run.machines.items():
        about = machines.of_round(run, one.rounds[0]) if one.rounds else run.record.machine
        line = f"{about['cpu']}, {about['cores']} cores, {about['platform']}"
        told.append(f"{name}: {line}; {count(len(one.rounds), 'round')}" if several else line)
    return (
        [f"{len(told)} machines, rounds paired within each; {run.record.created}", *told]
        if several
        else [f"{told[0]}; {run.record.created}"]
    )


def steps_of(run: Run) -> str:
    """Which steps of the training run were timed."""
    plan, whole = run.record.plan, run.record.workload.config["schedule_steps"]
    if plan.at is None:
        return f"steps 1 to {plan.steps} of a schedule of {whole}"
    listed = ", ".join(map(str, plan.at[:LISTED])) + (", …" if len(plan.at) > LISTED else "")
    return f"{plan.steps} steps from all over a training run of {whole} ({listed}), each from the run's own state there, after {past_of(run)}"


def past_of(run: Run) -> str:
    """What a process does before the first step that is timed."""
    plan = run.record.plan
    untimed = f"{plan.lead_in} untimed first steps"
    return f"aging and {untimed}" if plan.aged else untimed


def legend(base: Base = OVER_REFERENCE) -> list[str]:
    """What the columns of a run's tables are."""
    return [
        f"ms/step: median. speedup: time of {base.text} / time of the engine, with its 95 % interval.",
        f"nodes: graph nodes per step, mean of at most {NODES_STEPS} steps. MB: peak memory of the process.",
        "samples: wall time in ms to draw a text after the last step, mean of the first round's.",
        "parity with the reference: bit-identical (losses, first gradients, final parameters and samples), losses equal (the rest",
        "differs by rounding), or the largest difference of a loss @ the first step that differs.",
    ]


def counters_legend(base: Base = OVER_REFERENCE) -> list[str]:
    """What the columns of the tables of counters are."""
    ratio = "the reference's / the engine's" if base == OVER_REFERENCE else f"those of {base.text} / the engine's"
    return [
        f"Counters are means per step over the first documents. instructions: by Valgrind; ratio: {ratio}.",
        "blocks: memory blocks alive after backward, above the level before the step. kB: peak allocation within a step.",
        "gc %: share of the time in the cyclic garbage collector; gcs: garbage collections per step.",
    ]
