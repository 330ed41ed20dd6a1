"""A run's times in pyperf's format."""

from __future__ import annotations

import os

from bench.host.results.run import Run
from bench.workload.runtime import jits


def export_pyperf(run: Run) -> None:
    """Write timings/RUNTIME.json: a value is the mean seconds per step of one round, because rounds are the replicates."""
    import pyperf

    folder = run.folder / "timings"
    folder.mkdir(exist_ok=True)
    for runtime, about in run.record.runtimes.items():
        benchmarks = []
        for engine in run.record.engines:
            cell = (engine, runtime)
            if not run.ok(cell):
                continue
            finding = run.finding(cell)
            details = {
                "name": engine,
                "unit": "second",
                "inner_loops": 1,
                "python_version": about.described["build"].split("[")[0].strip(),
                "python_implementation": about.described["implementation"],
                "python_compiler": about.described["compiler"],
                "cpu_model_name": str(run.record.machine["cpu"]),
                "platform": str(run.record.machine["platform"]),
                "parity": str(finding.parity) if finding else "",
                "workload": f"{run.record.workload.data}, {_steps(run)}",
                "jit": jits(about.described),
                "gil": int(about.described["gil"]),
            }
            details = {name: value for name, value in details.items() if value != ""}
            values = run.seconds(cell).mean(axis=1)
            benchmarks.append(
                pyperf.Benchmark(
                    [pyperf.Run([float(value)], metadata=details, collect_metadata=False) for value in values]
                )
            )
        if benchmarks:
            part = folder / f".{runtime}.json.part"
            pyperf.BenchmarkSuite(benchmarks).dump(str(part), compact=False, replace=True)
            os.replace(part, folder / f"{runtime}.json")


def _steps(run: Run) -> str:
    """Which steps were timed."""
    plan = run.record.plan
    if plan.at is None:
        return f"{plan.steps} steps from the seeded state"
    return f"steps {', '.join(map(str, plan.at))} of the training run, after {'aging and ' if plan.aged else ''}{plan.lead_in} untimed ones"
