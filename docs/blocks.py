"""What cog writes between its markers in the project's Markdown: printed from the committed run and from the commands.

`nox -s readme` runs it; a test fails when a page is stale.
"""

import dataclasses
import pathlib
import re
import subprocess
import sys

import click

from bench.cli import main
from bench.host.pages import across, rendering, run_tables, wording
from bench.host.pages import threads as threads_page
from bench.host.results import builds, store
from bench.host.results import threads as threads_file
from bench.host.results.parity import Agreement
from bench.host.results.records import REFERENCE
from bench.host.results.run import Run
from bench.host.results.table import Table

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUN = ROOT / "results" / "default"
LONG = ROOT / "results" / "long"
AGREEMENT = ROOT / "results" / "agreement"  # the folder of three runs
WIDTH = 100  # of help texts, in columns


def committed(folder: pathlib.Path) -> Run:
    """The run in it. Raises SystemExit where it does not hold what it promises."""
    run = store.load(folder)
    if not run.good():
        raise SystemExit(f"{folder} does not hold what it promises: measure again")
    return run


def table_of(run: Run, runtime: str, engines: tuple[str, ...]) -> Table:
    """The runtime's table, of these engines only. Raises SystemExit where one is missing."""
    (table,) = (table for table in run_tables.tables(run) if table.title == runtime)
    rows = [row for row in table.rows if row[0] in engines]
    if len(rows) != len(engines):
        raise SystemExit(f"{run.folder} has not all of {', '.join(engines)} on {runtime}")
    return dataclasses.replace(table, rows=rows)


def summary(runtime: str, *engines: str) -> None:
    """The few numbers that matter: some engines over a whole training run, slowest first, and what newer Pythons bring."""
    run = committed(AGREEMENT / "whole")
    table, rows = table_of(run, runtime, engines), []
    for row in reversed(table.rows):
        engine, ms, speed = (row[table.headers.index(head)] for head in ("engine", "ms/step", "speedup"))
        finding = run.finding((engine, runtime))
        assert finding is not None
        agree = "the same bits" if finding.parity is Agreement.BIT_IDENTICAL else f"within {finding.largest:.0e}"
        rows.append([engine, run.record.engines[engine].summary, ms, speed, "–" if engine == REFERENCE else agree])
    version = runtime.replace("cpython-", "CPython ")
    headers = [f"on {version}", "what it is", "ms/step", "speedup [95 % interval]", "losses"]
    print(rendering.grid(headers, rows, "github", left=True))
    run = committed(RUN)
    names = builds.alike(run.record.runtimes)
    if len(names) < 2:
        print("\nNo two builds of Python measured here are built alike, so versions are not compared.")
        return
    (all_together,) = (row for row in across.table(run, names[0]).rows if row[0] == across.MEAN)
    means = dict(zip(run.record.runtimes, all_together[1:]))
    base, *newer = wording.columns(names)
    first, *others = (f"{means[name]} {{}}on {head}" for name, head in zip(names[1:], newer))
    said = ", ".join([first.format("times as fast ") + f" as on {base}", *(other.format("") for other in others)])
    print(
        f"\nBetween builds of Python that are made alike, all engines together: {said} (±: half the interval, in percent)."
    )


def headline() -> None:
    """The committed run's plots and its table: speedup over the reference, engines by runtimes."""
    run = committed(RUN)
    print(f"""![Speedup of each engine over the reference, a point for each Python, on a logarithmic axis](results/default/plots/speed.svg)

<details>
<summary>The same as numbers: every engine on every Python</summary>

{_grid_of(run)}

</details>

![Speedup of each engine over itself on the oldest Python, a line each](results/default/plots/versions.svg)""")


def longer() -> None:
    """The speedups of the committed run of many steps."""
    print(_grid_of(committed(LONG)))


def agreement() -> None:
    """The speedups of a short run, and of one in older processes, beside those of a whole training run."""
    *tried, whole = (committed(AGREEMENT / name) for name in ("short", "aged", "whole"))
    rows, off = [], [list[float]() for _ in tried]
    for runtime in whole.record.runtimes:
        for engine in whole.record.engines:
            if engine == REFERENCE:
                continue
            right = whole.speedup(engine, runtime)
            row = [runtime, engine]
            for run, all_of_run in zip(tried, off):
                ratio = run.speedup(engine, runtime)
                assert ratio and right and ratio.low and right.low and ratio.high and right.high, (run.folder, engine)
                all_of_run.append(ratio.value / right.value - 1)
                overlap = " (=)" if ratio.low <= right.high and right.low <= ratio.high else ""
                row += [wording.ratio_text(ratio, short=True), f"{all_of_run[-1]:+.1%}{overlap}"]
            assert right
            rows.append([*row, wording.ratio_text(right, short=True)])
    heads = [f"after {run.record.plan.lead_in} untimed steps" for run in tried]
    headers = ["runtime", "engine", *(head for name in heads for head in (name, "off by")), "whole run"]
    for head, all_of_run in zip(heads, off):
        sizes = sorted(map(abs, all_of_run))
        print(f"- {head}: off by {sizes[len(sizes) // 2]:.1%} in the median, by {sizes[-1]:.1%} at most")
    print(f"\n{rendering.grid(headers, rows, 'github')}\n\nMeasured on {whole.record.machine['cpu']} by:\n\n```")
    for run in (*tried, whole):
        print("\n".join([run.record.command, *(f"# {note}" for note in run.record.notes)]))
    print("```")


def _grid_of(run: Run) -> str:
    return rendering.render_table(run_tables.headline(run), "github").split("\n", 2)[2]  # without its title


def excerpt(runtime: str, *engines: str) -> None:
    """Some rows of one runtime's table, as the terminal shows them."""
    table = table_of(committed(RUN), runtime, engines)
    print(f"```\n{rendering.grid(table.headers, table.rows, 'plain')}\n```")


def commands() -> None:
    """Every command's --help."""
    with click.Context(main.cli, info_name="microgpt-bench", terminal_width=WIDTH, max_content_width=WIDTH) as top:
        for name in main.cli.list_commands(top):
            command = main.cli.get_command(top, name)
            assert command is not None
            context = click.Context(command, top, name, terminal_width=WIDTH, max_content_width=WIDTH)
            print(f"## {name}\n\n```\n{re.sub(' +$', '', command.get_help(context), flags=re.M)}\n```\n")


def crowds() -> None:
    """The committed run of several models at a time, and the command that made it."""
    threads = threads_file.load(ROOT / "results" / "threads")
    print(rendering.render_tables(threads_page.tables(threads), "github"))
    print(f"\nMeasured on {threads.record.machine['cpu']} by:\n\n```")
    print("\n".join([threads.record.command, *(f"# {note}" for note in threads.record.notes)]) + "\n```")


def pairing(before: str, after: str) -> None:
    """What pyperf's compare_to and our own comparison say of two runtimes of the committed run."""
    run = committed(RUN)
    files = [RUN / "timings" / f"{name}.json" for name in (before, after)]
    command = [sys.executable, "-m", "pyperf", "compare_to", *map(str, files)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    hidden = re.search(r"hidden because not significant \(\d+\): (.*)", said)
    engines = [engine for engine in run.record.engines if run.ok((engine, before), (engine, after))]
    unsure = [engine for engine in engines if hidden and engine in hidden[1].split(", ")]
    told = []
    for engine in unsure:
        ratio = run.speedup(engine, after, (engine, before))
        if ratio is not None and ratio.separable:
            told.append(f"{engine} {wording.ratio_text(ratio)}")
    paths = " ".join(str(file.relative_to(ROOT)) for file in files)
    print(f"```\npython -m pyperf compare_to {paths}\nmicrogpt-bench compare default:{before} default:{after}\n```\n")
    print(
        f'The first command calls {len(unsure)} of {len(engines)} engines "not significant". The second, from the same rounds but'
        f" paired step by step, tells {len(told)} of these {len(unsure)} apart"
        + (f": {', '.join(told)}." if told else ".")
    )
